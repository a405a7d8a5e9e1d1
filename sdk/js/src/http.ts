// HTTP calls to other systems. Credentials are the host's: a handler never sees one.

import { send } from "jackfield:plugin/http@0.1.0";
import { decode, decodeLossy, encode, own, parseJson } from "./bytes.ts";
import { call, Failure, HttpStatus, Invalid, milliseconds } from "./error.ts";
import { Attributes } from "./event.ts";
import { type Multipart, multipart } from "./multipart.ts";
import { pairs, written } from "./output.ts";
import { apply, type Parser, problem } from "./parse.ts";
import { retryAfterMs } from "./retry-after.ts";
import type * as host from "jackfield:plugin/http@0.1.0";

/** What a query, a form or a header may hold; a value that is `undefined` is left out. */
export type Values =
  | Readonly<Record<string, string | number | bigint | boolean | undefined>>
  | Iterable<readonly [name: string, value: string | number | bigint | boolean]>;

/** What a request says besides where it goes. At most one of `json`, `form` and `body`. */
export interface RequestOptions {
  /** Added to the path as `name=value`, percent-encoded, in this order. */
  query?: Values | undefined;
  /**
   * Headers. Those of the credential, `host`, `content-length` and `connection` are the host's: setting one makes the
   * request invalid.
   */
  headers?: Values | undefined;
  /** A value sent as JSON; sets the content type, if none is set. */
  json?: unknown;
  /**
   * Pairs as a form sends them, or, with files, a `FormData`, sent as `multipart/form-data`; sets the content type, if none
   * is set.
   */
  form?: Values | FormData | undefined;
  /** The body as it is. Say what it is with a `content-type` header. */
  body?: string | Uint8Array | ArrayBuffer | undefined;
  /** Waits no longer than this for the whole response. Otherwise the connection's own limit holds. */
  timeoutMs?: number | undefined;
  /**
   * Follows up to so many redirects: GET and HEAD only, and never more than the grant allows. Otherwise the redirect
   * itself is the response.
   */
  maxRedirects?: number | undefined;
}

/**
 * Sends a request and waits for the whole response: to `path`, which starts with `/`, on a connection of the manifest;
 * or to an absolute URL, which must lie below a granted connection or a granted URL.
 *
 * A response of status 400 or above is not an error, unless `errorForStatus` makes it one.
 */
interface Call {
  (connection: string, path: string, options?: RequestOptions): Promise<Response>;
  (url: string, options?: RequestOptions): Promise<Response>;
}

/**
 * Calls to other systems over HTTP. Bodies are held in memory, 4 MiB unless the manifest says otherwise.
 *
 * A call names a connection of the manifest and a path below its base URL; the host adds the credential. A request that
 * changed something and succeeded is never made again: a run that is tried again gets the recorded response.
 */
export class Http {
  /** A GET. */
  readonly get: Call = method("GET");
  /** A HEAD. */
  readonly head: Call = method("HEAD");
  /** A POST. */
  readonly post: Call = method("POST");
  /** A PUT. */
  readonly put: Call = method("PUT");
  /** A PATCH. */
  readonly patch: Call = method("PATCH");
  /** A DELETE. */
  readonly delete: Call = method("DELETE");

  /** A request with any method, in capitals; otherwise like the others. */
  request(method: string, connection: string, path: string, options?: RequestOptions): Promise<Response>;
  request(method: string, url: string, options?: RequestOptions): Promise<Response>;
  request(method: string, first: string, second?: string | RequestOptions, third?: RequestOptions): Promise<Response> {
    return exchange(method, first, second, third);
  }
}

function method(method: string): Call {
  return (first: string, second?: string | RequestOptions, third?: RequestOptions) => exchange(method, first, second, third);
}

// Async although the host answers before it returns: what is wrong is told by the promise, always.
async function exchange(
  method: string,
  first: string,
  second: string | RequestOptions | undefined,
  third: RequestOptions | undefined,
): Promise<Response> {
  const [connection, url, options = {}] =
    typeof second === "string" ? [first, second, third] : [undefined, first, second];
  // A file gives its bytes later; all else is asked for at once.
  const form = options.form instanceof FormData ? await multipart(options.form) : undefined;
  const request = requestOf(method, connection, url, options, form);
  const what = describe(request);
  return new Response(call(() => send(request), what), what);
}

/** The host's request. */
export function requestOf(
  method: string,
  connection: string | undefined,
  url: string,
  options: RequestOptions = {},
  form?: Multipart,
): host.Request {
  const headers = options.headers === undefined ? [] : pairs(options.headers);
  const body = bodyOf(options, form, headers);
  let target = String(url);
  for (const [name, value] of options.query === undefined ? [] : pairs(options.query)) {
    target += `${target.includes("?") ? "&" : "?"}${percent(name)}=${percent(value)}`;
  }
  return {
    ...(connection === undefined ? {} : { connection }),
    method,
    url: target,
    headers,
    body,
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: milliseconds(options.timeoutMs) }),
    maxRedirects: options.maxRedirects ?? 0,
  };
}

function bodyOf(options: RequestOptions, form: Multipart | undefined, headers: [string, string][]): Uint8Array {
  const given = (["json", "form", "body"] as const).filter((name) => options[name] !== undefined);
  if (given.length > 1) throw new Invalid(`a request has one body, not ${given.join(" and ")}`);
  const say = (contentType: string) => {
    if (!headers.some(([name]) => name.toLowerCase() === "content-type")) headers.push(["content-type", contentType]);
  };
  if (options.json !== undefined) {
    say("application/json");
    return written(options.json, "the body");
  }
  if (form !== undefined) {
    say(form.contentType);
    return form.body;
  }
  if (options.form !== undefined) {
    say("application/x-www-form-urlencoded");
    return encode(pairs(options.form as Values).map(([name, value]) => `${percent(name)}=${percent(value)}`).join("&"));
  }
  const { body } = options;
  if (body === undefined) return new Uint8Array();
  return typeof body === "string" ? encode(body) : new Uint8Array(body);
}

/** Percent-encodes for a query or a form: all but the characters that mean nothing there. */
function percent(text: string): string {
  // A lone half of a surrogate pair has no UTF-8, and `encodeURIComponent` would throw: by way of bytes it is replaced.
  return encodeURIComponent(decodeLossy(encode(text))).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** What a request is, for a message: never its query, which may hold what is nobody's business. */
export function describe(request: host.Request): string {
  const path = request.url.replace(/[?#].*/s, "");
  return [request.method, request.connection, path].filter((part) => part !== undefined).join(" ");
}

/** A whole response. It is here already: its methods answer at once, and `await` does no harm. */
export class Response {
  /** The status. */
  readonly status: number;
  /** Its headers, names in lower case. */
  readonly headers: Attributes;
  readonly #body: Uint8Array;
  readonly #what: string;

  constructor(raw: host.Response, what: string) {
    this.status = raw.status;
    this.headers = new Attributes(raw.headers);
    this.#body = raw.body;
    this.#what = what;
  }

  /** Whether the status is 200 to 299. */
  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** The body, read as JSON; with a parser, checked. */
  json<T = unknown>(parser?: Parser<T>): T {
    try {
      return apply(parser, parseJson(this.#body));
    } catch (thrown) {
      if (thrown instanceof Failure) throw thrown;
      throw new Failure(`${this.#what}: the answer is not as expected: ${problem(thrown)}`, { name: "answer" });
    }
  }

  /** The body as text; bytes that are not UTF-8 are replaced. */
  text(): string {
    return decodeLossy(this.#body);
  }

  /** The body as it came, decoded if it came compressed. */
  bytes(): Uint8Array {
    return own(this.#body);
  }

  /**
   * Makes an `HttpStatus` error of any status but 200 to 299, with the begin of the body; otherwise returns the response.
   *
   * Worth another attempt are 5xx, 408, 425 and 429; with `retry-after` not before that. Not worth it are other
   * refusals: the other side will refuse them again.
   */
  errorForStatus(): this {
    if (this.ok) return this;
    const said = excerpt(this.#body);
    const text = `${this.#what}: ${this.status}${said === "" ? "" : `: ${said}`}`;
    const error = new HttpStatus(this.status, text);
    const delay = error.retryable ? retryAfterMs(this.headers) : undefined;
    throw delay === undefined ? error : new HttpStatus(this.status, text, { retryAfterMs: delay });
  }
}

/** The begin of a body that is text, on one line. */
export function excerpt(body: Uint8Array): string {
  const LONGEST = 200;
  let text: string;
  try {
    text = decode(body);
  } catch {
    return "";
  }
  const characters = [...text.trim().replace(/\s+/g, " ")];
  return characters.length > LONGEST ? `${characters.slice(0, LONGEST).join("")}…` : characters.join("");
}
