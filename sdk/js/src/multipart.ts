// Forms with files: `multipart/form-data`.
//
// Not the engine's own encoder: its boundary is a random one, and a run that is tried again must ask for the same.

import { encode } from "./bytes.ts";

/** A body, and what it is. */
export interface Multipart {
  body: Uint8Array;
  contentType: string;
}

/** The fields of a form, one after the other. */
export async function multipart(form: FormData): Promise<Multipart> {
  const fields: [name: string, value: File | string][] = [];
  form.forEach((value, name) => fields.push([name, value]));
  const parts: Uint8Array[] = [];
  for (const [name, value] of fields) {
    let head = `content-disposition: form-data; name="${quoted(name)}"`;
    if (typeof value === "string") {
      parts.push(encode(`${head}\r\n\r\n${value}\r\n`));
    } else {
      head += `; filename="${quoted(value.name)}"\r\ncontent-type: ${quoted(value.type || "application/octet-stream")}`;
      parts.push(joined([encode(`${head}\r\n\r\n`), new Uint8Array(await value.arrayBuffer()), encode("\r\n")]));
    }
  }
  let number = 0;
  while (parts.some((part) => contains(part, encode(`--jackfield-${number}`)))) number++;
  const boundary = `jackfield-${number}`;
  const line = encode(`--${boundary}\r\n`);
  const body = joined([...parts.flatMap((part) => [line, part]), encode(`--${boundary}--\r\n`)]);
  return { body, contentType: `multipart/form-data; boundary=${boundary}` };
}

/** As browsers write a name or the like in a header. */
function quoted(text: string): string {
  return text.replaceAll('"', "%22").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function joined(chunks: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

function contains(bytes: Uint8Array, wanted: Uint8Array): boolean {
  const [first] = wanted;
  for (let at = bytes.indexOf(first!); at !== -1; at = bytes.indexOf(first!, at + 1)) {
    if (wanted.every((byte, offset) => bytes[at + offset] === byte)) return true;
  }
  return false;
}
