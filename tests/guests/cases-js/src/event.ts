// What comes in, and what goes out.

import { type Context, type Event, output, Rejected } from "jackfield";
import { args } from "./told.ts";

type Bytes = Event<Uint8Array>;

/** The data as text, or undefined if it is none. */
function text({ data }: Bytes): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(data);
  } catch {
    return undefined;
  }
}

export function attributes(_: Context, event: Bytes) {
  return {
    id: event.id,
    source: event.source,
    type: event.type,
    subject: event.subject,
    time: event.time,
    "content type": event.contentType,
    schema: event.schema,
    extensions: event.extensions,
    method: event.meta.get("method"),
    "own header": event.meta.get("X-Own"),
    data: text(event),
  };
}

export function data(_: Context, event: Bytes) {
  return {
    length: event.data.length,
    sum: event.data.reduce((sum, byte) => sum + byte, 0),
    text: text(event) ?? null,
    "content type": event.contentType ?? null,
    subject: event.subject ?? null,
  };
}

export const numbers = (_: Context, event: Bytes) => args(event);

export function form(_: Context, event: Bytes) {
  const { form } = args<{ form: string }>(event);
  switch (form) {
    case "json":
      return output.json({ text: "Zoë" });
    case "json with status and headers":
      return output.json([1, 2], {
        status: 201,
        headers: [
          ["x-one", "1"],
          ["x-two", "a"],
          ["x-two", "b"],
        ],
      });
    case "text":
      return output.text("Zoë \u2603");
    case "bytes":
      return output.bytes("application/octet-stream", Uint8Array.of(0, 128, 255));
    case "empty":
      return output.empty(204);
    case "none":
      return undefined;
    default:
      throw new Rejected(`there is no form \`${form}\``);
  }
}
