/// <reference path="./jackfield-plugin-types.d.ts" />
declare module 'jackfield:plugin/email@0.1.0' {
  /**
   * Hands a mail to the server and returns its message id. That the server
   * took it does not mean that it arrives.
   */
  export function send(connection: string, mail: Mail): string;
  export type Attributes = import('jackfield:plugin/types@0.1.0').Attributes;
  /**
   * Why a mail was not accepted.
   */
  export type Error = ErrorAccessDenied | ErrorInvalid | ErrorRefused | ErrorUnavailable | ErrorTooLarge | ErrorInDoubt;
  /**
   * The manifest does not grant this sender or recipient. The text is
   * the line to add.
   */
  export interface ErrorAccessDenied {
    tag: 'access-denied',
    val: string,
  }
  /**
   * An address or a header is not valid, or there is no recipient.
   */
  export interface ErrorInvalid {
    tag: 'invalid',
    val: string,
  }
  /**
   * The mail server refused the mail for good.
   */
  export interface ErrorRefused {
    tag: 'refused',
    val: string,
  }
  /**
   * The mail server cannot be reached or asks to try later.
   */
  export interface ErrorUnavailable {
    tag: 'unavailable',
    val: string,
  }
  /**
   * Larger than the limit, 8 MiB unless the manifest says otherwise.
   */
  export interface ErrorTooLarge {
    tag: 'too-large',
    val: string,
  }
  /**
   * Sent, and the server's answer is missing: it may have been accepted.
   */
  export interface ErrorInDoubt {
    tag: 'in-doubt',
    val: string,
  }
  export interface Attachment {
    /**
     * File name.
     */
    name: string,
    contentType: string,
    /**
     * For images that the HTML refers to as `cid:…`.
     */
    contentId?: string,
    data: Uint8Array,
  }
  /**
   * A mail. Addresses are `jane@example.com` or
   * `Jane Doe <jane@example.com>`.
   */
  export interface Mail {
    /**
     * None: the connection's sender.
     */
    sender?: string,
    to: Array<string>,
    cc: Array<string>,
    bcc: Array<string>,
    replyTo: Array<string>,
    subject: string,
    /**
     * At least one of `text` and `html`; with both the reader chooses.
     */
    text?: string,
    html?: string,
    /**
     * Further headers.
     */
    headers: Attributes,
    attachments: Array<Attachment>,
  }
}
