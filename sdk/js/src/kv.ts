// Keys and values that outlive the run.

import * as host from "jackfield:plugin/kv@0.1.0";
import { own, parseJson } from "./bytes.ts";
import { call, Failure, Invalid } from "./error.ts";
import { written } from "./output.ts";
import { apply, type Parser, problem } from "./parse.ts";

/** A value and its version. */
export interface Entry<T> {
  value: T;
  /** Changes with every write of the key. Compare for equality only. */
  version: string;
}

/** How a value is written. */
export interface SetOptions {
  /** The key disappears after so many seconds (whole ones, at least one). Without, it stays. */
  ttlSeconds?: number | undefined;
}

/**
 * Keys and values, kept across runs and versions: private to the integration in its environment, shared by its
 * components.
 *
 * Values are written as JSON and read back as such; a `Uint8Array` is written as it is, and read by the functions that
 * say `Bytes`. Every call is atomic, and a write is not undone if the run fails afterwards. A run that is tried again
 * does not write again.
 *
 * Limits: a key has 1 to 512 bytes and no control characters, a value at most 1 MiB.
 */
export class Kv {
  readonly #connection: string;

  constructor(connection = "default") {
    this.#connection = connection;
  }

  /** The same functions on another store, by its connection in the manifest. */
  connection(name: string): Kv {
    return new Kv(name);
  }

  /** The value of a key, or undefined if there is none or its time is over. */
  async get<T = unknown>(key: string, parser?: Parser<T>): Promise<T | undefined> {
    return (await this.entry(key, parser))?.value;
  }

  /** The value of a key as it is stored. */
  async getBytes(key: string): Promise<Uint8Array | undefined> {
    return (await this.entryBytes(key))?.value;
  }

  /** The value of a key with its version, for `compareAndSet`. */
  async entry<T = unknown>(key: string, parser?: Parser<T>): Promise<Entry<T> | undefined> {
    const found = call(() => host.get(this.#connection, key));
    return found === undefined ? undefined : { value: read(key, found.value, parser), version: found.version };
  }

  /** The value of a key as it is stored, with its version. */
  async entryBytes(key: string): Promise<Entry<Uint8Array> | undefined> {
    const found = call(() => host.get(this.#connection, key));
    return found === undefined ? undefined : { value: own(found.value), version: found.version };
  }

  /** The values of up to 100 keys, in their order, as they were at one moment. */
  async getMany<T = unknown>(keys: readonly string[], parser?: Parser<T>): Promise<(T | undefined)[]> {
    const found = call(() => host.getMany(this.#connection, [...keys]));
    return found.map((entry, i) => (entry === undefined ? undefined : read(keys[i] ?? "", entry.value, parser)));
  }

  /** The values of up to 100 keys as they are stored. */
  async getManyBytes(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    const found = call(() => host.getMany(this.#connection, [...keys]));
    return found.map((entry) => (entry === undefined ? undefined : own(entry.value)));
  }

  /** Writes a key. */
  async set(key: string, value: unknown, options?: SetOptions): Promise<void> {
    const bytes = stored(value);
    call(() => host.set(this.#connection, key, bytes, ttl(options)));
  }

  /** Removes a key. True if there was one. */
  async remove(key: string): Promise<boolean> {
    return call(() => host.remove(this.#connection, key));
  }

  /** Adds to a counter and returns the sum. A missing key counts as 0; a value that is not a counter is `Invalid`. */
  async increment(key: string, by: number | bigint = 1): Promise<bigint> {
    const addend = integer(by);
    return call(() => host.increment(this.#connection, key, addend));
  }

  /** Writes a key only if it still has `version`; with undefined, only if it does not exist. True if it was written. */
  async compareAndSet(key: string, version: string | undefined, value: unknown, options?: SetOptions): Promise<boolean> {
    const bytes = stored(value);
    return call(() => host.compareAndSet(this.#connection, key, version, bytes, ttl(options)));
  }

  /**
   * The keys that start with `prefix`, in ascending order, read page by page as they are asked for. Keys written
   * meanwhile may be missing.
   */
  async *keys(prefix = ""): AsyncGenerator<string, void, undefined> {
    const PAGE = 1_000;
    let cursor: string | undefined;
    do {
      const page = call(() => host.keys(this.#connection, prefix, cursor, PAGE));
      yield* page.keys;
      cursor = page.next;
    } while (cursor !== undefined);
  }

  /** Begins a batch: all its operations are carried out, or none. */
  batch(): Batch {
    return new Batch(this.#connection);
  }
}

/** Operations that are carried out together by `commit`. At most 100, and 4 MiB. */
export class Batch {
  readonly #connection: string;
  readonly #operations: host.Operation[] = [];

  constructor(connection: string) {
    this.#connection = connection;
  }

  /** Writes a key. */
  set(key: string, value: unknown, options?: SetOptions): this {
    const seconds = ttl(options);
    const assignment = { key, value: stored(value), ...(seconds === undefined ? {} : { ttlSeconds: seconds }) };
    return this.#add({ tag: "set", val: assignment });
  }

  /** Removes a key. No error if there is none. */
  remove(key: string): this {
    return this.#add({ tag: "remove", val: key });
  }

  /** Adds to a counter. */
  increment(key: string, by: number | bigint = 1): this {
    return this.#add({ tag: "increment", val: { key, by: integer(by) } });
  }

  /** Goes on only if the key has this version; with undefined, only if it does not exist. */
  check(key: string, version: string | undefined): this {
    return this.#add({ tag: "check", val: { key, ...(version === undefined ? {} : { version }) } });
  }

  /** Carries out all operations in order, or none. True if done; false if a check did not hold. */
  async commit(): Promise<boolean> {
    return call(() => host.batch(this.#connection, this.#operations));
  }

  #add(operation: host.Operation): this {
    this.#operations.push(operation);
    return this;
  }
}

function read<T>(key: string, value: Uint8Array, parser: Parser<T> | undefined): T {
  try {
    return apply(parser, parseJson(value));
  } catch (thrown) {
    if (thrown instanceof Failure) throw thrown;
    throw new Failure(`the value of \`${key}\` is not as expected: ${problem(thrown)}`, { name: "stored-value" });
  }
}

function stored(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? value : written(value, "the value");
}

function integer(by: number | bigint): bigint {
  if (typeof by === "number" && !Number.isSafeInteger(by)) throw new Invalid(`a counter grows by whole numbers, not ${by}`);
  const whole = BigInt(by);
  if (BigInt.asIntN(64, whole) !== whole) throw new Invalid(`${whole} does not fit a counter of 64 bits`);
  return whole;
}

/** Whole seconds, never fewer than asked for. */
function ttl(options: SetOptions | undefined): number | undefined {
  const seconds = options?.ttlSeconds;
  if (seconds === undefined) return undefined;
  // The host's words for what is no time, as in every language.
  if (!(seconds > 0)) throw new Invalid("a time to live is 1 second or more");
  return Math.min(Math.ceil(seconds), 0xffff_ffff);
}
