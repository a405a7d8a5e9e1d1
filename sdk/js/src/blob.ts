// Named objects in storage.

import * as host from "jackfield:plugin/blob@0.1.0";
import { encode, own } from "./bytes.ts";
import { call, Invalid } from "./error.ts";
import { Attributes } from "./event.ts";
import { pairs, written } from "./output.ts";
import type { Values } from "./http.ts";

/** What is known of an object. */
export interface ObjectInfo {
  name: string;
  /** In bytes. */
  size: number;
  contentType: string | undefined;
  /** When it was written, RFC 3339. */
  modified: string;
  /** Changes when the content changes. Opaque. */
  etag: string;
  /** Your own metadata. Empty in `list`. */
  metadata: Attributes;
}

/** What an object says besides its bytes. */
export interface PutOptions {
  /** The media type. */
  contentType?: string | undefined;
  /** Metadata of your own. */
  metadata?: Values | undefined;
}

/**
 * Named objects in storage connections of the manifest: a directory, S3 and so on. An object is written and read as a
 * whole, or read in parts; a call carries at most 4 MiB, unless the manifest says otherwise.
 *
 * A storage whose bucket is not there, or whose credential may not, is `Refused`.
 */
export class Blob {
  /** What is known of an object, or undefined if there is none. */
  async stat(connection: string, name: string): Promise<ObjectInfo | undefined> {
    const found = call(() => host.stat(connection, name));
    return found === undefined ? undefined : infoOf(found);
  }

  /** An object's bytes, or undefined if there is none. */
  async get(connection: string, name: string): Promise<Uint8Array | undefined> {
    const found = call(() => host.get(connection, name, undefined));
    return found === undefined ? undefined : own(found);
  }

  /** A part of an object: `length` bytes from `offset` on, or as many as there are; undefined if there is no object. */
  async getRange(connection: string, name: string, offset: number, length: number): Promise<Uint8Array | undefined> {
    const range = { offset: BigInt(count("offset", offset)), length: Math.min(count("length", length), 0xffff_ffff) };
    const found = call(() => host.get(connection, name, range));
    return found === undefined ? undefined : own(found);
  }

  /**
   * Writes an object, over an earlier one of that name: bytes and text as they are, anything else as JSON. Returns its
   * etag.
   */
  async put(connection: string, name: string, data: unknown, { contentType, metadata }: PutOptions = {}): Promise<string> {
    const raw = typeof data === "string" || data instanceof Uint8Array || data instanceof ArrayBuffer;
    const media = contentType ?? (raw ? undefined : "application/json");
    const object = {
      name,
      ...(media === undefined ? {} : { contentType: media }),
      metadata: pairs(metadata ?? {}),
      data: bytesOf(data),
    };
    return call(() => host.put(connection, object));
  }

  /** Removes an object. No error if there is none. */
  async remove(connection: string, name: string): Promise<void> {
    call(() => host.remove(connection, name));
  }

  /**
   * The objects whose names start with `prefix`, in ascending order, read page by page as they are asked for. Objects
   * written meanwhile may be missing.
   */
  async *list(connection: string, prefix = ""): AsyncGenerator<ObjectInfo, void, undefined> {
    const PAGE = 1_000;
    let cursor: string | undefined;
    do {
      const page = call(() => host.listObjects(connection, prefix, cursor, PAGE));
      yield* page.objects.map(infoOf);
      cursor = page.next;
    } while (cursor !== undefined);
  }
}

function infoOf({ name, size, contentType, modified, etag, metadata }: host.ObjectInfo): ObjectInfo {
  return { name, size: Number(size), contentType, modified, etag, metadata: new Attributes(metadata) };
}

function bytesOf(data: unknown): Uint8Array {
  if (typeof data === "string") return encode(data);
  if (data instanceof Uint8Array) return data;
  return data instanceof ArrayBuffer ? new Uint8Array(data) : written(data, "the data");
}

function count(what: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new Invalid(`${what} is a number of bytes, not ${value}`);
}
