/// <reference path="./jackfield-plugin-types.d.ts" />
declare module 'jackfield:plugin/http@0.1.0' {
  /**
   * Sends a request and waits for the whole response.
   */
  export function send(request: Request): Response;
  export type Attributes = import('jackfield:plugin/types@0.1.0').Attributes;
  /**
   * Why there is no response. A response with status 400 or above is not an
   * error.
   */
  export type Error = ErrorAccessDenied | ErrorInvalid | ErrorUnavailable | ErrorTimeout | ErrorInDoubt | ErrorTooLarge;
  /**
   * The manifest does not grant this call. The text is the line to add.
   */
  export interface ErrorAccessDenied {
    tag: 'access-denied',
    val: string,
  }
  /**
   * The request cannot be sent as it is: its URL, method or a header.
   */
  export interface ErrorInvalid {
    tag: 'invalid',
    val: string,
  }
  /**
   * Not carried out: name lookup, connect, TLS, or the connection is
   * paused after too many failures. Trying again is safe.
   */
  export interface ErrorUnavailable {
    tag: 'unavailable',
    val: string,
  }
  /**
   * No complete response within the time, to a request that may safely be
   * made again.
   */
  export interface ErrorTimeout {
    tag: 'timeout',
    val: string,
  }
  /**
   * Sent, and no usable answer came: it may have been carried out. If the
   * attempt fails after this, the run waits for a person's decision,
   * unless the grant says `in_doubt = "retry"`.
   */
  export interface ErrorInDoubt {
    tag: 'in-doubt',
    val: string,
  }
  /**
   * The request or the response body is larger than the limit.
   */
  export interface ErrorTooLarge {
    tag: 'too-large',
    val: string,
  }
  /**
   * A request.
   */
  export interface Request {
    /**
     * A connection of the manifest, or none for an absolute URL.
     */
    connection?: string,
    /**
     * `GET`, `POST` and so on, in capitals.
     */
    method: string,
    /**
     * With a connection: path and query, starting with `/`, added to the
     * connection's base URL. Without: an absolute `https:` or `http:` URL.
     */
    url: string,
    /**
     * Names are case-insensitive. `host`, `content-length`, `connection`
     * and the headers of the credentials are the host's: setting them is
     * `invalid`.
     */
    headers: Attributes,
    /**
     * Empty for no body. At most 4 MiB, unless the manifest says otherwise.
     */
    body: Uint8Array,
    /**
     * None: the connection's timeout. Never longer than the run has left.
     */
    timeoutMs?: number,
    /**
     * How many redirects to follow, `GET` and `HEAD` only and never more than
     * the grant allows; 0 returns the redirect itself.
     */
    maxRedirects: number,
  }
  /**
   * A response.
   */
  export interface Response {
    status: number,
    /**
     * Names in lower case. Bytes that are not UTF-8 are replaced.
     */
    headers: Attributes,
    /**
     * Decoded if it came compressed. At most 4 MiB, unless the manifest says
     * otherwise.
     */
    body: Uint8Array,
  }
}
