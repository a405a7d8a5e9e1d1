#!/usr/bin/env node
// `jackfield-build FILE`: makes a component of a project's file. `jackfield build` runs it, with the world it may use.

import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { bundle } from "./bundle.mjs";
import { component, digest, unchanged } from "./component.mjs";
import { environment } from "./environment.mjs";
import { Problem } from "./problem.mjs";
import { runtime, withProgram } from "./runtime.mjs";
import { check } from "./types-check.mjs";

try {
  await main(process.argv.slice(2));
} catch (thrown) {
  if (!(thrown instanceof Problem)) throw thrown;
  process.stderr.write(`✗ ${thrown.message}\n`);
  process.exitCode = 1;
}

/** @param {string[]} args */
async function main(args) {
  const [file, ...more] = args;
  if (file === undefined || more.length > 0 || file.startsWith("-")) {
    throw new Problem("usage: jackfield-build FILE, the file that exports the handler, such as src/handler.ts");
  }
  const build = environment(file);
  const work = join(build.directory, ".jackfield");
  mkdirSync(work, { recursive: true });

  // Side by side while somebody waits for every save.
  const types = build.dev ? check(build, work) : step("types", "checking", () => check(build, work));
  // Asked for at the end; until then its failure is nobody's yet.
  types.catch(() => {});
  if (!build.dev) await types;

  const { code, map, own } = await step("bundle", "bundling", async () => {
    const made = await bundle(build);
    return { ...made, said: size(made.code.length) };
  });
  // Kept for people: the places of a stack that no file of the project has are places in this file.
  const script = join(work, `${build.component}.js`);
  writeFileSync(script, code);
  writeFileSync(`${script}.map`, map);

  if (build.dev) {
    await step("component", "making the engine ready, once: 10 s to 40 s", async () => {
      const { bytes, made } = await runtime(build);
      keep(build, withProgram(bytes, code));
      return { said: made ? "an engine for these grants" : "the engine that is there" };
    });
    await step("types", "checking", () => types);
    return;
  }

  const stamp = join(work, `${build.component}.stamp`);
  const inputs = digest(build, code);
  if (unchanged(stamp, inputs, build.out)) {
    say("component", `${size(readFileSync(build.out).length)}, as it was`);
    return;
  }
  await step("component", "making the component, which takes 10 s to 40 s", async () => {
    const made = await component(build, code, own);
    keep(build, made);
    writeFileSync(stamp, JSON.stringify({ inputs, output: digest(null, made) }));
    return { said: `${size(made.length)}  ${build.outShown}` };
  });
}

/**
 * Puts the component where it belongs.
 *
 * @param {import("./environment.mjs").Build} build
 * @param {Uint8Array} component
 */
function keep(build, component) {
  mkdirSync(dirname(build.out), { recursive: true });
  // Beside it first: whoever reads the component meets the old one or the new one.
  const fresh = join(dirname(build.out), `.${basename(build.out)}.new`);
  writeFileSync(fresh, component);
  renameSync(fresh, build.out);
}

/**
 * Runs a step, and says what it does while it does it and what came of it.
 *
 * @template {{ said: string }} R
 * @param {string} name
 * @param {string} doing
 * @param {() => R | Promise<R>} run
 * @returns {Promise<R>}
 */
async function step(name, doing, run) {
  const start = performance.now();
  if (process.stdout.isTTY) process.stdout.write(`  … ${doing}`);
  try {
    const result = await run();
    if (process.stdout.isTTY) process.stdout.write("\r\x1b[K");
    say(name, result.said, performance.now() - start);
    return result;
  } catch (thrown) {
    if (process.stdout.isTTY) process.stdout.write("\r\x1b[K");
    throw thrown;
  }
}

/** @param {string} name @param {string} said @param {number} [ms] */
function say(name, said, ms) {
  const took = ms === undefined ? "" : `${(ms / 1000).toFixed(1)} s`;
  process.stdout.write(`  ${name.padEnd(10)} ${took.padStart(7)}  ${said}\n`);
}

/** @param {number} bytes */
function size(bytes) {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
