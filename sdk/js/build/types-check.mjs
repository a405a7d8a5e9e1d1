// The types: what the compiler says of the project, before anything is made of it.

import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { packaged, SDK } from "./environment.mjs";
import { Problem } from "./problem.mjs";

/**
 * @param {import("./environment.mjs").Build} build
 * @param {string} work
 * @returns {{ said: string }}
 */
export function check(build, work) {
  let config = join(build.directory, "tsconfig.json");
  if (!existsSync(config)) {
    if (!/\.[cm]?tsx?$/.test(build.source)) return { said: "none to check: no tsconfig.json" };
    config = join(work, `${build.component}.tsconfig.json`);
    const text = { extends: join(SDK, "tsconfig.guest.json"), files: [join(build.directory, build.source)] };
    writeFileSync(config, JSON.stringify(text));
  }
  const pretty = process.stdout.isTTY ? ["--pretty"] : [];
  const run = spawnSync(process.execPath, [packaged("typescript/lib/tsc.js"), "--noEmit", "--project", config, ...pretty], {
    cwd: build.directory,
    encoding: "utf8",
  });
  if (run.status !== 0) {
    throw new Problem(`the types do not fit, so nothing was built\n\n${run.stdout}${run.stderr}`.trimEnd());
  }
  return { said: `checked by ${relative(build.directory, config)}` };
}
