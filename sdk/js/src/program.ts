// A program that comes beside the engine: evaluated when the event arrives. Used by the code that `jackfield dev` builds.

import { failureOf } from "./error.ts";
import { BUNDLE } from "./stack.ts";
import type * as types from "jackfield:plugin/types@0.1.0";

/** Where the program finds the interfaces that it may use, by their names. */
export const HOST = Symbol.for("jackfield.host");
/** Where it leaves what answers events. */
export const PROGRAM = Symbol.for("jackfield.program");

interface Program {
  handle(event: types.Event): Promise<types.Output | undefined>;
}

type Place = { [HOST]?: object; [PROGRAM]?: Program };

/** Evaluates the program, unless it was. What it throws is the failure of the event. */
export function start(host: object, read: () => Uint8Array): Program {
  const place = globalThis as Place;
  if (place[PROGRAM] === undefined) {
    place[HOST] = host;
    const source = new TextDecoder().decode(read());
    try {
      (0, eval)(`${source}\n//# sourceURL=${BUNDLE}`);
    } catch (thrown) {
      const failure = failureOf(thrown);
      if (failure.tag === "error") failure.val.message = `the handler's file cannot be loaded: ${failure.val.message}`;
      throw failure;
    }
  }
  const program = place[PROGRAM];
  if (program === undefined) throw new Error("the program leaves no handler");
  return program;
}
