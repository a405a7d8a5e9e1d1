import assert from "node:assert/strict";
import { test } from "node:test";
import { AccessDenied, Context, Invalid, TooLarge } from "../src/index.ts";
import { host, text, variant } from "./host.ts";

const { events } = new Context();

test("an event is its type, its data as JSON and what else is said", async () => {
  let given: unknown;
  host.events.emit = (drafts) => {
    given = drafts.map(({ data, ...rest }) => ({ ...rest, data: text(data) }));
    return drafts.map((_, place) => `id-${place}`);
  };
  assert.equal(await events.emit("order.paid", { amount: 12 }, { subject: "orders/7", delaySeconds: 1.5, extensions: { region: "eu", none: undefined, count: 2 } }), "id-0");
  assert.deepEqual(given, [{
    eventType: "order.paid",
    subject: "orders/7",
    contentType: "application/json",
    extensions: [["region", "eu"], ["count", "2"]],
    data: `{"amount":12}`,
    delaySeconds: 2,
  }]);
  const bytes = new TextEncoder().encode("a,b");
  assert.deepEqual(await events.emitAll([{ type: "a" }, { type: "b", id: "7", data: bytes, contentType: "text/csv", schema: "https://example.com/csv" }]), ["id-0", "id-1"]);
  assert.deepEqual(given, [
    { eventType: "a", extensions: [], data: "", delaySeconds: 0 },
    { id: "7", eventType: "b", contentType: "text/csv", schema: "https://example.com/csv", extensions: [], data: "a,b", delaySeconds: 0 },
  ]);
});

test("what cannot be an event is told before it is emitted", async () => {
  host.events.emit = () => assert.fail("it was emitted");
  await assert.rejects(events.emit("a", () => {}), Invalid);
  await assert.rejects(events.emit("a", 1, { delaySeconds: -1 }), Invalid);
});

test("why an event was not accepted is typed", async () => {
  host.events.emit = () => { throw variant("access-denied", `events = ["a"]`); };
  await assert.rejects(events.emit("a"), AccessDenied);
  host.events.emit = () => { throw variant("too-large", "x"); };
  await assert.rejects(events.emit("a"), (thrown) => thrown instanceof TooLarge && !thrown.retryable);
});
