declare module 'jackfield:plugin/types@0.1.0' {
  /**
   * Name and value pairs. Order is kept and a name may occur more than once.
   */
  export type Attributes = Array<[string, string]>;
  /**
   * One event: the attributes of CloudEvents 1.0 (`specversion` is always
   * 1.0) and the data as bytes.
   */
  export interface Event {
    /**
     * Unique together with `source`. A retry of the same event has the
     * same id.
     */
    id: string,
    /**
     * Where the event comes from, a URI reference such as
     * `/hooks/servicenow-to-github/announced`.
     */
    source: string,
    /**
     * CloudEvents `type`, for example `com.github.issues`.
     */
    eventType: string,
    /**
     * What the event is about, within `source`.
     */
    subject?: string,
    /**
     * When it happened, RFC 3339, for example `2026-11-23T20:16:40.125Z`.
     */
    time?: string,
    /**
     * CloudEvents `datacontenttype`, the media type of `data`.
     */
    contentType?: string,
    /**
     * CloudEvents `dataschema`, a URI.
     */
    schema?: string,
    /**
     * Extension attributes. A value that is not text is given in the text
     * form CloudEvents defines for its type.
     */
    extensions: Attributes,
    /**
     * What the trigger heard besides: a webhook's method, path, query and
     * headers, a message's headers. Never credentials or signatures.
     */
    meta: Attributes,
    /**
     * The data as it arrived. Empty if the event has none.
     */
    data: Uint8Array,
  }
  /**
   * What a handler answers. It is stored with the run; a webhook whose trigger
   * says `respond = true` answers with it, a message with a reply address
   * gets it as the reply.
   */
  export interface Output {
    /**
     * HTTP status of the answer, 200 if absent. Ignored where the trigger
     * is not an HTTP request.
     */
    status?: number,
    /**
     * The media type of `data`.
     */
    contentType?: string,
    /**
     * Response or message headers.
     */
    headers: Attributes,
    /**
     * The answer's body.
     */
    data: Uint8Array,
  }
  /**
   * An error as the SDK caught it, or as the handler returned it.
   */
  export interface ErrorInfo {
    /**
     * The kind of error, used to group equal failures: the class of an
     * exception or a short constant, for example `TypeError`.
     */
    name: string,
    /**
     * One sentence for a person.
     */
    message: string,
    /**
     * Stack trace, one frame per line, innermost first.
     */
    stack?: string,
    /**
     * Whether a later attempt may succeed. If false the event goes to the
     * dead letters at once.
     */
    retryable: boolean,
    /**
     * Do not try again before so many milliseconds have passed. Ignored if
     * not retryable; it may exceed the policy's longest delay, but not the time the policy has left.
     */
    retryAfterMs?: number,
  }
  /**
   * Why an event was not handled.
   */
  export type Failure = FailureRejected | FailureError;
  /**
   * The event itself is wrong and no later attempt can succeed: it goes
   * to the dead letters at once. The text is for the operator: a waiting
   * HTTP caller gets 502 without it. Do not put secrets in the text.
   */
  export interface FailureRejected {
    tag: 'rejected',
    val: string,
  }
  /**
   * The handler went wrong. Whether it is tried again depends on
   * `retryable` and on the retry policy of the manifest.
   */
  export interface FailureError {
    tag: 'error',
    val: ErrorInfo,
  }
}
