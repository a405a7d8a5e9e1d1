/// <reference path="./jackfield-plugin-types.d.ts" />
declare module 'jackfield:plugin/events@0.1.0' {
  /**
   * Sends up to 100 events, all or none, to every trigger that listens for
   * them, in any integration of the environment. Returns their ids. An event
   * that nobody listens for is accepted, and counted.
   */
  export function emit(drafts: Array<Draft>): Array<string>;
  export type Attributes = import('jackfield:plugin/types@0.1.0').Attributes;
  /**
   * Why an event was not accepted.
   */
  export type Error = ErrorAccessDenied | ErrorInvalid | ErrorQuota | ErrorUnavailable | ErrorTooLarge;
  /**
   * The manifest does not grant this event type. The text is the line to
   * add.
   */
  export interface ErrorAccessDenied {
    tag: 'access-denied',
    val: string,
  }
  /**
   * An attribute is not valid, or the chain of events is too deep: an event
   * that a run emits is one deeper than the run's own, and 16 is the
   * deepest.
   */
  export interface ErrorInvalid {
    tag: 'invalid',
    val: string,
  }
  /**
   * One of the integrations that listen has too many events waiting
   * already. None of the call's events was accepted.
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
   * An event larger than 1 MiB with its attributes, or a call's events
   * larger than 4 MiB together.
   */
  export interface ErrorTooLarge {
    tag: 'too-large',
    val: string,
  }
  /**
   * An event to be. The host adds `source` (the integration) and `time`.
   */
  export interface Draft {
    /**
     * None: the host makes one. An id that this integration has used in
     * the last seven days is accepted and ignored.
     */
    id?: string,
    /**
     * Its type. Types that begin with `jackfield.` are the host's own.
     */
    eventType: string,
    subject?: string,
    contentType?: string,
    schema?: string,
    /**
     * Names of lower-case letters and digits.
     */
    extensions: Attributes,
    data: Uint8Array,
    /**
     * Not delivered before so many seconds have passed, at most a year; 0
     * for now.
     */
    delaySeconds: number,
  }
}
