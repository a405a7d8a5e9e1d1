// What every case needs: its arguments, its answer, and what went wrong.

import { type Answer, type Event, Failure, Output, output } from "jackfield";

/** What went wrong with a call, for an answer. */
export async function told(call: () => Promise<unknown>): Promise<unknown> {
  try {
    await call();
    return "done";
  } catch (thrown) {
    if (!(thrown instanceof Failure)) throw thrown;
    return [thrown.name, thrown.message];
  }
}

/** The event's data as JSON. */
export function args<T>(event: Event<Uint8Array>): T {
  return JSON.parse(new TextDecoder().decode(event.data)) as T;
}

/** Whatever a case gives, as an output; undefined is none. */
export function answered(value: unknown): Answer {
  return value === undefined || value instanceof Output ? value : output.json(value);
}
