// An event: what happened outside, as the handler receives it.

import type * as types from "jackfield:plugin/types@0.1.0";

/** One event: the attributes of CloudEvents 1.0, and data. */
export interface Event<T = unknown> {
  /** Unique together with `source`. A retry of the same event has the same id. */
  readonly id: string;
  /** Where it comes from, such as `/hooks/servicenow-to-github/announced`. */
  readonly source: string;
  /** CloudEvents `type`, such as `com.github.issues`. */
  readonly type: string;
  /** What it is about, within `source`. */
  readonly subject: string | undefined;
  /** When it happened, RFC 3339. */
  readonly time: string | undefined;
  /** The media type of the data. */
  readonly contentType: string | undefined;
  /** CloudEvents `dataschema`, a URI. */
  readonly schema: string | undefined;
  /** Extension attributes. */
  readonly extensions: Attributes;
  /**
   * What the trigger heard besides: a webhook's method, path, query and headers, a message's headers. Never credentials
   * or signatures.
   */
  readonly meta: Attributes;
  /** The data. */
  readonly data: T;
}

/** The host's event with its data as the handler wants it. */
export function eventOf<T>(raw: types.Event, data: T): Event<T> {
  return {
    id: raw.id,
    source: raw.source,
    type: raw.eventType,
    subject: raw.subject,
    time: raw.time,
    contentType: raw.contentType,
    schema: raw.schema,
    extensions: new Attributes(raw.extensions),
    meta: new Attributes(raw.meta),
    data,
  };
}

/** Name and value pairs. Order is kept, and a name may occur more than once. */
export class Attributes implements Iterable<[name: string, value: string]> {
  readonly #pairs: [string, string][];

  constructor(pairs: Iterable<[string, string]> = []) {
    this.#pairs = [...pairs];
  }

  /** The first value of a name. Case does not matter. */
  get(name: string): string | undefined {
    return this.getAll(name)[0];
  }

  /** Every value of a name. Case does not matter. */
  getAll(name: string): string[] {
    const wanted = name.toLowerCase();
    return this.#pairs.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
  }

  /** All pairs, in order. */
  [Symbol.iterator](): Iterator<[name: string, value: string]> {
    return this.#pairs[Symbol.iterator]();
  }

  toJSON(): [string, string][] {
    return this.#pairs;
  }
}
