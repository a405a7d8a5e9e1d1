/// <reference path="./jackfield-plugin-types.d.ts" />
declare module 'jackfield:plugin/blob@0.1.0' {
  /**
   * What is known of an object, or none if there is none.
   */
  export function stat(connection: string, name: string): ObjectInfo | undefined;
  /**
   * An object's bytes, or those of a part of it; none if there is none.
   */
  export function get(connection: string, name: string, range: Range | undefined): Uint8Array | undefined;
  /**
   * Writes an object, over an earlier one of that name. Returns its etag.
   */
  export function put(connection: string, object: Object): string;
  /**
   * Removes an object. No error if there is none.
   */
  export function remove(connection: string, name: string): void;
  /**
   * The objects whose names start with `prefix`, at most `limit` (1 to
   * 1,000). Start without `cursor`.
   */
  export function listObjects(connection: string, prefix: string, cursor: string | undefined, limit: number): Page;
  export type Attributes = import('jackfield:plugin/types@0.1.0').Attributes;
  /**
   * Why a call failed.
   */
  export type Error = ErrorAccessDenied | ErrorInvalid | ErrorRefused | ErrorUnavailable | ErrorTooLarge;
  /**
   * The manifest does not grant this name. The text is the line to add.
   */
  export interface ErrorAccessDenied {
    tag: 'access-denied',
    val: string,
  }
  /**
   * The name or the range is not valid.
   */
  export interface ErrorInvalid {
    tag: 'invalid',
    val: string,
  }
  /**
   * The storage does not do it: the bucket is not there, or the
   * connection's credential may not.
   */
  export interface ErrorRefused {
    tag: 'refused',
    val: string,
  }
  /**
   * The storage cannot be reached.
   */
  export interface ErrorUnavailable {
    tag: 'unavailable',
    val: string,
  }
  /**
   * More than a call can carry.
   */
  export interface ErrorTooLarge {
    tag: 'too-large',
    val: string,
  }
  /**
   * What is known of an object.
   */
  export interface ObjectInfo {
    name: string,
    /**
     * In bytes.
     */
    size: bigint,
    contentType?: string,
    /**
     * RFC 3339.
     */
    modified: string,
    /**
     * Changes when the content changes. Opaque.
     */
    etag: string,
    /**
     * The user's own metadata. Empty in `list-objects`.
     */
    metadata: Attributes,
  }
  /**
   * A part of an object.
   */
  export interface Range {
    offset: bigint,
    /**
     * The part ends with the object even if this is more.
     */
    length: number,
  }
  /**
   * What to write.
   */
  export interface Object {
    name: string,
    contentType?: string,
    metadata: Attributes,
    data: Uint8Array,
  }
  /**
   * Some objects, by name in ascending order.
   */
  export interface Page {
    objects: Array<ObjectInfo>,
    /**
     * Pass it as `cursor` to get the next page; none on the last page.
     */
    next?: string,
  }
}
