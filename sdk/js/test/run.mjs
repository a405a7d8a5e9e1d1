// `npm test`: compares the declarations with the contract, and runs the tests in Node, with a host made of paper.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const test = dirname(fileURLToPath(import.meta.url));
const sdk = resolve(test, "..");
const out = join(sdk, ".test");
rmSync(out, { recursive: true, force: true });

await build({
  entryPoints: readdirSync(test).filter((name) => name.endsWith(".test.ts")).map((name) => join(test, name)),
  bundle: true,
  external: ["node:*", "esbuild", "@bytecodealliance/*"],
  format: "esm",
  outdir: out,
  outExtension: { ".js": ".mjs" },
  platform: "node",
  plugins: [{
    name: "host",
    setup({ onLoad, onResolve }) {
      onResolve({ filter: /^jackfield:/ }, ({ path }) => ({ path, namespace: "host" }));
      onResolve({ filter: /\/build\/[a-z-]+\.mjs$/ }, ({ path, resolveDir }) => ({ path: resolve(resolveDir, path), external: true }));
      // Every function of an interface calls the one that the test put in its place.
      onLoad({ filter: /.*/, namespace: "host" }, ({ path }) => {
        const name = /^jackfield:plugin\/([a-z-]+)@/.exec(path)?.[1] ?? "";
        const types = readFileSync(join(sdk, "types", "interfaces", `jackfield-plugin-${name}.d.ts`), "utf8");
        const functions = [...types.matchAll(/export function (\w+)\(/g)].map(([, name]) => name);
        const lines = functions.map((f) => `function ${f}_(...args) { return host.${name}.${f}(...args); } export { ${f}_ as ${f} };`);
        return { contents: [`import { host } from "./host.ts";`, ...lines].join("\n"), resolveDir: test };
      });
    },
  }],
  sourcemap: "inline",
  target: "node20",
});

const node = (/** @type {string[]} */ ...args) => spawnSync(process.execPath, args, { cwd: sdk, stdio: "inherit" }).status ?? 1;
const files = readdirSync(out).map((name) => join(out, name));
process.exitCode = node("build/types.mjs", "--check") || node("--enable-source-maps", "--test", ...files);
