/// <reference path="./jackfield-plugin-types.d.ts" />
declare module 'jackfield:plugin/messaging@0.1.0' {
  /**
   * Publishes up to 100 messages in order and waits until the broker has
   * confirmed them. After an error the first ones may have been published.
   */
  export function publish(connection: string, messages: Array<Message>): void;
  /**
   * Publishes one message and waits for the reply to it.
   */
  export function request(connection: string, message: Message, timeoutMs: number): Message;
  export type Attributes = import('jackfield:plugin/types@0.1.0').Attributes;
  /**
   * Why a call failed.
   */
  export type Error = ErrorAccessDenied | ErrorRefused | ErrorUnavailable | ErrorTimeout | ErrorTooLarge;
  /**
   * The manifest does not grant this topic. The text is the line to add.
   */
  export interface ErrorAccessDenied {
    tag: 'access-denied',
    val: string,
  }
  /**
   * The broker does not know the topic or refused the message.
   */
  export interface ErrorRefused {
    tag: 'refused',
    val: string,
  }
  /**
   * The broker cannot be reached. Some of the messages may have been
   * published; each carries the same key when it is published again.
   */
  export interface ErrorUnavailable {
    tag: 'unavailable',
    val: string,
  }
  /**
   * No confirmation or no reply within the time.
   */
  export interface ErrorTimeout {
    tag: 'timeout',
    val: string,
  }
  /**
   * A message is larger than the broker or the host allows.
   */
  export interface ErrorTooLarge {
    tag: 'too-large',
    val: string,
  }
  /**
   * A message.
   */
  export interface Message {
    /**
     * Topic, subject or routing key, in the broker's own spelling.
     */
    topic: string,
    /**
     * Messages with equal keys stay in order, where the broker can do so.
     */
    key?: string,
    contentType?: string,
    headers: Attributes,
    data: Uint8Array,
  }
}
