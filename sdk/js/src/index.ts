/// <reference path="../types/integration.d.ts" />
// Write Jackfield integrations in TypeScript.

export { Blob, type ObjectInfo, type PutOptions } from "./blob.ts";
export { Config } from "./config.ts";
export { Context, type RunInfo } from "./context.ts";
export { type Addresses, type Attachment, Email, type Mail } from "./email.ts";
export {
  AccessDenied,
  Conflict,
  DatabaseError,
  Failure,
  type FailureOptions,
  HttpStatus,
  InDoubt,
  Invalid,
  Quota,
  Refused,
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
export { type Message, type MessageOptions, type MessageRequestOptions, Messaging, Reply } from "./messaging.ts";
export { type Answer, Output, output, type OutputOptions } from "./output.ts";
export type { Parser } from "./parse.ts";
export { soap, SoapAnswer, type SoapCall, SoapFault, xmlElement, type XmlValue } from "./soap.ts";
export {
  type Change,
  type Column,
  Sql,
  SqlBatch,
  type SqlParameter,
  type SqlValue,
  type StepOptions,
  type Table,
} from "./sql.ts";
