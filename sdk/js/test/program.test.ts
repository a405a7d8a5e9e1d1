import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { bundle } from "../build/bundle.mjs";
import { withProgram } from "../build/runtime.mjs";
import { HOST, PROGRAM, start } from "../src/program.ts";
import { event } from "./host.ts";
import { project } from "./project.ts";

const place = globalThis as Record<symbol, unknown>;
afterEach(() => {
  for (const symbol of [HOST, PROGRAM, Symbol.for("jackfield.map")]) delete place[symbol];
});

const lines: unknown[][] = [];
const host = {
  run: { current: () => ({}), remainingMs: () => 0 },
  log: { write: (...line: unknown[]) => lines.push(line) },
  kv: { increment: (_: string, key: string) => (key === "seen" ? 4n : 0n) },
};

async function started(t: Parameters<typeof project>[0], source: string) {
  const { code } = await bundle(project(t, { "src/handler.ts": source }, ["kv"], true));
  const { fetch } = globalThis;
  try {
    return start(host, () => new TextEncoder().encode(code));
  } finally {
    globalThis.fetch = fetch;
  }
}

test("a program beside the engine reaches the host that it is given", async (t) => {
  const source = `import { handler, output } from "jackfield";
export const onEvent = handler(async (event, cx) => output.json({ times: Number(await cx.kv.increment("seen")), data: event.data }));
`;
  const program = await started(t, source);
  const answer = await program.handle(event(`{"id":7}`) as never);
  assert.equal(new TextDecoder().decode(answer?.data), `{"times":4,"data":{"id":7}}`);
  assert.equal(start(host, () => assert.fail("it is read once")), program);
});

test("a program that cannot be loaded is a failure that says so", async (t) => {
  const failure = await started(t, `const table: any = undefined;\ntable.rows();\n`).then(() => assert.fail(), (thrown) => thrown);
  assert.equal(failure.tag, "error");
  assert.match(failure.val.message, /^the handler's file cannot be loaded: /);
  assert.equal(failure.val.name, "TypeError");
});

test("a component with a program is the engine and one more section", () => {
  const engine = Uint8Array.of(0, 97, 115, 109, 13, 0, 1, 0);
  const program = "x".repeat(300);
  const made = withProgram(engine, program);
  assert.deepEqual([...made.subarray(0, 8)], [...engine]);
  // Id 0, the size in two bytes of LEB128, the name with its length, the text.
  const size = 1 + "jackfield:program".length + program.length;
  assert.deepEqual([...made.subarray(8, 12)], [0, (size & 0x7f) | 0x80, size >> 7, "jackfield:program".length]);
  assert.equal(made.length, 8 + 3 + size);
  assert.equal(made.subarray(12).toString(), `jackfield:program${program}`);
});
