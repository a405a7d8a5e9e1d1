declare module 'jackfield:plugin/run@0.1.0' {
  /**
   * The current run. Stays the same while `handle` runs.
   */
  export function current(): RunInfo;
  /**
   * Milliseconds until the deadline; 0 once it has passed or the run was
   * cancelled, so that a long loop can stop early and in order. Recorded like
   * a clock: a retried run sees the same values again.
   */
  export function remainingMs(): number;
  /**
   * One run: one event, handled until it succeeds or is given up.
   */
  export interface RunInfo {
    /**
     * The run's id, the same for all its attempts.
     */
    id: string,
    /**
     * 1 for the first attempt. For logs: a handler whose calls depend on it
     * asks for something else when it is tried again, and is stopped for it.
     */
    attempt: number,
    /**
     * The same for every attempt of a run, different for every run. Pass
     * it on to services that accept an idempotency key.
     */
    idempotencyKey: string,
    /**
     * The trigger's name in the manifest.
     */
    trigger: string,
    /**
     * The integration's name in the manifest.
     */
    integration: string,
    /**
     * The environment, for example `prod`.
     */
    environment: string,
    /**
     * The component's name in the manifest.
     */
    component: string,
    /**
     * The integration's version.
     */
    version: number,
    /**
     * When the host stops this attempt, RFC 3339 in UTC. Differs between
     * attempts: for logs, like `attempt`. Use `remaining-ms` to decide.
     */
    deadline: string,
    /**
     * W3C trace context of this attempt. The host sends it by itself with
     * `http` and `messaging`.
     */
    traceparent?: string,
  }
}
