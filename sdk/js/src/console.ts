// The console: what is written to it becomes lines of the run's log, at the level its method says.

import { write } from "jackfield:plugin/log@0.1.0";
import { frames } from "./stack.ts";
import { show } from "./show.ts";
import type { Level } from "jackfield:plugin/log@0.1.0";

const LEVELS: Readonly<Record<string, Level>> = {
  trace: "trace",
  debug: "debug",
  dir: "info",
  info: "info",
  log: "info",
  table: "info",
  warn: "warn",
  error: "error",
};

/** Takes the console over. Not before the first event: while a component is built there is no log. */
export function install(console: object = globalThis.console): void {
  for (const [name, level] of Object.entries(LEVELS)) {
    Reflect.set(console, name, (...values: unknown[]) => write(level, format(values), []));
  }
  Reflect.set(console, "assert", (holds: unknown, ...values: unknown[]) => {
    if (!holds) write("error", `assertion failed${values.length === 0 ? "" : `: ${format(values)}`}`, []);
  });
}

/** The values of one call as one text, as consoles do: `%s` and its like in the first are replaced. */
export function format(values: readonly unknown[]): string {
  const rest = [...values];
  let text = "";
  if (typeof rest[0] === "string") {
    text = String(rest.shift()).replace(/%[sdifjoOc%]/g, (mark) => {
      if (mark === "%%") return "%";
      if (rest.length === 0) return mark;
      const value = rest.shift();
      return mark === "%c" ? "" : /[dif]/.test(mark) && typeof value !== "bigint" ? String(numeric(mark, value)) : shown(value);
    });
  } else if (rest.length > 0) {
    text = shown(rest.shift());
  }
  return [text, ...rest.map(shown)].join(" ");
}

function numeric(mark: string, value: unknown): number {
  return mark === "%f" ? Number.parseFloat(String(value)) : Math.trunc(Number(value));
}

// An error is worth its stack here: nothing else will tell it.
function shown(value: unknown): string {
  if (!(value instanceof Error)) return show(value);
  const stack = frames(String(value.stack ?? ""));
  return stack === "" ? show(value) : `${show(value)}\n${stack}`;
}
