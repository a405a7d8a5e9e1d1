// SOAP: an envelope around a body, sent by `http`, and what the answer's envelope holds.

import { decode } from "./bytes.ts";
import { Failure, type FailureOptions, Invalid } from "./error.ts";
import { alone, type Element, escape, parse, textOf } from "./xml.ts";
import type { Http, RequestOptions, Response } from "./http.ts";

const ENVELOPES = {
  "1.1": "http://schemas.xmlsoap.org/soap/envelope/",
  "1.2": "http://www.w3.org/2003/05/soap-envelope",
} as const;

/** What is asked by SOAP. */
export interface SoapCall extends Pick<RequestOptions, "headers" | "timeoutMs"> {
  /** The body: XML, such as `xmlElement` makes. */
  body: string;
  /** The header's content: XML. */
  header?: string | undefined;
  /** What the service calls the action; 1.1 has it in `soapaction`, 1.2 in the content type. */
  action?: string | undefined;
  /** The version of SOAP; 1.1 if nobody says. */
  version?: "1.1" | "1.2" | undefined;
}

/** What an element may be made of; what is null or undefined is left out, a list becomes several elements. */
export type XmlValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | readonly XmlValue[]
  | { readonly [name: string]: XmlValue };

/** The service's own answer that it failed. */
export class SoapFault extends Failure {
  /** Its code, such as `soap:Client`. */
  readonly code: string;
  /** Its text for people. */
  readonly reason: string;
  /** What else it says: XML; empty if nothing. */
  readonly detail: string;

  constructor(code: string, reason: string, detail: string, message: string, options?: FailureOptions) {
    // The service's fault may pass; the caller's will not.
    super(message, options, "soap-fault", /(^|:)(Server|Receiver)(\.|$)/.test(code));
    this.code = code;
    this.reason = reason;
    this.detail = detail;
  }
}

/** A SOAP service's answer. */
export class SoapAnswer {
  /** The HTTP response. */
  readonly response: Response;
  /** What the body holds: XML, each of its elements with the declarations that it needs. */
  readonly body: string;
  /** What the header holds, likewise; empty if there is none. */
  readonly header: string;
  readonly #body: Element;

  constructor(response: Response, source: string, header: Element | undefined, body: Element) {
    this.response = response;
    this.header = header === undefined ? "" : content(source, header);
    this.body = content(source, body);
    this.#body = body;
  }

  /** The text of the body's first element of this name, whatever its prefix and however deep; undefined if there is none. */
  text(name: string): string | undefined {
    const found = first(this.#body, name);
    return found === undefined ? undefined : textOf(found);
  }

  /** The texts of all elements of this name. */
  texts(name: string): string[] {
    return all(this.#body, name).map(textOf);
  }
}

/**
 * Calls a SOAP service: POSTs an envelope around `call.body` to a path of a connection, and reads the answer's. Needs the
 * grant of an HTTP POST.
 *
 * A fault of the service is thrown as a `SoapFault`; any other answer that is no envelope as `HttpStatus`, or as a failure
 * named `answer`.
 */
export async function soap(http: Http, connection: string, path: string, call: SoapCall): Promise<SoapAnswer> {
  const { body, header, action, version = "1.1", headers, timeoutMs } = call;
  const response = await http.post(connection, path, {
    headers: [...pairsOf(headers), ...headersOf(version, action)],
    body: envelope(version, body, header),
    timeoutMs,
  });
  return answerOf(response, `POST ${connection} ${path.replace(/[?#].*/s, "")}`);
}

/** An element with an optional namespace, for a body: `xmlElement("GetOrder", { id: 7 }, "urn:orders")`. */
export function xmlElement(name: string, value: XmlValue, namespace?: string): string {
  if (!/^[\p{L}_][\p{L}\p{N}._:-]*$/u.test(name)) throw new Invalid(`\`${name}\` is no name of an element`);
  if (Array.isArray(value)) return value.map((one: XmlValue) => xmlElement(name, one, namespace)).join("");
  if (value === null || value === undefined) return "";
  const inner =
    typeof value === "object"
      ? Object.entries(value as Record<string, XmlValue>).map(([name, value]) => xmlElement(name, value)).join("")
      : escape(String(value));
  return `<${name}${namespace === undefined ? "" : ` xmlns="${escape(namespace)}"`}>${inner}</${name}>`;
}

/** An envelope, as it is sent. */
export function envelope(version: "1.1" | "1.2", body: string, header: string | undefined): string {
  const head = header === undefined ? "" : `<soap:Header>${header}</soap:Header>`;
  return `<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="${ENVELOPES[version]}">${head}<soap:Body>${body}</soap:Body></soap:Envelope>`;
}

/** The headers of a version, for an action. */
export function headersOf(version: "1.1" | "1.2", action: string | undefined): [string, string][] {
  const quoted = `"${(action ?? "").replace(/["\\]/g, "\\$&")}"`;
  if (version === "1.1") return [["content-type", "text/xml; charset=utf-8"], ["soapaction", quoted]];
  return [["content-type", `application/soap+xml; charset=utf-8${action === undefined ? "" : `; action=${quoted}`}`]];
}

/** What a response says; throws the fault that it is. */
export function answerOf(response: Response, what: string): SoapAnswer {
  let source: string;
  let root: Element;
  try {
    source = decode(response.bytes());
    root = parse(source);
  } catch (thrown) {
    // Whoever answers so is no service, but a proxy or a server that is down.
    response.errorForStatus();
    throw new Failure(`${what}: the answer is not as expected: ${(thrown as Error).message}`, { name: "answer" });
  }
  const { namespace } = root;
  const child = (name: string) => root.children.find((one) => one.local === name && one.namespace === namespace);
  const body = child("Body");
  if (root.local !== "Envelope" || !Object.values(ENVELOPES).includes(namespace as never) || body === undefined) {
    response.errorForStatus();
    throw new Failure(`${what}: the answer is not as expected: it is no SOAP envelope`, { name: "answer" });
  }
  const fault = body.children.find((one) => one.local === "Fault" && one.namespace === namespace);
  if (fault !== undefined) throw faultOf(source, fault, what);
  response.errorForStatus();
  return new SoapAnswer(response, source, child("Header"), body);
}

function faultOf(source: string, fault: Element, what: string): SoapFault {
  const of = (...names: string[]) => fault.children.find((one) => names.includes(one.local));
  const value = of("Code")?.children.find((one) => one.local === "Value");
  const code = (value ?? of("faultcode"))?.text.trim() ?? "";
  const text = of("Reason")?.children.find((one) => one.local === "Text") ?? of("faultstring");
  const reason = text === undefined ? "" : textOf(text).trim();
  const detail = of("Detail", "detail");
  return new SoapFault(code, reason, detail === undefined ? "" : content(source, detail), `${what}: ${code}: ${reason}`);
}

/** What is in an element: its elements, or else its text. */
function content(source: string, element: Element): string {
  if (element.children.length === 0) return source.slice(element.innerFrom, element.innerTo).trim();
  return element.children.map((child) => alone(source, child)).join("");
}

function first(element: Element, name: string): Element | undefined {
  return all(element, name)[0];
}

function all(element: Element, name: string): Element[] {
  return element.children.flatMap((child) => [...(child.local === name ? [child] : []), ...all(child, name)]);
}

function pairsOf(headers: RequestOptions["headers"]): (readonly [string, string | number | bigint | boolean])[] {
  if (headers === undefined) return [];
  const entries = Symbol.iterator in headers ? [...headers] : Object.entries(headers);
  return entries.filter((pair): pair is [string, string | number | bigint | boolean] => pair[1] !== undefined);
}
