// A source map: from a place in the bundle to the place somebody wrote.

/** A place in a source file, lines and columns from 1. */
export interface Place {
  source: string;
  line: number;
  column: number;
}

/** Finds the place of a place in the bundle, lines and columns from 1; none if the project did not write it. */
export type Mapping = (line: number, column: number) => Place | undefined;

/** One entry of a line: column; and, if it has a source, its index, line and column. All from 0. */
export type Segment = [column: number] | [column: number, source: number, line: number, sourceColumn: number];

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The segments of every line, from the text form of version 3. */
export function segments(mappings: string): Segment[][] {
  let source = 0;
  let line = 0;
  let sourceColumn = 0;
  return mappings.split(";").map((text) => {
    let column = 0;
    if (text === "") return [];
    return text.split(",").map((entry): Segment => {
      const [c = 0, s, l = 0, sc = 0] = numbers(entry);
      column += c;
      if (s === undefined) return [column];
      source += s;
      line += l;
      sourceColumn += sc;
      return [column, source, line, sourceColumn];
    });
  });
}

/** The text form of the segments of every line. */
export function write(lines: Segment[][]): string {
  let source = 0;
  let line = 0;
  let sourceColumn = 0;
  return lines
    .map((entries) => {
      let column = 0;
      return entries
        .map(([c, s, l, sc]) => {
          let text = digits(c - column);
          column = c;
          if (s !== undefined && l !== undefined && sc !== undefined) {
            text += digits(s - source) + digits(l - line) + digits(sc - sourceColumn);
            [source, line, sourceColumn] = [s, l, sc];
          }
          return text;
        })
        .join(",");
    })
    .join(";");
}

/** A mapping from the text form. */
export function decode(sources: string[], mappings: string): Mapping {
  const lines = segments(mappings);
  return (line, column) => {
    let found: Segment | undefined;
    for (const segment of lines[line - 1] ?? []) {
      if (segment[0] > column - 1) break;
      found = segment;
    }
    const [, index, sourceLine, sourceColumn] = found ?? [];
    if (index === undefined || sourceLine === undefined || sourceColumn === undefined) return undefined;
    return { source: sources[index] ?? "?", line: sourceLine + 1, column: sourceColumn + 1 };
  };
}

// Base 64 digits of five bits and a sign to go on; the lowest bit of the number is its sign.
function numbers(text: string): number[] {
  const found: number[] = [];
  let value = 0;
  let shift = 0;
  for (const letter of text) {
    const digit = DIGITS.indexOf(letter);
    value += (digit & 31) << shift;
    if (digit & 32) {
      shift += 5;
    } else {
      found.push(value & 1 ? -(value >>> 1) : value >>> 1);
      value = shift = 0;
    }
  }
  return found;
}

function digits(number: number): string {
  let rest = number < 0 ? (-number << 1) | 1 : number << 1;
  let text = "";
  do {
    const digit = rest & 31;
    rest >>>= 5;
    text += DIGITS.charAt(rest > 0 ? digit | 32 : digit);
  } while (rest > 0);
  return text;
}
