import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Context, handler, output, Rejected } from "../src/index.ts";
import { exported, only } from "../src/runtime.ts";
import { event, host, text } from "./host.ts";

const lines: [string, string][] = [];
const console_ = { ...console };

beforeEach((t) => {
  lines.length = 0;
  host.log.write = (level, message) => void lines.push([level, message]);
  // The runtime takes the console over; the next test wants its own.
  (t as { after?: (f: () => void) => void }).after?.(() => Object.assign(console, console_));
});

const handle = (h: object, data: string | number[] = "{}") => exported({ h }, { source: "src/handler.ts" }).handle(event(data));

async function failure(promise: Promise<unknown>): Promise<{ tag: string; val: unknown }> {
  return promise.then(() => assert.fail("it went well"), (thrown) => thrown);
}

interface Request {
  number: string;
}

test("JSON arrives as the handler's type, with the event around it", async () => {
  const answer = await handle(handler<Request>(async (event) => {
    assert.deepEqual([event.id, event.type, event.subject], ["1", "jackfield.manual", undefined]);
    assert.deepEqual([event.meta.get("method"), event.meta.getAll("x"), event.meta.get("y")], ["POST", ["1", "2"], undefined]);
    return output.json({ got: event.data.number });
  }), '{"number":"FR-1042"}');
  assert.equal(text(answer?.data), '{"got":"FR-1042"}');
  assert.equal(answer?.contentType, "application/json");
});

test("data that is not JSON is rejected, and the handler not called", async () => {
  for (const bad of ["no json", "{", [0xff], "\u0000"]) {
    const { tag, val } = await failure(handle(handler(() => assert.fail("called")), bad as string));
    assert.equal(tag, "rejected");
    assert.match(String(val), /^the event's data is not what the handler expects: /);
  }
});

test("no data at all reads like null", async () => {
  await handle(handler((event) => assert.equal(event.data, null)), "");
});

test("a parser decides what fits, as a function or as a schema", async () => {
  const parse = (data: unknown) => {
    if (typeof (data as Request)?.number !== "string") throw new TypeError("missing field `number`");
    return { number: (data as Request).number };
  };
  for (const parser of [parse, { parse }]) {
    assert.deepEqual(await failure(handle(handler(parser, () => assert.fail("called")), '{"no":1}')), {
      tag: "rejected",
      val: "the event's data is not what the handler expects: missing field `number`",
    });
    await handle(handler(parser, (event) => assert.equal(event.data.number, "1")), '{"number":"1","more":2}');
  }
});

test("the issues of a schema are told one by one", async () => {
  const schema = {
    parse(): never {
      const issues = [{ path: ["items", 0, "sku"], message: "Required" }, { path: [], message: "Odd" }];
      throw Object.assign(new Error("[ { … } ]"), { issues });
    },
  };
  const { val } = await failure(handle(handler(schema, () => {})));
  assert.equal(val, "the event's data is not what the handler expects: items.0.sku: Required; Odd");
});

test("a parser's own rejection stays as it is", async () => {
  const parse = () => { throw new Rejected("not ours"); };
  assert.deepEqual(await failure(handle(handler(parse, () => {}))), { tag: "rejected", val: "not ours" });
});

test("bytes and text come as they are", async () => {
  await handle(handler.bytes((event) => {
    assert(event.data instanceof Uint8Array);
    assert.deepEqual([...event.data], [0x1f, 0x8b]);
  }), [0x1f, 0x8b]);
  await handle(handler.text((event) => assert.equal(event.data, "ä")), "ä");
  assert.equal((await failure(handle(handler.text(() => {}), [0xff]))).tag, "rejected");
});

test("what a handler may return", async () => {
  for (const nothing of [undefined, null]) assert.equal(await handle(handler(() => nothing)), undefined);
  assert.deepEqual((await handle(handler(() => ({ a: 1 }))))?.headers, []);
  assert.equal(text((await handle(handler(async () => [1, 2])))?.data), "[1,2]");
  const full = await handle(handler(() => output.text("ä", { status: 202, headers: { "x-a": "b" } })));
  assert.deepEqual([full?.status, full?.contentType, full?.headers, text(full?.data)], [202, "text/plain; charset=utf-8", [["x-a", "b"]], "ä"]);
  assert.deepEqual(await handle(handler(() => output.empty(204))), { status: 204, headers: [], data: new Uint8Array() });
  for (const odd of [new Map(), "text" as unknown as object, new Response("x")]) {
    const { val } = await failure(handle(handler(() => odd)));
    assert.match((val as { message: string }).message, /^the handler returned a (Map|string|Response): /);
  }
});

test("an output that the contract cannot hold is an error", () => {
  assert.throws(() => output.json(undefined), /the output is not JSON: undefined has no form in JSON/);
  assert.throws(() => output.json(1n), /the output is not JSON/);
  assert.throws(() => output.empty(70_000), /three digits/);
});

test("what is thrown, now or later, is a failure with name, text and stack", async () => {
  for (const throws of [() => { throw new RangeError("far"); }, async () => { throw new RangeError("far"); }, () => Promise.reject(new RangeError("far"))]) {
    const { tag, val } = await failure(handle(handler(throws as () => never)));
    assert.equal(tag, "error");
    assert.deepEqual([(val as { name: string }).name, (val as { message: string }).message], ["RangeError", "far"]);
  }
});

test("the console is the log", async () => {
  await handle(handler(() => {
    console.log("a", 1, { b: [2n] });
    console.debug("%s is %d%%, %o", "x", "50", {});
    console.warn();
    console.error(new TypeError("x"));
    console.assert(1 === 1, "holds");
  }));
  Object.assign(console, console_);
  assert.deepEqual(lines, [["info", "a 1 { b: [2n] }"], ["debug", "x is 50%, {}"], ["warn", ""], ["error", "TypeError: x"]]);
});

test("the context knows its run", () => {
  let asked = 0;
  host.run.current = () => ({ id: String(++asked) }) as never;
  host.run.remainingMs = () => 7;
  const cx = new Context();
  assert.deepEqual([cx.run.id, cx.run.id, cx.remainingMs()], ["1", "1", 7]);
});

test("lines have attributes", () => {
  const seen: unknown[] = [];
  host.log.write = (...line) => void seen.push(line);
  new Context().log.warn("swept", { swept: 4, none: undefined, who: "me", list: ["a"] });
  assert.deepEqual(seen, [["warn", "swept", [["swept", "4"], ["who", "me"], ["list", '["a"]']]]]);
});

test("the handler is the only one or the default one", () => {
  const [a, b] = [handler(() => {}), handler(() => {})];
  assert.equal(only({ x: 1, a }, "f"), a);
  assert.equal(only({ a, default: b }, "f"), b);
  assert.equal(only({ a, again: a }, "f"), a);
  assert.throws(() => only({ a: () => {} }, "src/handler.ts"), /src\/handler.ts exports no handler: write `export const/);
  assert.throws(() => only({ a, b }, "f"), /several handlers \(a, b\)/);
});

test("without a grant fetch says what to add", async () => {
  const fetch = globalThis.fetch;
  exported({ h: handler(() => {}) }, { source: "f", noFetch: "add the line" });
  await assert.rejects(globalThis.fetch("https://example.com"), { name: "access-denied", message: "add the line" });
  globalThis.fetch = fetch;
});

test("what a timer throws fails the run, and the timers are themselves again", async () => {
  const { setTimeout: before } = globalThis;
  const waits = async () => new Promise<void>((done) => void before(done, 500));
  for (const start of [
    () => setTimeout(() => { throw new RangeError("in a timer"); }, 1),
    () => setTimeout(async () => { throw new RangeError("in a timer"); }, 1),
    () => queueMicrotask(() => { throw new RangeError("in a timer"); }),
  ]) {
    const { tag, val } = await failure(handle(handler(async () => {
      start();
      await waits();
    })));
    const info = val as { name: string; message: string };
    assert.deepEqual([tag, info.name, info.message], ["error", "RangeError", "in a timer"]);
    assert.equal(globalThis.setTimeout, before);
  }
  // What it hands on to a callback, and what a timer is, stay as they are.
  await handle(handler(async () => {
    const got = await new Promise((done) => setTimeout((...values: unknown[]) => done(values), 1, "a", 2));
    assert.deepEqual(got, ["a", 2]);
    clearTimeout(setTimeout(() => assert.fail("it was cleared"), 1));
  }));
});
