/// <reference path="../types/integration.d.ts" />
// Write Jackfield integrations in TypeScript.

export { Config } from "./config.ts";
export { Context, type RunInfo } from "./context.ts";
export {
  AccessDenied,
  Failure,
  type FailureOptions,
  HttpStatus,
  InDoubt,
  Invalid,
  Quota,
  Rejected,
  Timeout,
  TooLarge,
  Unavailable,
} from "./error.ts";
export { Attributes, type Event } from "./event.ts";
export { type Draft, type DraftOptions, Events } from "./events.ts";
export { type Handle, Handler, handler } from "./handler.ts";
export { Http, type RequestOptions, Response, type Values } from "./http.ts";
export { Batch, type Entry, Kv, type SetOptions } from "./kv.ts";
export { log, type LogAttributes } from "./log.ts";
export { type Answer, Output, output, type OutputOptions } from "./output.ts";
export type { Parser } from "./parse.ts";
