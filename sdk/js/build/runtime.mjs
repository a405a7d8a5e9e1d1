// The runtime: the engine without a program. It is made once; the program comes with the component and is evaluated when
// an event arrives, so that a change of it compiles nothing. For `jackfield dev`.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { digest, engine } from "./component.mjs";
import { load, SDK } from "./environment.mjs";

/** The section of a component that `jackfield:plugin/program` reads. */
const SECTION = "jackfield:program";

/**
 * The runtime for the interfaces that the manifest grants, from an earlier build if there is one.
 *
 * @param {import("./environment.mjs").Build} build
 * @returns {Promise<{ bytes: Uint8Array, made: boolean }>}
 */
export async function runtime(build) {
  const code = await script(build);
  const folder = join(build.directory, ".jackfield", "runtimes");
  const file = join(folder, `${build.component}-${digest(build, code).slice(0, 16)}.wasm`);
  if (existsSync(file)) return { bytes: readFileSync(file), made: false };
  const bytes = await engine(build, code, (message) => message);
  mkdirSync(folder, { recursive: true });
  // One for each component: the grants changed, or the SDK.
  for (const old of readdirSync(folder)) if (old.startsWith(`${build.component}-`)) rmSync(join(folder, old));
  writeFileSync(file, bytes);
  return { bytes, made: true };
}

/**
 * A component of a runtime and a program.
 *
 * @param {Uint8Array} runtime
 * @param {string} program
 */
export function withProgram(runtime, program) {
  const text = Buffer.from(program);
  const name = Buffer.from(SECTION);
  const content = Buffer.concat([leb(name.length), name, text]);
  return Buffer.concat([runtime, Uint8Array.of(0), leb(content.length), content]);
}

/** A number as WebAssembly writes it. @param {number} value */
function leb(value) {
  const bytes = [];
  do {
    bytes.push((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value >>>= 7;
  } while (value > 0);
  return Uint8Array.from(bytes);
}

/**
 * The module that evaluates the program when the first event arrives.
 *
 * @param {import("./environment.mjs").Build} build
 */
async function script(build) {
  const esbuild = await load(() => import("esbuild"));
  const interfaces = build.imports.filter((name) => name !== "program");
  const contents = [
    ...interfaces.map((name, i) => `import * as host${i} from "jackfield:plugin/${name}@0.1.0";`),
    `import { read } from "jackfield:plugin/program@0.1.0";`,
    `import { start } from ${JSON.stringify(join(SDK, "src", "program.ts"))};`,
    `const host = { ${interfaces.map((name, i) => `"${name}": host${i}`).join(", ")} };`,
    `export const handler = { handle: (event) => start(host, read).handle(event) };`,
  ].join("\n");
  const result = await esbuild.build({
    stdin: { contents, resolveDir: SDK, sourcefile: "jackfield:runtime", loader: "js" },
    bundle: true,
    external: ["jackfield:*"],
    format: "esm",
    logLevel: "silent",
    platform: "neutral",
    target: "es2023",
    write: false,
  });
  return result.outputFiles[0]?.text ?? "";
}
