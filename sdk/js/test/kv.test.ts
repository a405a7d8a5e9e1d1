import assert from "node:assert/strict";
import { test } from "node:test";
import { Context, Invalid, Quota } from "../src/index.ts";
import { foreign, host, text, variant } from "./host.ts";

const { config, kv } = new Context();

test("a value is JSON or bytes", async () => {
  host.kv.get = (connection, key) => (key === "none" ? undefined : { value: foreign("[1,2]"), version: connection });
  assert.deepEqual(await kv.get("k"), [1, 2]);
  assert.deepEqual(await kv.entry("k"), { value: [1, 2], version: "default" });
  assert.equal((await kv.connection("redis").entry("k"))?.version, "redis");
  const bytes = await kv.getBytes("k");
  assert(bytes instanceof Uint8Array);
  assert.equal(text(bytes), "[1,2]");
  assert.deepEqual([await kv.get("none"), await kv.getBytes("none")], [undefined, undefined]);
});

test("a stored value that does not fit names its key", async () => {
  host.kv.get = () => ({ value: foreign("{"), version: "v" });
  await assert.rejects(kv.get("k"), (thrown: Error) => thrown.name === "stored-value" && thrown.message.startsWith("the value of `k` is not as expected: "));
  host.kv.getMany = () => [undefined, { value: foreign("1"), version: "v" }];
  await assert.rejects(kv.getMany(["a", "b"], () => { throw new Error("odd"); }), { message: "the value of `b` is not as expected: odd" });
  assert.deepEqual(await kv.getMany(["a", "b"]), [undefined, 1]);
});

test("writes say what they write, and for how long", async () => {
  const calls: unknown[] = [];
  host.kv.set = (_, key, value, ttl) => void calls.push([key, text(value), ttl]);
  host.kv.compareAndSet = (_, key, version, value, ttl) => Boolean(calls.push([key, version, text(value), ttl]));
  await kv.set("a", { b: 1 });
  await kv.set("b", new TextEncoder().encode("raw"), { ttlSeconds: 0.2 });
  assert.equal(await kv.compareAndSet("c", undefined, "x", { ttlSeconds: 1e12 }), true);
  assert.deepEqual(calls, [["a", '{"b":1}', undefined], ["b", "raw", 1], ["c", undefined, '"x"', 0xffff_ffff]]);
  await assert.rejects(kv.set("d", undefined), Invalid);
  await assert.rejects(kv.set("d", 1, { ttlSeconds: 0 }), Invalid);
});

test("a counter has 64 bits", async () => {
  host.kv.increment = (_, _key, by) => 2n ** 62n + by;
  assert.equal(await kv.increment("n"), 2n ** 62n + 1n);
  assert.equal(await kv.increment("n", 2n ** 60n), 2n ** 62n + 2n ** 60n);
  await assert.rejects(kv.increment("n", 0.5), /whole numbers/);
});

test("keys are read page by page, as they are asked for", async () => {
  const cursors: unknown[] = [];
  host.kv.keys = (_, prefix, cursor, limit) => {
    cursors.push([prefix, cursor, limit]);
    return cursor === undefined ? { keys: ["a", "b"], next: "c1" } : { keys: ["c"] };
  };
  const first = kv.keys("p/")[Symbol.asyncIterator]();
  assert.equal((await first.next()).value, "a");
  assert.equal(cursors.length, 1);
  const all = [];
  for await (const key of kv.keys()) all.push(key);
  assert.deepEqual([all, cursors.slice(1)], [["a", "b", "c"], [["", undefined, 1000], ["", "c1", 1000]]]);
});

test("a batch is carried out by commit", async () => {
  let operations: unknown;
  host.kv.batch = (_, given) => ((operations = given.map(({ tag }) => tag)), false);
  assert.equal(await kv.batch().check("a", undefined).set("a", 1).increment("n", 2).remove("b").commit(), false);
  assert.deepEqual(operations, ["check", "set", "increment", "remove"]);
  assert.throws(() => kv.batch().set("a", () => {}), Invalid);
});

test("an error of the store is typed", async () => {
  host.kv.remove = () => { throw variant("quota", "full"); };
  await assert.rejects(kv.remove("a"), (thrown) => thrown instanceof Quota && thrown.message === "full");
});

test("settings are text, or JSON, or missing", async () => {
  host.config.get = (name) => ({ page: "2", text: "a b" })[name];
  host.config.getAll = () => [["page", "2"]];
  assert.deepEqual([await config.get("text"), await config.json("page"), await config.json("none"), await config.all()], ["a b", 2, undefined, { page: "2" }]);
  await assert.rejects(config.require("none"), { name: "missing-setting", retryable: true });
  await assert.rejects(config.json("text"), { name: "invalid" });
});
