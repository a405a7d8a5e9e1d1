// Mail.

import * as host from "jackfield:plugin/email@0.1.0";
import { encode } from "./bytes.ts";
import { call } from "./error.ts";
import { pairs } from "./output.ts";
import type { Values } from "./http.ts";

/** A file that goes with a mail. */
export interface Attachment {
  /** File name. */
  name: string;
  /** Media type. */
  contentType: string;
  data: string | Uint8Array | ArrayBuffer;
  /** What the HTML refers to it by: `<img src="cid:logo">` shows the image whose id is `logo`. */
  contentId?: string | undefined;
}

/** An address, or several: `jane@example.com` or `Jane Doe <jane@example.com>`. */
export type Addresses = string | readonly string[];

/** A mail to be. At least one of `text` and `html`; with both the reader chooses. */
export interface Mail {
  /** The sender; otherwise it is the connection's. */
  sender?: string | undefined;
  to?: Addresses | undefined;
  cc?: Addresses | undefined;
  /** Recipients that the others do not see. */
  bcc?: Addresses | undefined;
  /** Where answers go to. */
  replyTo?: Addresses | undefined;
  subject: string;
  text?: string | undefined;
  html?: string | undefined;
  /** Further headers. */
  headers?: Values | undefined;
  attachments?: readonly Attachment[] | undefined;
}

/**
 * Mail through mail connections of the manifest.
 *
 * A mail that was sent is not sent again by a run that is tried again.
 *
 * A mail that the server refused for good is `Refused`; one larger than 8 MiB (unless the manifest says otherwise) is
 * `TooLarge`; one without the server's answer is `InDoubt`.
 */
export class Email {
  /** Hands a mail to the server and returns its message id. That the server took it does not mean that it arrives. */
  async send(connection: string, mail: Mail): Promise<string> {
    const ready = mailOf(mail);
    return call(() => host.send(connection, ready));
  }
}

function mailOf({ sender, to, cc, bcc, replyTo, subject, text, html, headers, attachments }: Mail): host.Mail {
  return {
    ...(sender === undefined ? {} : { sender }),
    to: addresses(to),
    cc: addresses(cc),
    bcc: addresses(bcc),
    replyTo: addresses(replyTo),
    subject,
    ...(text === undefined ? {} : { text }),
    ...(html === undefined ? {} : { html }),
    headers: pairs(headers ?? {}),
    attachments: (attachments ?? []).map(({ name, contentType, contentId, data }) => ({
      name,
      contentType,
      ...(contentId === undefined ? {} : { contentId }),
      data: typeof data === "string" ? encode(data) : new Uint8Array(data),
    })),
  };
}

function addresses(given: Addresses | undefined): string[] {
  return given === undefined ? [] : typeof given === "string" ? [given] : [...given];
}
