// `npm run types`: writes the declarations of the contract's interfaces anew; with `--check`, says whether they are as
// the contract in `wit/` has them.

import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packaged, SDK } from "./environment.mjs";

const made = mkdtempSync(join(tmpdir(), "jackfield-types-"));
try {
  const jco = join(packaged("@bytecodealliance/jco"), "..", "jco.js");
  const wit = join(SDK, "..", "..", "wit");
  execFileSync(process.execPath, [jco, "guest-types", wit, "-n", "jackfield:plugin/integration", "-o", made], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const committed = join(SDK, "types");
  if (process.argv.includes("--check")) {
    const files = (/** @type {string} */ folder) => readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((f) => f.endsWith(".d.ts"));
    const all = new Set([...files(made), ...files(committed)]);
    const read = (/** @type {string} */ path) => {
      try {
        return readFileSync(path, "utf8");
      } catch {
        return undefined;
      }
    };
    const differ = [...all].filter((file) => read(join(made, file)) !== read(join(committed, file)));
    if (differ.length > 0) {
      process.stderr.write(`✗ not as wit/ has them: ${differ.join(", ")}\n  npm run types --prefix sdk/js\n`);
      process.exitCode = 1;
    }
  } else {
    rmSync(committed, { recursive: true, force: true });
    cpSync(made, committed, { recursive: true });
  }
} finally {
  rmSync(made, { recursive: true, force: true });
}
