import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bundle } from "../build/bundle.mjs";
import { digest, initialisation, unchanged } from "../build/component.mjs";
import { environment } from "../build/environment.mjs";
import { check } from "../build/types-check.mjs";
import { clean, type BundleMap } from "../src/stack.ts";
import { event } from "./host.ts";
import { project } from "./project.ts";

/** Runs a bundle in Node: imports of the host, which is not there, become nothing. */
async function run(code: string): Promise<{ handler: { handle(event: object): Promise<unknown> } }> {
  const { fetch } = globalThis;
  const imports = /import \{([^}]*)\} from "jackfield:[^"]*";/g;
  const alone = code.replace(imports, (_, names: string) => names.split(",").map((name) => `const ${name.trim().split(" as ").at(-1)} = () => {};`).join(" "));
  try {
    return await import(`data:text/javascript,${encodeURIComponent(alone)}`);
  } finally {
    globalThis.fetch = fetch;
  }
}

const HANDLER = `import { handler, type Context } from "jackfield";
import { read } from "./read.ts";
export const onEvent = handler(async (_, cx: Context) => read(cx));
`;

test("a build wants to know its world", () => {
  assert.throws(() => environment("src/handler.ts", {}), /run `jackfield build`/);
});

test("what is not granted is not imported, and says what to add", async (t) => {
  const read = `import type { Context } from "jackfield";\nexport const read = async (cx: Context) => { await cx.kv.get("k"); };\n`;
  const build = project(t, { "src/handler.ts": HANDLER, "src/read.ts": read }, ["http"]);
  const { code } = await bundle(build);
  const imported = [...code.matchAll(/from "(jackfield:[^"]*)"/g)].map(([, name]) => name).sort();
  assert.deepEqual([...new Set(imported)], ["jackfield:plugin/http@0.1.0", "jackfield:plugin/log@0.1.0", "jackfield:plugin/run@0.1.0"]);
  const failure = await (await run(code)).handler.handle(event("{}")).then(() => assert.fail(), (thrown) => thrown);
  assert.deepEqual([failure.val.name, failure.val.retryable], ["access-denied", false]);
  assert.match(failure.val.message, /`kv` is not granted: add `kv = \[\{ prefix = "" \}\]` to \[component.sync.grants\] in jackfield.toml/);
});

test("a package that keeps the fetch it finds keeps one that can be aborted", async (t) => {
  const source = `import { handler } from "jackfield";\nconst kept = fetch;\nexport const onEvent = handler(() => kept("http://x.test/", { signal: AbortSignal.abort("done") }));\n`;
  for (const dev of [false, true]) {
    const { code } = await bundle(project(t, { "src/handler.ts": source }, ["http"], dev));
    assert(code.indexOf("abortable(globalThis.fetch)") < code.indexOf("var kept = fetch"), `dev: ${dev}`);
    if (dev) continue;
    const failure = await (await run(code)).handler.handle(event("{}")).then(() => assert.fail(), (thrown) => thrown);
    assert.equal(failure.val.message, "done");
  }
});

test("a stack is told in the project's files, names included", async (t) => {
  const read = `// one\nexport function read(value: any): void {\n  deeper(value);\n}\n\nfunction deeper(value: any) {\n  value.none.none;\n}\n`;
  const { code } = await bundle(project(t, { "src/handler.ts": HANDLER, "src/read.ts": read }));
  await run(code);
  const map = (globalThis as unknown as Record<symbol, BundleMap>)[Symbol.for("jackfield.map")];
  assert.deepEqual(map?.sources, ["src/handler.ts", "src/read.ts"]);
  const at = (what: string) => {
    const before = code.slice(0, code.indexOf(what)).split("\n");
    return `${before.length}:${(before.at(-1) ?? "").length + 1}`;
  };
  // The SDK has a \`read\` too: one of the two had to be renamed.
  const name = /function (read\d+)\(value\)/.exec(code)?.[1];
  assert(name !== undefined);
  const stack = [`deeper@bundle.js:${at("value.none.none")}`, `${name}@bundle.js:${at("deeper(value)")}`, `run@bundle.js:${at("this.run = run")}`].join("\n");
  assert.equal(clean(stack, map), "at deeper (src/read.ts:7:3)\nat read (src/read.ts:3:3)");
});

test("what cannot be bundled is told with its place, and Node's modules with a word more", async (t) => {
  const build = project(t, { "src/handler.ts": `import { readFileSync } from "node:fs";\nexport const x = readFileSync;\n` });
  await assert.rejects(bundle(build), (thrown: Error) => /src\/handler.ts:1:/.test(thrown.message) && /no Node in a component/.test(thrown.message));
});

test("types that do not fit are told with their place", async (t) => {
  const build = project(t, { "src/handler.ts": `export const x: number = "text";\n` });
  mkdirSync(join(build.directory, ".jackfield"));
  await assert.rejects(check(build, join(build.directory, ".jackfield")), /src\/handler.ts\(1,14\): error TS2322/);
});

test("a component is made again when something of it changed", (t) => {
  const build = project(t, { "src/handler.ts": "", stamp: "", "dist/x.wasm": "component" });
  const stamp = join(build.directory, "stamp");
  const inputs = digest(build, "code");
  assert.equal(unchanged(stamp, inputs, build.out), false);
  writeFileSync(stamp, JSON.stringify({ inputs, output: digest(null, "component") }));
  assert.equal(unchanged(stamp, inputs, build.out), true);
  assert.equal(unchanged(stamp, digest(build, "other"), build.out), false);
  assert.equal(unchanged(stamp, digest({ ...build, grants: ["http"] }, "code"), build.out), false);
  writeFileSync(build.out, "damaged");
  assert.equal(unchanged(stamp, inputs, build.out), false);
});

test("what goes wrong while the component is made is told in the project's words", () => {
  const map: BundleMap = { sources: ["src/handler.ts"], mappings: "AAAA", renamed: {} };
  const told = (text: string) => initialisation(text, (stack) => clean(stack, map));
  const evaluated = (what: string, at: string) =>
    `Failed (wizer):\nException while evaluating top-level script\nbundle.js:1:11 ${what}\nAdditionally, some promises were rejected\nStack:\n  load@bundle.js:${at}\n`;
  assert.match(told(evaluated("Error: no table", "1:9")), /^Error: no table\n    at load \(src\/handler.ts:1:1\)\n\nCode outside/);
  assert.equal(told(evaluated("Error: src/handler.ts exports no handler", "9:9")), "src/handler.ts exports no handler");
  assert.match(told("unknown imported function: 'jackfield:plugin/log@0.1.0' 'write'"), /^code outside the handler calls `log` \(write\)/);
  assert.equal(told("out of disk"), "\n\nout of disk");
});
