import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { abortable } from "../src/fetch.ts";

type Engine = typeof globalThis.fetch;

/** An engine that keeps what it is given, and answers when it is told to. */
function engine() {
  const given: { input: Parameters<Engine>[0]; init: RequestInit | undefined }[] = [];
  let answer!: (answer: Response) => void;
  let fail!: (thrown: unknown) => void;
  const sent = new Promise<Response>((resolve, reject) => ([answer, fail] = [resolve, reject]));
  const fetch = abortable((input, init) => (given.push({ input, init }), sent));
  return { answer, fail, fetch, given };
}

const turn = () => new Promise((done) => setTimeout(done, 2));

test("without a signal the engine gets what it was given", async () => {
  const { answer, fetch, given } = engine();
  const init = { method: "POST", body: "b" };
  const answered = fetch("http://x.test/", init);
  assert.deepEqual(given, [{ input: "http://x.test/", init }]);
  assert.equal(given[0]?.init, init);
  const response = new Response("a");
  answer(response);
  assert.equal(await answered, response);
});

test("the engine never sees a signal, and all the rest", async () => {
  const { signal } = new AbortController();
  const { answer, fetch, given } = engine();
  const request = new Request("http://x.test/", { method: "PUT", headers: { a: "1" }, signal });
  const answered = Promise.all([
    fetch("http://x.test/", Object.freeze({ method: "POST", body: "b", signal })),
    fetch(request),
    fetch("http://x.test/", request),
  ]);
  const made = given.map(({ input, init }) => ({ init, request: new Request(input, init) }));
  assert.deepEqual(made.map(({ init }) => init?.signal), [null, null, null]);
  assert.deepEqual(made.map(({ request }) => request.method), ["POST", "PUT", "PUT"]);
  assert.equal(made[1]?.request.headers.get("a"), "1");
  answer(new Response());
  await answered;
});

test("an abort ends the waiting with its reason, and what the engine says later is nobody's", async (t) => {
  const unhandled = mock.fn();
  process.on("unhandledRejection", unhandled);
  t.after(() => process.off("unhandledRejection", unhandled));
  for (const reason of [undefined, "not today"]) {
    const controller = new AbortController();
    const { fail, fetch } = engine();
    const answered = fetch("http://x.test/", { signal: controller.signal });
    controller.abort(reason);
    await assert.rejects(answered, (thrown) => thrown === controller.signal.reason);
    fail(new TypeError("too late"));
    await turn();
  }
  assert.equal(unhandled.mock.callCount(), 0);
});

test("what is aborted already is not sent", async () => {
  const { fetch, given } = engine();
  const signal = AbortSignal.abort();
  await assert.rejects(fetch("http://x.test/", { signal }), { name: "AbortError" });
  await assert.rejects(fetch(new Request("http://x.test/", { signal })), { name: "AbortError" });
  assert.equal(given.length, 0);
});

test("a signal of time says that it was the time", async () => {
  const { fetch } = engine();
  const answered = fetch("http://x.test/", { signal: AbortSignal.timeout(1) });
  // Node does not stay for the timer of a signal.
  const alive = setTimeout(() => {}, 10_000);
  await assert.rejects(answered, { name: "TimeoutError" });
  clearTimeout(alive);
});

test("a request's own signal does not count if another is given, none included", async () => {
  const request = () => new Request("http://x.test/", { signal: AbortSignal.abort() });
  const { answer, fetch } = engine();
  answer(new Response());
  assert.equal((await fetch(request(), { signal: null })).status, 200);
  assert.equal((await fetch(request(), { signal: new AbortController().signal })).status, 200);
});

test("an answer, or a failure, leaves no listener behind", async () => {
  for (const end of ["answer", "fail"] as const) {
    const { signal } = new AbortController();
    const removed = mock.method(signal, "removeEventListener");
    const { fetch, ...ends } = engine();
    const answered = fetch("http://x.test/", { signal }).then(() => "answer", () => "fail");
    ends[end](new Response() as never);
    assert.equal(await answered, end);
    await turn();
    assert.equal(removed.mock.callCount(), 1);
  }
});

test("what is no signal is the engine's to complain of", async () => {
  const fetch = abortable(async (_, init) => {
    assert.deepEqual(init, { signal: {} });
    throw new TypeError("not a signal");
  });
  await assert.rejects(fetch("http://x.test/", { signal: {} as AbortSignal }), TypeError);
});
