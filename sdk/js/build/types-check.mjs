// The types: what the compiler says of the project, before anything is made of it.

import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { packaged, SDK } from "./environment.mjs";
import { Problem } from "./problem.mjs";

/**
 * @param {import("./environment.mjs").Build} build
 * @param {string} work
 * @returns {Promise<{ said: string }>}
 */
export async function check(build, work) {
  let config = join(build.directory, "tsconfig.json");
  if (!existsSync(config)) {
    if (!/\.[cm]?tsx?$/.test(build.source)) return { said: "none to check: no tsconfig.json" };
    config = join(work, `${build.component}.tsconfig.json`);
    const text = { extends: join(SDK, "tsconfig.guest.json"), files: [join(build.directory, build.source)] };
    writeFileSync(config, JSON.stringify(text));
  }
  const pretty = process.stdout.isTTY ? ["--pretty"] : [];
  // What was found before is remembered: a second look at a small change takes half the time.
  const memory = ["--incremental", "--tsBuildInfoFile", join(work, `${build.component}.tsbuildinfo`)];
  const tsc = [packaged("typescript/lib/tsc.js"), "--noEmit", "--project", config, ...memory, ...pretty];
  const { status, said } = await run(process.execPath, tsc, build.directory);
  if (status !== 0) {
    throw new Problem(`the types do not fit, so nothing was built\n\n${said}`.trimEnd());
  }
  return { said: `checked by ${relative(build.directory, config)}` };
}

/**
 * @param {string} program
 * @param {string[]} args
 * @param {string} cwd
 * @returns {Promise<{ status: number | null, said: string }>}
 */
function run(program, args, cwd) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text) => (said += text));
    child.stderr.setEncoding("utf8").on("data", (text) => (said += text));
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, said }));
  });
}
