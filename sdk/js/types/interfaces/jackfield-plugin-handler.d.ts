/// <reference path="./jackfield-plugin-types.d.ts" />
declare module 'jackfield:plugin/handler@0.1.0' {
  /**
   * Handles one event. The host calls it once per attempt, in a fresh
   * instance.
   * 
   * Delivery is at least once: the same event may come again, after a
   * failure, a timeout or a crash of the host. Use `run.current` for the
   * idempotency key.
   * 
   * `ok(none)` means done, nothing to say. An exception that the SDK caught is
   * a retryable `failure`. A trap (a panic, a used up limit) gets one more
   * attempt; after that the run is dead-lettered.
   */
  export function handle(event: Event): Output | undefined;
  export type Event = import('jackfield:plugin/types@0.1.0').Event;
  export type Output = import('jackfield:plugin/types@0.1.0').Output;
  export type Failure = import('jackfield:plugin/types@0.1.0').Failure;
}
