// A stack: where an error happened, in the files as they were written.

import { decode, type Mapping } from "./sourcemap.ts";

/** The name under which the engine knows the bundle. */
export const BUNDLE = "bundle.js";

/** Where the build leaves the map of the bundle; it is decoded only when something was thrown. */
export const MAP = Symbol.for("jackfield.map");

const MOST = 30;

/** The map: `mappings` in the form of version 3, `sources` by their paths in the project. */
export interface BundleMap {
  sources: string[];
  mappings: string;
  /** Functions that the bundler had to rename, and what they were called. */
  renamed: Record<string, string>;
}

/**
 * The frames of a stack as SpiderMonkey writes it, innermost first, one a line: `at deeper (src/handler.ts:52:28)`.
 *
 * Only frames of the project's own files are kept. A stack that has none (thrown inside a library's callback) is shown
 * with its places in the bundle, which lies beside its map in `.jackfield`.
 */
export function frames(stack: string): string {
  return clean(stack, (globalThis as { [MAP]?: BundleMap })[MAP]);
}

/** {@link frames} by a given map. */
export function clean(stack: string, map: BundleMap | undefined): string {
  // Most stacks are asked for by nobody: the map is decoded when the first frame wants it.
  let mapping: Mapping | undefined;
  const own: string[] = [];
  const others: string[] = [];
  for (const text of stack.split("\n")) {
    const frame = /^(.*)@(.*):(\d+):(\d+)$/.exec(text);
    // The rest is the engine's glue, which calls the handler.
    if (frame === null || frame[2] !== BUNDLE) continue;
    const [, called = "", file = "", line, column] = frame;
    mapping ??= map === undefined ? () => undefined : decode(map.sources, map.mappings);
    const at = mapping(Number(line), Number(column));
    const name = called.replace(/[\w$]+/g, (part) => (map !== undefined && Object.hasOwn(map.renamed, part) ? (map.renamed[part] ?? part) : part));
    if (at !== undefined) own.push(show(name, `${at.source}:${at.line}:${at.column}`));
    else others.push(show(name, `${file}:${line}:${column}`));
  }
  const told = own.length > 0 ? own : others;
  // A recursion without end has hundreds.
  return told.length > MOST ? [...told.slice(0, MOST), `… and ${told.length - MOST} more`].join("\n") : told.join("\n");
}

// `async*` and the like say how the frame came to wait; `/<` that the function has no name.
function show(name: string, place: string): string {
  const plain = name.slice(name.lastIndexOf("*") + 1).replace(/[/<]+$/, "");
  return plain === "" ? `at ${place}` : `at ${plain} (${place})`;
}
