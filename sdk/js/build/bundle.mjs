// The bundle: the project's file, the SDK and whatever they import, as one module that the engine runs.

import { readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { load, notGranted, SDK } from "./environment.mjs";
import { Problem } from "./problem.mjs";
import { shared } from "./shared.mjs";

/** As `stack.ts` says; the bundle's map goes to its own place, decoded only when something was thrown. */
const MAP = 'Symbol.for("jackfield.map")';

/**
 * @param {import("./environment.mjs").Build} build
 * @returns {Promise<{ code: string, map: string, own: import("../src/stack.ts").BundleMap }>} `map` is that of the whole
 *   bundle, for people; `own` the part that stacks are told by
 */
export async function bundle(build) {
  const esbuild = await load(() => import("esbuild"));
  // No file of this name is written here: esbuild makes the map's paths relative to it.
  const outfile = join(build.directory, ".jackfield", `${build.component}.js`);
  /** @type {import("esbuild").BuildResult<{ write: false }>} */
  let result;
  try {
    result = await esbuild.build({
      stdin: { contents: entry(build), resolveDir: build.directory, sourcefile: "jackfield:entry", loader: "js" },
      absWorkingDir: build.directory,
      alias: { jackfield: join(SDK, "src", "index.ts") },
      bundle: true,
      charset: "utf8",
      external: ["wasi:*"],
      format: build.dev ? "iife" : "esm",
      logLevel: "silent",
      mainFields: ["module", "main"],
      conditions: ["worker", "module", "import"],
      outfile,
      platform: "neutral",
      plugins: [interfaces(build)],
      sourcemap: "external",
      sourcesContent: false,
      target: "es2023",
      write: false,
    });
  } catch (thrown) {
    const { errors } = /** @type {import("esbuild").BuildFailure} */ (thrown);
    if (!Array.isArray(errors)) throw thrown;
    const told = await esbuild.formatMessages(errors, { kind: "error", color: process.stdout.isTTY ?? false });
    throw new Problem(`the project cannot be bundled\n\n${told.join("").trimEnd()}${hint(errors)}`);
  }
  const text = (/** @type {string} */ ending) => {
    const file = result.outputFiles.find((file) => file.path.endsWith(ending));
    if (file === undefined) throw new Error(`esbuild made no ${ending}`);
    return file.text;
  };
  const map = text(".js.map");
  const code = text(".js");
  const ours = await filtered(JSON.parse(map), dirname(outfile), build.directory);
  const own = { ...ours, renamed: renamed(code, ours.sources, build.directory) };
  const leave = `globalThis[${MAP}] = ${JSON.stringify(own)};`;
  // A program that cannot be loaded needs its map already. In front of the first line, which is nobody's.
  return { code: build.dev ? leave + code : `${code}${leave}\n`, map, own };
}

/**
 * The module that exports the interface: the user's file does not have to.
 *
 * @param {import("./environment.mjs").Build} build
 */
function entry(build) {
  const about = {
    source: build.source,
    ...(build.grants.includes("http") ? {} : { noFetch: notGranted("http", build) }),
  };
  return [
    // The runtime first: it mends the engine's `fetch` before anybody takes hold of it.
    `import { exported } from ${JSON.stringify(join(SDK, "src", "runtime.ts"))};`,
    `import * as project from ${JSON.stringify(resolve(build.directory, build.source))};`,
    build.dev
      ? `globalThis[Symbol.for("jackfield.program")] = exported(project, ${JSON.stringify(about)});`
      : `export const handler = exported(project, ${JSON.stringify(about)});`,
  ].join("\n");
}

/**
 * The interfaces of the contract. One that the world does not import would not link: calls of it say what to grant.
 *
 * @param {import("./environment.mjs").Build} build
 * @returns {import("esbuild").Plugin}
 */
function interfaces(build) {
  return {
    name: "interfaces",
    setup({ onLoad, onResolve }) {
      onResolve({ filter: /^jackfield:/ }, ({ path }) => {
        const name = /^jackfield:plugin\/([a-z-]+)@/.exec(path)?.[1];
        if (name !== undefined && !build.imports.includes(name)) return { path: name, namespace: "not-granted" };
        return build.dev && name !== undefined ? { path: name, namespace: "host" } : { path, external: true };
      });
      onLoad({ filter: /.*/, namespace: "host" }, ({ path: name }) => ({
        contents: [
          `const host = globalThis[Symbol.for("jackfield.host")][${JSON.stringify(name)}];`,
          ...functions(name).map((name) => `export const ${name} = host.${name};`),
        ].join("\n"),
        loader: "js",
      }));
      onLoad({ filter: /.*/, namespace: "not-granted" }, ({ path: name }) => ({
        contents: stub(name, notGranted(name, build)),
        loader: "js",
      }));
    },
  };
}

/**
 * Every function of an interface, each throwing what the interface itself would.
 *
 * @param {string} name
 * @param {string} text
 */
function stub(name, text) {
  const payload = JSON.stringify({ tag: "access-denied", val: text });
  return [
    `function denied() { throw Object.assign(new Error(${JSON.stringify(text)}), { payload: ${payload} }); }`,
    ...functions(name).map((name) => `export { denied as ${name} };`),
  ].join("\n");
}

/** The functions of an interface. @param {string} name */
function functions(name) {
  const types = readFileSync(join(SDK, "types", "interfaces", `jackfield-plugin-${name}.d.ts`), "utf8");
  return [...types.matchAll(/export function (\w+)\(/g)].map(([, name = ""]) => name);
}

/**
 * The part of a map that a stack is told by: the project's own files, by their paths in the project.
 *
 * @param {{ sources: string[], mappings: string }} map
 * @param {string} base What the sources are relative to.
 * @param {string} directory
 */
async function filtered(map, base, directory) {
  const { segments, write } = await shared();
  const paths = map.sources.map((source) => {
    const path = resolve(base, source);
    const foreign = source.includes(":") || /[\\/]node_modules[\\/]/.test(path) || !relative(join(SDK, "src"), path).startsWith("..");
    return foreign ? undefined : relative(directory, path).replaceAll("\\", "/");
  });
  const kept = paths.flatMap((path, index) => (path === undefined ? [] : [index]));
  const lines = segments(map.mappings).map((line) => {
    /** @type {import("../src/sourcemap.ts").Segment[]} */
    const out = [];
    for (const [column, source, sourceLine, sourceColumn] of line) {
      const index = source === undefined ? -1 : kept.indexOf(source);
      if (index >= 0) out.push([column, index, sourceLine ?? 0, sourceColumn ?? 0]);
      // One entry without a source ends a stretch; more of them say no more.
      else if (out.at(-1)?.[1] !== undefined) out.push([column]);
    }
    return out;
  });
  return { sources: kept.map((index) => paths[index] ?? ""), mappings: write(lines).replace(/;+$/, "") };
}

/**
 * What the bundler called `read2` because two files have a `read`, for stacks: names with a number that no file has. And
 * what it called `handler_default`, because it had no name.
 *
 * @param {string} code
 * @param {string[]} sources
 * @param {string} directory
 * @returns {Record<string, string>}
 */
function renamed(code, sources, directory) {
  const words = new Set(sources.flatMap((source) => readFileSync(resolve(directory, source), "utf8").match(/[\w$]+/g) ?? []));
  const names = code.matchAll(/\b(?:function\*?|class|const|let|var) (([\w$]*?[^\W\d])\d+)\b/g);
  const defaults = [...code.matchAll(/\bvar (\w+_default)\b/g)].map(([, name = ""]) => [name, name, "default"]);
  return Object.fromEntries(
    [...names, ...defaults].flatMap(([, name = "", was = ""]) => (words.has(name) || !words.has(was) ? [] : [[name, was]])),
  );
}

/** @param {import("esbuild").Message[]} errors */
function hint(errors) {
  const builtin = errors
    .map(({ text }) => /^Could not resolve "((?:node:)?[a-z_/]+)"/.exec(text)?.[1])
    .find((name) => name !== undefined);
  if (builtin === undefined) return "";
  return `\n\nIf \`${builtin}\` is a module of Node: there is no Node in a component, only what browsers and workers have (fetch, URL, streams, crypto). If it is a package: npm install ${builtin}`;
}
