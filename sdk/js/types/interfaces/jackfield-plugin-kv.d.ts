declare module 'jackfield:plugin/kv@0.1.0' {
  /**
   * The value of a key, or none if there is none or its time is over.
   */
  export function get(connection: string, key: string): Entry | undefined;
  /**
   * The values of up to 100 keys, in the order of the keys, as they were at
   * one moment.
   */
  export function getMany(connection: string, keys: Array<string>): Array<Entry | undefined>;
  /**
   * Writes a key. With `ttl-seconds` (1 or more) it disappears after that
   * time; without, it stays, and an earlier time is forgotten.
   */
  export function set(connection: string, key: string, value: Uint8Array, ttlSeconds: number | undefined): void;
  /**
   * Removes a key. True if there was one.
   */
  export function remove(connection: string, key: string): boolean;
  /**
   * The keys that start with `prefix`, at most `limit` (1 to 1,000). Start
   * without `cursor`. Keys written meanwhile may be missing.
   */
  export function keys(connection: string, prefix: string, cursor: string | undefined, limit: number): Page;
  /**
   * Adds `by` to a counter and returns the sum. A missing key counts as 0. A
   * counter is stored as decimal text, so `get` reads it and `set` resets
   * it. Its time to live does not change. A sum outside s64 is `invalid`.
   */
  export function increment(connection: string, key: string, by: bigint): bigint;
  /**
   * Writes a key only if its version is `version`, or, without `version`,
   * only if it does not exist. True if it was written.
   */
  export function compareAndSet(connection: string, key: string, version: string | undefined, value: Uint8Array, ttlSeconds: number | undefined): boolean;
  /**
   * Carries out all operations in order, or none. True if done; false if a
   * `check` did not hold.
   */
  export function batch(connection: string, operations: Array<Operation>): boolean;
  /**
   * Why a call failed. Nothing was changed, except perhaps by `in-doubt`.
   */
  export type Error = ErrorAccessDenied | ErrorInvalid | ErrorQuota | ErrorUnavailable | ErrorInDoubt;
  /**
   * The manifest does not grant this key. The text is the line to add.
   */
  export interface ErrorAccessDenied {
    tag: 'access-denied',
    val: string,
  }
  /**
   * The call breaks a limit, or `increment` met a value that is not a
   * counter. The text says which.
   */
  export interface ErrorInvalid {
    tag: 'invalid',
    val: string,
  }
  /**
   * The integration's quota is used up.
   */
  export interface ErrorQuota {
    tag: 'quota',
    val: string,
  }
  /**
   * The store does not answer at the moment; try again.
   */
  export interface ErrorUnavailable {
    tag: 'unavailable',
    val: string,
  }
  /**
   * Sent, and not answered: it may have been done. Never on `default`.
   */
  export interface ErrorInDoubt {
    tag: 'in-doubt',
    val: string,
  }
  /**
   * A stored value.
   */
  export interface Entry {
    value: Uint8Array,
    /**
     * Changes with every write of the key. Opaque; compare for equality
     * only.
     */
    version: string,
  }
  /**
   * Some keys in ascending order of their bytes.
   */
  export interface Page {
    keys: Array<string>,
    /**
     * Pass it as `cursor` to get the next page; none on the last page.
     */
    next?: string,
  }
  export interface Assignment {
    key: string,
    value: Uint8Array,
    /**
     * See `set`.
     */
    ttlSeconds?: number,
  }
  export interface Addition {
    key: string,
    by: bigint,
  }
  export interface Condition {
    key: string,
    /**
     * None: the key must not exist.
     */
    version?: string,
  }
  /**
   * A write that has conditions, see `batch`.
   */
  export type Operation = OperationSet | OperationRemove | OperationIncrement | OperationCheck;
  /**
   * Write a key.
   */
  export interface OperationSet {
    tag: 'set',
    val: Assignment,
  }
  /**
   * Remove a key. No error if there is none.
   */
  export interface OperationRemove {
    tag: 'remove',
    val: string,
  }
  /**
   * Add to a counter.
   */
  export interface OperationIncrement {
    tag: 'increment',
    val: Addition,
  }
  /**
   * Go on only if the key has this version.
   */
  export interface OperationCheck {
    tag: 'check',
    val: Condition,
  }
}
