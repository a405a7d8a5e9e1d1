import assert from "node:assert/strict";
import { test } from "node:test";
import { Context, Invalid, Refused, Timeout } from "../src/index.ts";
import { foreign, host, text, variant } from "./host.ts";

const { messaging } = new Context();

test("a message is its topic, its data as JSON and what else is said", async () => {
  let given: unknown;
  host.messaging.publish = (connection, messages) => {
    given = [connection, messages.map(({ data, ...rest }) => ({ ...rest, data: text(data) }))];
  };
  await messaging.publish("events", "orders.paid", { amount: 12 }, { key: "7", headers: { tenant: "acme", none: undefined, n: 2 } });
  assert.deepEqual(given, ["events", [{
    topic: "orders.paid",
    key: "7",
    contentType: "application/json",
    headers: [["tenant", "acme"], ["n", "2"]],
    data: `{"amount":12}`,
  }]]);
  const bytes = new TextEncoder().encode("a,ü");
  await messaging.publishAll("events", [{ topic: "a" }, { topic: "b", data: bytes, contentType: "text/csv" }]);
  assert.deepEqual(given, ["events", [
    { topic: "a", headers: [], data: "" },
    { topic: "b", contentType: "text/csv", headers: [], data: "a,ü" },
  ]]);
});

test("a reply is read as what it is", async () => {
  const limits: number[] = [];
  host.messaging.request = (_, message, timeoutMs) => {
    limits.push(timeoutMs);
    return { topic: "_inbox", contentType: "text/plain", headers: [["Tenant", "acme"]], data: message.topic === "json" ? foreign("[1]") : foreign("Zoë") };
  };
  const reply = await messaging.request("events", "text", 1, { timeoutMs: 250.1 });
  assert.deepEqual([reply.topic, reply.key, reply.contentType, reply.headers.get("tenant"), reply.text()], ["_inbox", undefined, "text/plain", "acme", "Zoë"]);
  assert(reply.bytes() instanceof Uint8Array);
  assert.throws(() => reply.json(), (thrown: Error) => thrown.name === "answer" && thrown.message.startsWith("the reply is not as expected: "));
  assert.deepEqual((await messaging.request("events", "json")).json(), [1]);
  assert.deepEqual(limits, [251, 10_000]);
});

test("what cannot be sent is told before, and why it was not is typed", async () => {
  host.messaging.publish = () => assert.fail("it was published");
  await assert.rejects(messaging.publish("events", "a", () => {}), Invalid);
  host.messaging.publish = () => { throw variant("refused", "no such topic"); };
  await assert.rejects(messaging.publish("events", "a"), (thrown) => thrown instanceof Refused && thrown.name === "refused" && !thrown.retryable);
  host.messaging.request = () => { throw variant("timeout", "no reply"); };
  await assert.rejects(messaging.request("events", "a"), Timeout);
});
