// A host made of paper: each test puts in the functions that it wants called.

import { runInNewContext } from "node:vm";
import type * as blob from "jackfield:plugin/blob@0.1.0";
import type * as config from "jackfield:plugin/config@0.1.0";
import type * as email from "jackfield:plugin/email@0.1.0";
import type * as events from "jackfield:plugin/events@0.1.0";
import type * as http from "jackfield:plugin/http@0.1.0";
import type * as kv from "jackfield:plugin/kv@0.1.0";
import type * as log from "jackfield:plugin/log@0.1.0";
import type * as messaging from "jackfield:plugin/messaging@0.1.0";
import type * as run from "jackfield:plugin/run@0.1.0";
import type * as sql from "jackfield:plugin/sql@0.1.0";
import type * as types from "jackfield:plugin/types@0.1.0";

type Functions<T> = { -readonly [K in keyof T]?: T[K] };

export const host: {
  blob: Functions<typeof blob>;
  config: Functions<typeof config>;
  email: Functions<typeof email>;
  events: Functions<typeof events>;
  http: Functions<typeof http>;
  kv: Functions<typeof kv>;
  log: Functions<typeof log>;
  messaging: Functions<typeof messaging>;
  run: Functions<typeof run>;
  sql: Functions<typeof sql>;
} = { blob: {}, config: {}, email: {}, events: {}, http: {}, kv: {}, log: {}, messaging: {}, run: {}, sql: {} };

/** Bytes as the engine's glue hands them in: of another realm. */
export function foreign(text: string | readonly number[]): Uint8Array {
  const bytes = typeof text === "string" ? [...new TextEncoder().encode(text)] : text;
  return runInNewContext(`new Uint8Array(${JSON.stringify(bytes)})`);
}

/** What the glue throws for the error of an interface. */
export function variant(tag: string, val: unknown): Error {
  return Object.assign(new Error("[object Object] (see error.payload)"), { payload: { tag, val } });
}

/** The text of bytes. */
export function text(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}

/** An event as the host gives it. */
export function event(data: string | readonly number[]): types.Event {
  return {
    id: "1",
    source: "/manual",
    eventType: "jackfield.manual",
    extensions: [],
    meta: [["Method", "POST"], ["x", "1"], ["X", "2"]],
    data: foreign(data),
  };
}
