// New events, for whoever listens.

import * as host from "jackfield:plugin/events@0.1.0";
import { encode } from "./bytes.ts";
import { call, Failure, Invalid } from "./error.ts";
import { pairs, written } from "./output.ts";

/** What an event says besides its type and its data. */
export interface DraftOptions {
  /**
   * The event's id; otherwise the host makes one. An id that the integration has used in the last seven days is accepted
   * and ignored.
   */
  id?: string | undefined;
  /** What the event is about, such as `orders/7`. */
  subject?: string | undefined;
  /** The media type of the data, where the usual one is not meant. */
  contentType?: string | undefined;
  /** CloudEvents `dataschema`, a URI. */
  schema?: string | undefined;
  /** Extension attributes; their names are of lower-case letters and digits. */
  extensions?: Readonly<Record<string, string | number | boolean | undefined>> | undefined;
  /** The event is delivered after so many seconds (whole ones, never sooner), at most a year. */
  delaySeconds?: number | undefined;
}

/** An event to be. The host adds its source, which is the integration, and its time. */
export interface Draft extends DraftOptions {
  /** Its type, such as `order.paid`. Types that begin with `jackfield.` are the host's own. */
  type: string;
  /** Its data: bytes as they are, anything else as JSON; none if it is undefined. */
  data?: unknown;
}

/**
 * New events, for every trigger that listens for them, in any integration of the environment.
 *
 * An event is stored before the call returns, and not taken back if the run fails afterwards. A run that is tried again
 * does not emit it again.
 *
 * Limits: 100 events a call, 1 MiB an event, 4 MiB a call.
 */
export class Events {
  /** Emits an event, its data as JSON unless it is a `Uint8Array`. Returns its id. */
  async emit(type: string, data?: unknown, options: DraftOptions = {}): Promise<string> {
    const [id] = await this.emitAll([{ ...options, type, data }]);
    if (id === undefined) throw new Failure("the host accepted an event without giving its id");
    return id;
  }

  /** Emits up to 100 events, all or none. Returns their ids, in their order. */
  async emitAll(drafts: Iterable<Draft>): Promise<string[]> {
    const ready = [...drafts].map(draftOf);
    return call(() => host.emit(ready));
  }
}

function draftOf({ id, type, subject, contentType, schema, extensions, data, delaySeconds }: Draft): host.Draft {
  const media = contentType ?? (data === undefined || data instanceof Uint8Array ? undefined : "application/json");
  return {
    ...(id === undefined ? {} : { id }),
    eventType: type,
    ...(subject === undefined ? {} : { subject }),
    ...(media === undefined ? {} : { contentType: media }),
    ...(schema === undefined ? {} : { schema }),
    extensions: pairs(extensions ?? {}),
    data: bytesOf(data),
    delaySeconds: delay(delaySeconds),
  };
}

function bytesOf(data: unknown): Uint8Array {
  if (data === undefined) return encode("");
  return data instanceof Uint8Array ? data : written(data, "the data");
}

/** Whole seconds, never fewer than asked for. */
function delay(seconds: number | undefined): number {
  if (seconds === undefined) return 0;
  if (!(seconds >= 0)) throw new Invalid(`delaySeconds is 0 or more, not ${seconds}`);
  return Math.min(Math.ceil(seconds), 0xffff_ffff);
}
