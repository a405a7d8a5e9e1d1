// Handlers that go wrong.

import { type Context, type Event, Failure, Rejected } from "jackfield";
import { args } from "./told.ts";

type Bytes = Event<Uint8Array>;
type How = { how: string };

const sleep = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

export function rejected() {
  throw new Rejected("the order has no number");
}

export function final() {
  throw new Failure("there is no customer 7", { name: "no-such-customer", retryable: false });
}

export function retried() {
  throw new Failure("not today");
}

export function retriedLater({ run }: Context) {
  if (run.attempt === 1) throw new Failure("not now", { retryAfterMs: 900 });
  return "the second attempt of `retried-later`";
}

class DamagedList extends Error {
  override name = "DamagedList";
}

export function cause() {
  try {
    price();
  } catch (cause) {
    throw new DamagedList("the price list is damaged", { cause }); // place: cause
  }
}

function price() {
  throw new Error("line 7 has no price");
}

export function uncaught() {
  return customer(undefined);
}

function customer(found: { name: string } | undefined): number {
  return found!.name.length; // place: uncaught
}

/** Timers, and several things at the same time. */
export async function inParallel() {
  const order: string[] = [];
  const note = async (name: string, ms: number) => {
    await sleep(ms);
    order.push(name);
  };
  await Promise.all([note("slow", 1200), note("quick", 400), note("at once", 0)]);
  return order;
}

export const never = () => new Promise<never>(() => {});

export async function outOfTime(_: Context, event: Bytes) {
  if (args<How>(event).how === "computing") for (;;);
  await sleep(60_000);
  return "within";
}

export function outOfMemory() {
  const kept: Uint8Array[] = [];
  for (;;) kept.push(new Uint8Array(1 << 20).fill(1));
}

export async function overBudget({ kv }: Context, event: Bytes) {
  if (args<How>(event).how === "output") return "x".repeat(70_000);
  for (let number = 0; number < 30; number++) await kv.set(`key-${number}`, number);
  return "within";
}

export const recursion = () => deeper(1);

function deeper(n: number): number {
  return deeper(n + 1) + 1; // place: recursion
}

/** Waits for its end; the line says that it began. */
export async function cancelled({ log }: Context) {
  log.info("waiting");
  await sleep(15_000);
  return "was not cancelled";
}

export async function changesItsMind({ http, run }: Context) {
  await http.post("outside", `/attempt/${run.attempt}`);
  throw new Failure("once more");
}

/** Begins something, and does not wait for it. */
export function forgets(_: Context, event: Bytes) {
  const { base } = args<{ base: string }>(event);
  void fetch(`${base}/forgotten`, { method: "POST", body: "forgotten" });
  return "returned";
}
