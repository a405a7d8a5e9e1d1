// Messages to brokers.

import * as host from "jackfield:plugin/messaging@0.1.0";
import { decodeLossy, encode, own, parseJson } from "./bytes.ts";
import { call, Failure, milliseconds } from "./error.ts";
import { Attributes } from "./event.ts";
import { pairs, written } from "./output.ts";
import { apply, type Parser, problem } from "./parse.ts";
import type { Values } from "./http.ts";

/** What a message says besides its topic and its data. */
export interface MessageOptions {
  /** Messages with equal keys stay in order, where the broker can do so. */
  key?: string | undefined;
  /** The media type of the data, where the usual one is not meant. */
  contentType?: string | undefined;
  /** Headers. */
  headers?: Values | undefined;
}

/** A message to be. */
export interface Message extends MessageOptions {
  /** Topic, subject or routing key, in the broker's own spelling. */
  topic: string;
  /** Its data: bytes as they are, anything else as JSON; none if it is undefined. */
  data?: unknown;
}

/** What a request says besides its topic and its data. */
export interface MessageRequestOptions extends MessageOptions {
  /** How long to wait for the reply; 10 seconds if nobody says. */
  timeoutMs?: number | undefined;
}

/**
 * Messages to broker connections of the manifest: NATS, Kafka, AMQP and so on. Messages are received by triggers.
 *
 * A message that was published is not published again by a run that is tried again.
 *
 * A topic that the broker does not know, or a message that it does not take, is `Refused`. After `Unavailable` and
 * `Timeout` a message may have been published.
 */
export class Messaging {
  /** Publishes a message, its data as JSON unless it is a `Uint8Array`, and waits until the broker has confirmed it. */
  async publish(connection: string, topic: string, data?: unknown, options: MessageOptions = {}): Promise<void> {
    await this.publishAll(connection, [{ ...options, topic, data }]);
  }

  /**
   * Publishes up to 100 messages in order and waits until the broker has confirmed them. After an error the first ones
   * may have been published.
   */
  async publishAll(connection: string, messages: Iterable<Message>): Promise<void> {
    const ready = [...messages].map(messageOf);
    call(() => host.publish(connection, ready));
  }

  /** Publishes a message and waits for the reply to it. */
  async request(connection: string, topic: string, data?: unknown, options: MessageRequestOptions = {}): Promise<Reply> {
    const { timeoutMs = 10_000, ...rest } = options;
    const message = messageOf({ ...rest, topic, data });
    return new Reply(call(() => host.request(connection, message, milliseconds(timeoutMs))));
  }
}

/** A reply to a message. */
export class Reply {
  /** The topic that it came on. */
  readonly topic: string;
  /** Its key. */
  readonly key: string | undefined;
  /** The media type of the data. */
  readonly contentType: string | undefined;
  /** Its headers. */
  readonly headers: Attributes;
  readonly #data: Uint8Array;

  constructor(raw: host.Message) {
    this.topic = raw.topic;
    this.key = raw.key;
    this.contentType = raw.contentType;
    this.headers = new Attributes(raw.headers);
    this.#data = raw.data;
  }

  /** The data, read as JSON; with a parser, checked. */
  json<T = unknown>(parser?: Parser<T>): T {
    try {
      return apply(parser, parseJson(this.#data));
    } catch (thrown) {
      if (thrown instanceof Failure) throw thrown;
      throw new Failure(`the reply is not as expected: ${problem(thrown)}`, { name: "answer" });
    }
  }

  /** The data as text; bytes that are not UTF-8 are replaced. */
  text(): string {
    return decodeLossy(this.#data);
  }

  /** The data as it came. */
  bytes(): Uint8Array {
    return own(this.#data);
  }
}

function messageOf({ topic, key, contentType, headers, data }: Message): host.Message {
  const media = contentType ?? (data === undefined || data instanceof Uint8Array ? undefined : "application/json");
  return {
    topic,
    ...(key === undefined ? {} : { key }),
    ...(media === undefined ? {} : { contentType: media }),
    headers: pairs(headers ?? {}),
    data: data === undefined ? encode("") : data instanceof Uint8Array ? data : written(data, "the data"),
  };
}
