// An error: why an event was not handled, and whether trying again may help.

import { frames } from "./stack.ts";
import { show } from "./show.ts";
import type * as types from "jackfield:plugin/types@0.1.0";

/** What may be said of a failure besides its text. */
export interface FailureOptions {
  /** What equal failures are grouped by: a short constant. */
  name?: string | undefined;
  /** Whether a later attempt may succeed. */
  retryable?: boolean | undefined;
  /** A later attempt may succeed, but not before so many milliseconds have passed. */
  retryAfterMs?: number | undefined;
  /** What it came from; its text is told too. */
  cause?: unknown;
}

/**
 * Why an event was not handled. Anything else that is thrown counts as a failure too; this class says whether to try
 * again.
 *
 * Do not put secrets in the text: it is stored with the run.
 */
export class Failure extends Error {
  /** Whether a later attempt may succeed. */
  readonly retryable: boolean;
  /** The shortest delay before the next attempt, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: FailureOptions = {}, name = "Error", retryable = true) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    Object.defineProperty(this, "name", { value: options.name ?? name, configurable: true, writable: true });
    const delay = options.retryAfterMs;
    this.retryable = options.retryable ?? (delay !== undefined || retryable);
    this.retryAfterMs = this.retryable ? delay : undefined;
  }
}

/**
 * The event itself is wrong and no later attempt can succeed: it goes to the dead letters at once. The text is for the
 * operator; a waiting caller does not see it.
 */
export class Rejected extends Failure {
  constructor(message: string, options?: FailureOptions) {
    super(message, options, "rejected", false);
  }
}

/** The manifest does not grant the call. The message holds the line to add. */
export class AccessDenied extends Failure {
  constructor(message: string, options?: FailureOptions) {
    super(message, options, "access-denied", false);
  }
}

/** The call cannot be made as it is: a URL, a header, a key, a limit. */
export class Invalid extends Failure {
  constructor(message: string, options?: FailureOptions) {
    super(message, options, "invalid", false);
  }
}

/** The other side, or the host's store, does not answer; nothing was changed. */
export class Unavailable extends Failure {
  constructor(message: string, options?: FailureOptions) {
    super(message, options, "unavailable", true);
  }
}

/** No answer in time, to a call that may safely be made again. */
export class Timeout extends Failure {
  constructor(message: string, options?: FailureOptions) {
    super(message, options, "timeout", true);
  }
}

/**
 * Sent and not answered: the call may have been carried out. If the attempt fails after this, the run waits for a
 * person's decision.
 */
export class InDoubt extends Failure {
  constructor(message: string, options?: FailureOptions) {
    super(message, options, "in-doubt", true);
  }
}

/** A request or a response body is larger than its limit. */
export class TooLarge extends Failure {
  constructor(message: string, options?: FailureOptions) {
    super(message, options, "too-large", false);
  }
}

/** The integration's quota is used up. */
export class Quota extends Failure {
  constructor(message: string, options?: FailureOptions) {
    super(message, options, "quota", true);
  }
}

/** Others changed the same at the same time, or not as much was changed as was expected; trying again may help. */
export class Conflict extends Failure {
  constructor(message: string, options?: FailureOptions) {
    super(message, options, "conflict", true);
  }
}

/** The broker, the storage or the mail server refused it, and will refuse it again. */
export class Refused extends Failure {
  constructor(message: string, options?: FailureOptions) {
    super(message, options, "refused", false);
  }
}

/** The database refused the statement. */
export class DatabaseError extends Failure {
  /** SQLSTATE, such as `23505` for a value that must be unique; empty if the database has none. */
  readonly code: string;

  constructor(code: string, message: string, options?: FailureOptions) {
    // Connections, rollbacks, resources, locks, operators, the system: that may pass. A statement stays wrong.
    const passes = ["08", "40", "53", "55", "57", "58"].some((first) => code.startsWith(first));
    super(code === "" ? message : `${message} (${code})`, options, "database", passes);
    this.code = code;
  }
}

/** The other side answered with a status other than 200 to 299; see `Response.errorForStatus`. */
export class HttpStatus extends Failure {
  /** The status. */
  readonly status: number;

  constructor(status: number, message: string, options?: FailureOptions) {
    // "Too early", "too many" and "took too long" pass; other refusals do not.
    super(message, options, "http-status", [408, 425, 429].includes(status) || status >= 500);
    this.status = status;
  }
}

const KINDS: Record<string, new (message: string, options?: FailureOptions) => Failure> = {
  "access-denied": AccessDenied,
  invalid: Invalid,
  unavailable: Unavailable,
  timeout: Timeout,
  "in-doubt": InDoubt,
  "too-large": TooLarge,
  quota: Quota,
  conflict: Conflict,
  refused: Refused,
};

/** Calls the host; the error variant that its glue throws becomes a typed failure. */
export function call<R>(run: () => R, context?: string): R {
  try {
    return run();
  } catch (thrown) {
    throw ofVariant(thrown, context) ?? thrown;
  }
}

// The glue throws an error whose `payload` is the variant; whatever else it throws is a fault of the call's arguments.
function ofVariant(thrown: unknown, context?: string): Failure | undefined {
  const payload = (thrown as { payload?: { tag?: unknown; val?: unknown } } | null | undefined)?.payload;
  if (payload?.tag === "database") {
    const { code, message } = payload.val as { code: string; message: string };
    return new DatabaseError(code, message);
  }
  const kind = typeof payload?.tag === "string" && Object.hasOwn(KINDS, payload.tag) ? KINDS[payload.tag] : undefined;
  if (kind === undefined) return undefined;
  const text = String(payload?.val);
  return new kind(context === undefined ? text : `${context}: ${text}`);
}

/** Whatever was thrown, as the contract tells it. */
export function failureOf(thrown: unknown): types.Failure {
  try {
    return told(thrown);
  } catch {
    // What is thrown may be anything, an object whose properties throw included.
    return { tag: "error", val: { name: "Error", message: "what was thrown cannot be read", retryable: true } };
  }
}

function told(thrown: unknown): types.Failure {
  const error = thrown instanceof Failure ? thrown : (ofVariant(thrown) ?? thrown);
  if (error instanceof Rejected && !error.retryable) return { tag: "rejected", val: message(error) };
  const delay = error instanceof Failure ? error.retryAfterMs : undefined;
  // Of `ofVariant` only the kind is wanted: it was thrown elsewhere.
  const stack = frames(textOf(thrown, "stack"));
  return {
    tag: "error",
    val: {
      name: textOf(error, "name") || "Error",
      message: message(error),
      ...(stack === "" ? {} : { stack }),
      retryable: error instanceof Failure ? error.retryable : true,
      ...(delay === undefined ? {} : { retryAfterMs: milliseconds(delay) }),
    },
  };
}

/** A time as the contract's 32 bits hold it: whole, never shorter than asked for. */
export function milliseconds(time: number): number {
  return Number.isNaN(time) ? 0 : Math.min(Math.max(Math.ceil(time), 0), 0xffff_ffff);
}

// With the texts of its causes, each told once: many errors repeat their cause in their own text.
function message(error: unknown, seen = new Set<unknown>()): string {
  seen.add(error);
  const text = isErrorLike(error) ? String(error.message) : show(error);
  const cause = causeOf(error);
  if (cause === undefined || cause === null || seen.has(cause)) return text;
  const said = message(cause, seen);
  return said === "" || text.endsWith(said) ? text : text === "" ? said : `${text}: ${said}`;
}

function isErrorLike(value: unknown): value is { message: unknown } {
  return typeof value === "object" && value !== null && "message" in value;
}

// `Promise.any` tells of several errors at once; the first of them stands for all.
function causeOf(error: unknown): unknown {
  if (!isErrorLike(error)) return undefined;
  const { cause, errors } = error as { cause?: unknown; errors?: unknown };
  return cause ?? (Array.isArray(errors) ? errors[0] : undefined);
}

function textOf(from: unknown, name: "name" | "stack"): string {
  const value = (from as Record<string, unknown> | null | undefined)?.[name];
  return value === undefined || value === null ? "" : String(value);
}
