// A handler: what a project exports. How an event reaches it stands here; how the host does, in `runtime.ts`.

import { decode, own, parseJson } from "./bytes.ts";
import { Failure, Rejected } from "./error.ts";
import { type Event, eventOf } from "./event.ts";
import { type Answer } from "./output.ts";
import { apply, type Parser, problem } from "./parse.ts";
import type { Context } from "./context.ts";
import type * as types from "jackfield:plugin/types@0.1.0";

/** Handles an event whose data is a `T`. */
export type Handle<T> = (event: Event<T>, cx: Context) => Answer | Promise<Answer>;

/** A project's handler; made by `handler`. */
export class Handler {
  /** Reads the event and handles it. Not for people: the host's call arrives here. */
  readonly run: (raw: types.Event, cx: Context) => Promise<unknown>;

  constructor(run: (raw: types.Event, cx: Context) => Promise<unknown>) {
    this.run = run;
  }
}

/**
 * Makes a function the handler of this component. A component has one handler, exported by the file that the manifest's
 * build command names.
 *
 * The event's data is read as JSON (no data at all reads like `null`) and taken at its word, unless a parser checks it:
 * a function, or an object with `parse`, such as a schema of zod. What does not fit is rejected, since it will be the
 * same the next time.
 */
export function handler<T = unknown>(handle: Handle<T>): Handler;
export function handler<T>(parser: Parser<T>, handle: Handle<T>): Handler;
export function handler<T>(first: Handle<T> | Parser<T>, second?: Handle<T>): Handler {
  if (second === undefined) return make((data) => parseJson(data) as T, first as Handle<T>);
  return make((data) => apply(first as Parser<T>, parseJson(data)), second);
}

/** A handler of the data as it came. */
handler.bytes = (handle: Handle<Uint8Array>): Handler => make(own, handle);

/** A handler of the data as text; what is not UTF-8 is rejected. */
handler.text = (handle: Handle<string>): Handler => make(decode, handle);

function make<T>(read: (data: Uint8Array) => T, handle: Handle<T>): Handler {
  return new Handler(async (raw, cx) => {
    let data: T;
    try {
      data = read(raw.data);
    } catch (thrown) {
      // A parser that says what it wants is not corrected.
      if (thrown instanceof Failure) throw thrown;
      throw new Rejected(`the event's data is not what the handler expects: ${problem(thrown)}`);
    }
    return handle(eventOf(raw, data), cx);
  });
}
