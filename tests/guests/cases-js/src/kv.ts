// Keys and values.

import type { Context } from "jackfield";
import { told } from "./told.ts";

const sleep = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

/** What is not there, in JSON. */
const orNull = <T>(values: readonly (T | undefined)[]) => values.map((value) => value ?? null);

async function all(keys: AsyncIterable<string>) {
  const found: string[] = [];
  for await (const key of keys) found.push(key);
  return found;
}

export async function values({ kv }: Context) {
  const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  await kv.set("text", "Zoë \u2603");
  await kv.set("number", 1.5);
  await kv.set("object", { a: [1, null, true] });
  await kv.set("schlüssel", 1);
  await kv.set("bytes", everyByte);
  const bytes = (await kv.getBytes("bytes")) ?? new Uint8Array();
  const first = await kv.entry("number");
  await kv.set("number", 2.5);
  const second = await kv.entry("number");
  const removed = [await kv.remove("schlüssel"), await kv.remove("schlüssel")];
  return {
    text: await kv.get<string>("text"),
    number: await kv.get<number>("number"),
    object: await kv.get("object"),
    bytes: [bytes.length, bytes[255], bytes.every((byte, place) => byte === everyByte[place])],
    missing: (await kv.get("missing")) ?? null,
    "a write changes the version": first?.version !== second?.version,
    removed,
  };
}

export async function ttl({ kv }: Context) {
  await kv.set("a", 1, { ttlSeconds: 1 });
  const created = await kv.compareAndSet("b", undefined, 2, { ttlSeconds: 1 });
  const done = await kv.batch().set("c", 3, { ttlSeconds: 1 }).set("d", 4).commit();
  const before = await kv.getMany<number>(["a", "b", "c", "d"]);
  await sleep(1_300);
  const after = await kv.getMany<number>(["a", "b", "c", "d"]);
  const never = await told(() => kv.set("a", 1, { ttlSeconds: 0 }));
  return [created, done, orNull(before), orNull(after), never];
}

export async function many({ kv }: Context) {
  await kv.set("a", 1);
  await kv.set("b", "two");
  const found = await kv.getMany(["b", "missing", "a", "b"]);
  const names = Array.from({ length: 101 }, (_, number) => `key-${number}`);
  return [orNull(found), await kv.getMany([]), await told(() => kv.getMany(names))];
}

export async function compare({ kv }: Context) {
  const created = [await kv.compareAndSet("key", undefined, 1), await kv.compareAndSet("key", undefined, 2)];
  const entry = await kv.entry("key");
  const changed = await kv.compareAndSet("key", entry?.version, 3);
  const changedAgain = await kv.compareAndSet("key", entry?.version, 4);
  const bytes = await kv.compareAndSet("bytes", undefined, Uint8Array.of(0, 255));
  return [created, changed, changedAgain, bytes, await kv.get("key")];
}

export async function batch({ kv }: Context) {
  await kv.set("old", 1);
  const old = await kv.entry("old");
  const done = await kv
    .batch()
    .check("old", old?.version)
    .check("new", undefined)
    .set("new", { made: true })
    .set("bytes", Uint8Array.of(0, 255))
    .increment("count", 2)
    .increment("count", -5)
    .remove("old")
    .remove("never there")
    .commit();
  const refused = await kv.batch().set("new", "other").check("new", undefined).commit();
  const empty = await kv.batch().commit();
  const tooMany = kv.batch();
  for (let number = 0; number < 101; number++) tooMany.set(`many-${number}`, number);
  return [done, refused, empty, await told(() => tooMany.commit())];
}

export async function counters({ kv }: Context) {
  const sums = [
    await kv.increment("count", 5),
    await kv.increment("count", -8),
    await kv.increment("count", 0),
    await kv.increment("large", 9_007_199_254_740_993n),
    await kv.increment("large"),
    await kv.increment("most", 2n ** 63n - 1n),
    await kv.increment("least", -(2n ** 63n)),
  ];
  await kv.set("text", "x");
  const failed = [
    await told(() => kv.increment("most", 1)),
    await told(() => kv.increment("least", -1)),
    await told(() => kv.increment("text", 1)),
    await told(() => kv.batch().set("other", 1).increment("text", 1).commit()),
  ];
  return [sums.map(String), failed, await kv.get<number>("count")];
}

export async function keys({ kv }: Context) {
  for (let hundred = 0; hundred < 21; hundred++) {
    const batch = kv.batch();
    for (let n = 0; n < 100; n++) batch.set(`page/${String(hundred * 100 + n).padStart(4, "0")}`, n);
    await batch.commit();
  }
  await kv.set("other", 1);
  const pages = await all(kv.keys("page/"));
  const sorted = pages.every((key, place) => place === 0 || (pages[place - 1] ?? "") <= key);
  const everything = await all(kv.keys());
  const first: string[] = [];
  for await (const key of kv.keys("page/")) {
    first.push(key);
    if (first.length === 2) break;
  }
  return [pages.length, sorted, pages.at(-1), everything.length, first, await all(kv.keys("nothing/"))];
}

export async function refused({ kv }: Context) {
  const other = kv.connection("other");
  return [
    await told(() => kv.set("closed/key", 1)),
    await told(() => kv.set("read-only/key", 1)),
    (await kv.get("read-only/key")) ?? null,
    await told(() => all(kv.keys(""))),
    await told(() => kv.get("")),
    await told(() => kv.set("k".repeat(513), 1)),
    await told(() => kv.get("open/\n")),
    await told(() => kv.set("open/large", new Uint8Array((1 << 20) + 1))),
    await told(() => other.get("open/key")),
  ];
}

function text(value: unknown): string {
  if (typeof value !== "string") throw new TypeError("it is not text");
  return value;
}

export async function unfit({ kv }: Context) {
  await kv.set("text", new TextEncoder().encode("no json"));
  await kv.set("list", [1, 2]);
  return [await told(() => kv.get("text")), await told(() => kv.get("list", text))];
}
