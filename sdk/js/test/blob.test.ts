import assert from "node:assert/strict";
import { test } from "node:test";
import { Context, Invalid, TooLarge } from "../src/index.ts";
import { foreign, host, text, variant } from "./host.ts";

const { blob } = new Context();
const info = (name: string, size = 3n) => ({ name, size, modified: "2026-01-02T03:04:05Z", etag: "e", metadata: [["Order", "7"]] as [string, string][] });

test("an object is written as bytes, text or JSON", async () => {
  const given: unknown[] = [];
  host.blob.put = (connection, { data, ...rest }) => (given.push([connection, { ...rest, data: text(data) }]), "etag");
  const bytes = new TextEncoder().encode("%PDF");
  assert.equal(await blob.put("invoices", "2026/ü.pdf", bytes, { contentType: "application/pdf", metadata: { order: 7 } }), "etag");
  await blob.put("invoices", "a", bytes.buffer);
  await blob.put("invoices", "b", "Zoë");
  await blob.put("invoices", "c", [1]);
  assert.deepEqual(given, [
    ["invoices", { name: "2026/ü.pdf", contentType: "application/pdf", metadata: [["order", "7"]], data: "%PDF" }],
    ["invoices", { name: "a", metadata: [], data: "%PDF" }],
    ["invoices", { name: "b", metadata: [], data: "Zoë" }],
    ["invoices", { name: "c", contentType: "application/json", metadata: [], data: "[1]" }],
  ]);
  await assert.rejects(blob.put("invoices", "d", undefined), Invalid);
});

test("an object is read whole or in part, and known without being read", async () => {
  const ranges: unknown[] = [];
  host.blob.get = (_, name, range) => (ranges.push(range), name === "none" ? undefined : foreign([0, 255]));
  host.blob.stat = (_, name) => (name === "none" ? undefined : info(name, 2n ** 40n));
  assert.deepEqual(await blob.get("invoices", "a"), Uint8Array.of(0, 255));
  assert.deepEqual(await blob.getRange("invoices", "a", 2 ** 40, 2 ** 40), Uint8Array.of(0, 255));
  assert.deepEqual([await blob.get("invoices", "none"), await blob.getRange("invoices", "none", 0, 1), await blob.stat("invoices", "none")], [undefined, undefined, undefined]);
  assert.deepEqual(ranges, [undefined, { offset: 2n ** 40n, length: 0xffff_ffff }, undefined, { offset: 0n, length: 1 }]);
  const about = await blob.stat("invoices", "a");
  assert.deepEqual([about?.size, about?.contentType, about?.metadata.get("order"), about?.etag], [2 ** 40, undefined, "7", "e"]);
  await assert.rejects(blob.getRange("invoices", "a", -1, 1), Invalid);
  await assert.rejects(blob.getRange("invoices", "a", 0, 0.5), Invalid);
});

test("objects are listed page by page, as they are asked for", async () => {
  const cursors: unknown[] = [];
  host.blob.listObjects = (_, prefix, cursor, limit) => {
    cursors.push([prefix, cursor, limit]);
    return cursor === undefined ? { objects: [info("a"), info("b")], next: "c1" } : { objects: [info("c")] };
  };
  const first = blob.list("invoices", "2026/");
  assert.equal((await first.next()).value?.name, "a");
  assert.equal(cursors.length, 1);
  const all = [];
  for await (const { name } of blob.list("invoices")) all.push(name);
  assert.deepEqual([all, cursors.slice(1)], [["a", "b", "c"], [["", undefined, 1000], ["", "c1", 1000]]]);
});

test("why it was not done is typed", async () => {
  host.blob.get = () => { throw variant("too-large", "4 MiB"); };
  await assert.rejects(blob.get("invoices", "a"), (thrown) => thrown instanceof TooLarge && !thrown.retryable);
  const calls: unknown[] = [];
  host.blob.remove = (...call) => void calls.push(call);
  assert.equal(await blob.remove("invoices", "a"), undefined);
  assert.deepEqual(calls, [["invoices", "a"]]);
});
