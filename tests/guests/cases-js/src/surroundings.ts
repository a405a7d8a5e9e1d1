// Settings, events, the log, the run.

import { type Context, type Draft, Failure } from "jackfield";
import { told } from "./told.ts";

function strings(value: unknown): string[] {
  if (!Array.isArray(value) || value.some((part) => typeof part !== "string")) throw new TypeError("it is no list of texts");
  return value as string[];
}

export async function config({ config }: Context) {
  return {
    greeting: await config.get("greeting"),
    required: await config.require("greeting"),
    unset: (await config.get("unset")) ?? null,
    count: [await config.get("count"), await config.json<number>("count")],
    list: await config.json("list", strings),
    "no list": (await config.json("unset", strings)) ?? null,
    all: Object.entries(await config.all()),
    denied: await told(() => config.get("password")),
  };
}

export const configMissing = ({ config }: Context) => config.require("unset");

export const configUnfit = ({ config }: Context) => config.json("greeting");

export async function events({ events }: Context) {
  const first = await events.emit("heard.full", { text: "Zoë" }, {
    id: "order-7",
    subject: "orders/7",
    schema: "https://example.com/order.json",
    extensions: { tenant: "acme", priority: 3 },
  });
  // The same id again: accepted, and ignored.
  const again = await events.emit("heard.full", { other: true }, { id: "order-7" });
  const many = await events.emitAll([
    { type: "heard.bytes", id: "b", data: Uint8Array.of(0, 255), contentType: "application/octet-stream" },
    { type: "heard.empty", id: "e" },
    { type: "heard.json", id: "j", data: [1], contentType: "application/vnd.acme+json" },
  ]);
  const made = await events.emit("heard.made", null);
  return [first, again, many, made !== "", await events.emitAll([])];
}

export const eventsLater = ({ events }: Context) =>
  events.emitAll([
    { type: "heard.soon", id: "s", delaySeconds: 0.3 },
    { type: "heard.late", id: "l", delaySeconds: 3600 },
  ]);

export async function eventsRefused({ events }: Context) {
  const emit = (draft: Draft) => told(() => events.emitAll([draft]));
  return [
    await emit({ type: "other.type" }),
    await emit({ type: "jackfield.cron" }),
    await emit({ type: "heard.x", extensions: { "Bad-Name": "1" } }),
    await emit({ type: "heard.x", data: new Uint8Array(1 << 20) }),
    await told(() => events.emitAll(Array.from({ length: 101 }, () => ({ type: "heard.x" })))),
    await emit({ type: "heard.x", delaySeconds: 400 * 24 * 3600 }),
  ];
}

export async function eventsQuota({ events }: Context) {
  const all = Array.from({ length: 100 }, (_, number) => ({ type: "heard.many", id: `many-${number}`, delaySeconds: 3600 }));
  return (await events.emitAll(all)).length;
}

export function logLevels({ log }: Context) {
  log.trace("step by step");
  log.debug("for whoever looks", { number: 7 });
  log.info("worth knowing \u2603", { who: "Zoë", flag: true });
  log.warn("not as it should be");
  log.error("failed\nin two lines");
  return "written";
}

export function logOwn() {
  console.trace("own trace");
  console.debug("own debug");
  console.info("own info %d", 7);
  console.warn("own warn");
  console.error("own error");
  return "written";
}

export function logPrint() {
  console.log("to standard output");
  console.warn("to standard error");
  console.log("without an end");
  return "printed";
}

export function logLimits({ log }: Context) {
  log.info("x".repeat(70_000));
  for (let number = 0; number < 10_050; number++) log.debug(`line ${number}`);
  return "written";
}

export async function run(cx: Context) {
  const { run } = cx;
  // The same key for every attempt: a call that differs from the recorded one would be told.
  await cx.http.post("outside", "/keyed", { headers: { "x-key": run.idempotencyKey } });
  if (run.attempt === 1) throw new Failure("the first attempt ends here");
  const left = cx.remainingMs();
  return {
    id: run.id,
    attempt: run.attempt,
    "idempotency key": run.idempotencyKey !== "",
    trigger: run.trigger,
    integration: run.integration,
    environment: run.environment,
    component: run.component,
    version: run.version,
    deadline: run.deadline,
    traceparent: run.traceparent?.split("-").length,
    "time is left": left > 0 && left <= 20_000,
  };
}
