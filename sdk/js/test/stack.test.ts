import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, type Segment, segments, write } from "../src/sourcemap.ts";
import { clean } from "../src/stack.ts";

const GLUE = "fn@/tmp/31f12a39310c/sources/initializer.js:3301:33";

test("a map is read as it was written", () => {
  const lines: Segment[][] = [[[0, 0, 0, 0], [17], [40, 1, 1_000_000, 3]], [], [[2, 0, 5, 200]]];
  assert.deepEqual(segments(write(lines)), lines);
  assert.deepEqual(segments("AAAA;;EACA"), [[[0, 0, 0, 0]], [], [[2, 0, 1, 0]]]);
});

test("a place is that of the last entry before it", () => {
  const at = decode(["a.ts", "b.ts"], write([[], [[4, 1, 9, 2], [10], [20, 0, 0, 0]]]));
  assert.equal(at(2, 4), undefined);
  assert.deepEqual(at(2, 5), { source: "b.ts", line: 10, column: 3 });
  assert.deepEqual(at(2, 10), { source: "b.ts", line: 10, column: 3 });
  assert.equal(at(2, 11), undefined);
  assert.deepEqual(at(2, 99), { source: "a.ts", line: 1, column: 1 });
  assert.equal(at(7, 1), undefined);
});

test("a stack has the frames of the project's files, with the names they were given", () => {
  const mappings = write([[[0, 0, 51, 27]], [[0, 0, 30, 0]], []]);
  const map = { sources: ["src/handler.ts"], mappings, renamed: { read2: "read" } };
  const stack = ["read2@bundle.js:1:9", "call@bundle.js:3:1", "Class.read2/<@bundle.js:2:1", "async*onRequest<@bundle.js:2:7", `async*${GLUE}`, ""].join("\n");
  assert.equal(clean(stack, map), "at read (src/handler.ts:52:28)\nat Class.read (src/handler.ts:31:1)\nat onRequest (src/handler.ts:31:1)");
});

test("a stack without such frames shows the bundle's", () => {
  const map = { sources: [], mappings: "", renamed: {} };
  assert.equal(clean(`@bundle.js:7:3\n${GLUE}`, map), "at bundle.js:7:3");
  assert.equal(clean(`f@bundle.js:7:3\n${GLUE}`, undefined), "at f (bundle.js:7:3)");
  assert.equal(clean(GLUE, map), "");
  assert.equal(clean("", map), "");
});

test("a recursion without end is told in short", () => {
  const lines = clean(Array(128).fill("deep@bundle.js:2:1").join("\n"), undefined).split("\n");
  assert.deepEqual([lines.length, lines[0], lines.at(-1)], [31, "at deep (bundle.js:2:1)", "… and 98 more"]);
});
