// Projects for tests of the build.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext } from "node:test";
import { environment } from "../build/environment.mjs";

/** A project in a folder of its own, as `jackfield build` would have it built. */
export function project(t: TestContext, files: Record<string, string>, grants: string[] = [], dev = false) {
  const directory = mkdtempSync(join(tmpdir(), "jackfield-test-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const imports = ["run", "log", ...grants].map((name) => `  import jackfield:plugin/${name}@0.1.0;\n`).join("");
  const all = { "wit/world.wit": `package jackfield:project@0.0.0;\nworld component {\n${imports}}\n`, ...files };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(join(directory, name, ".."), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  const env = { JACKFIELD_WIT: join(directory, "wit"), JACKFIELD_WORLD: "w", JACKFIELD_OUT: "dist/x.wasm", JACKFIELD_COMPONENT: "sync", JACKFIELD_GRANTS: grants.join(" "), JACKFIELD_DEV: dev ? "1" : "" };
  return environment("src/handler.ts", env, directory);
}
