// An output: what a handler answers. Stored with the run.

import { encode, writeJson } from "./bytes.ts";
import { Invalid } from "./error.ts";
import { problem } from "./parse.ts";
import type * as types from "jackfield:plugin/types@0.1.0";

/** What an output says besides its body. */
export interface OutputOptions {
  /** The HTTP status; 200 if nobody sets it. */
  status?: number | undefined;
  /** The media type, where the usual one is not meant. */
  contentType?: string | undefined;
  /** Further headers. */
  headers?: Headers | undefined;
}

type Headers = Readonly<Record<string, string>> | Iterable<readonly [string, string]>;

/**
 * What a handler answers; made by the functions of `output`.
 *
 * A webhook whose trigger says `respond = true` answers with it: status, headers and body. For other triggers it is what
 * the run page shows.
 */
export class Output {
  readonly status: number | undefined;
  readonly contentType: string | undefined;
  readonly headers: readonly (readonly [string, string])[];
  readonly data: Uint8Array;

  constructor(contentType: string | undefined, data: Uint8Array, options: OutputOptions = {}) {
    const { status, headers } = options;
    if (status !== undefined && !(Number.isInteger(status) && status >= 100 && status <= 999)) {
      throw new Invalid(`an output's status is a number of three digits, not ${String(status)}`);
    }
    this.status = status;
    this.contentType = options.contentType ?? contentType;
    this.headers = headers === undefined ? [] : pairs(headers);
    this.data = data;
  }
}

/** Makes outputs. */
export const output = {
  /** A value as JSON. */
  json(value: unknown, options?: OutputOptions): Output {
    return new Output("application/json", written(value, "the output"), options);
  },

  /** Plain text. */
  text(text: string, options?: OutputOptions): Output {
    return new Output("text/plain; charset=utf-8", encode(text), options);
  },

  /** Bytes of a media type. */
  bytes(contentType: string, data: Uint8Array, options?: OutputOptions): Output {
    return new Output(contentType, data, options);
  },

  /** No body, only a status. */
  empty(status: number, options?: Omit<OutputOptions, "status" | "contentType">): Output {
    return new Output(undefined, new Uint8Array(), { ...options, status });
  },
};

/** What a handler may return when all went well: an output, nothing, or a plain object or array, answered as JSON. */
export type Answer = Output | object | null | undefined | void;

/** The host's output for what a handler returned. */
export function outputOf(answer: unknown): types.Output | undefined {
  if (answer === undefined || answer === null) return undefined;
  const { status, contentType, headers, data } = answer instanceof Output ? answer : output.json(plain(answer));
  return {
    ...(status === undefined ? {} : { status }),
    ...(contentType === undefined ? {} : { contentType }),
    headers: headers.map(([name, value]) => [name, value]),
    data,
  };
}

// An object of a class (a response, a map) is returned by mistake; text could be meant as text or as JSON.
function plain(answer: unknown): unknown {
  const prototype: unknown = typeof answer === "object" ? Object.getPrototypeOf(answer) : undefined;
  if (Array.isArray(answer) || prototype === Object.prototype || prototype === null) return answer;
  const what = typeof answer === "object" ? ((answer?.constructor?.name ?? "") || "object") : typeof answer;
  throw new Invalid(
    `the handler returned a ${what}: return output.json(…), output.text(…), a plain object, which is answered as JSON, or nothing`,
  );
}

/** A value as JSON, or `invalid`. */
export function written(value: unknown, what: string): Uint8Array {
  try {
    return writeJson(value);
  } catch (thrown) {
    throw new Invalid(`${what} is not JSON: ${problem(thrown)}`);
  }
}

/** Headers or the like as pairs of text, in order. */
export function pairs(from: Readonly<Record<string, unknown>> | Iterable<readonly [string, unknown]>): [string, string][] {
  const entries = Symbol.iterator in from ? [...(from as Iterable<readonly [string, unknown]>)] : Object.entries(from);
  // An optional value that is left out is not the text "undefined".
  return entries.filter(([, value]) => value !== undefined).map(([name, value]) => [name, String(value)]);
}
