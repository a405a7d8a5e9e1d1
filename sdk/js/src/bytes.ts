// Bytes and text: the one place that knows that bytes handed in by the engine's glue come from another realm.

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true });
const lenient = new TextDecoder("utf-8");

/** Text as UTF-8. */
export function encode(text: string): Uint8Array {
  return encoder.encode(text);
}

/** UTF-8 as text; throws if it is not. */
export function decode(bytes: Uint8Array): string {
  return strict.decode(bytes);
}

/** Bytes as text; what is not UTF-8 is replaced. */
export function decodeLossy(bytes: Uint8Array): string {
  return lenient.decode(bytes);
}

/** Bytes as any code expects them: those of the glue are not `instanceof Uint8Array`. */
export function own(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** JSON; no data at all reads like `null`. Throws what is wrong with it. */
export function parseJson(bytes: Uint8Array): unknown {
  return bytes.length === 0 ? null : JSON.parse(decode(bytes));
}

/** A value as JSON; throws if there is no way to write it. */
export function writeJson(value: unknown): Uint8Array {
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) throw new TypeError(`${value === undefined ? "undefined" : `a ${typeof value}`} has no form in JSON`);
  return encode(text);
}
