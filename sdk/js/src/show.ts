// How a value is shown to a person in a line of text: in a log, in the message of an error.

const LONGEST = 10_000;

/** Text as it is; anything else so that a person sees what it is. */
export function show(value: unknown): string {
  if (typeof value === "string") return value;
  const seen = new Set<unknown>();
  try {
    const text = inner(value, seen, 0);
    return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  } catch (thrown) {
    return `(a value that cannot be shown: ${String(thrown)})`;
  }
}

function inner(value: unknown, seen: Set<unknown>, depth: number): string {
  switch (typeof value) {
    case "string":
      return depth === 0 ? value : JSON.stringify(value);
    case "bigint":
      return `${value}n`;
    case "function":
      return `[function ${value.name || "anonymous"}]`;
    case "object":
      return value === null ? "null" : object(value, seen, depth);
    default:
      return String(value);
  }
}

function object(value: object, seen: Set<unknown>, depth: number): string {
  if (seen.has(value)) return "[circular]";
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (value instanceof RegExp) return String(value);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (depth > 6) return Array.isArray(value) ? "[…]" : "{…}";
  seen.add(value);
  const go = (part: unknown) => inner(part, seen, depth + 1);
  let text: string;
  if (Array.isArray(value)) {
    text = `[${value.map(go).join(", ")}]`;
  } else if (value instanceof Map) {
    text = `Map {${[...value].map(([k, v]) => ` ${go(k)} => ${go(v)}`).join(",")} }`;
  } else if (value instanceof Set) {
    text = `Set {${[...value].map((v) => ` ${go(v)}`).join(",")} }`;
  } else {
    const name = (Object.getPrototypeOf(value) as { constructor?: { name?: string } } | null)?.constructor?.name;
    const pairs = Object.entries(value).map(([key, part]) => ` ${/^[\w$]+$/.test(key) ? key : JSON.stringify(key)}: ${go(part)}`);
    text = `${name === undefined || name === "Object" ? "" : `${name} `}${pairs.length === 0 ? "{}" : `{${pairs.join(",")} }`}`;
  }
  // Met twice is not circular; met inside itself is.
  seen.delete(value);
  return text;
}
