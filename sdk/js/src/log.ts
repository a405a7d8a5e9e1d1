// Log lines, kept with the run.

import { write } from "jackfield:plugin/log@0.1.0";
import { show } from "./show.ts";
import type * as host from "jackfield:plugin/log@0.1.0";

/** Names and values that go with a line; what is not text is shown as a person reads it. */
export type LogAttributes = Readonly<Record<string, unknown>>;

/** Writes lines that are kept with the run. What is written to `console` arrives there too. */
export const log = {
  /** Step by step. */
  trace: line("trace"),
  /** For whoever looks for a fault. */
  debug: line("debug"),
  /** Worth knowing. */
  info: line("info"),
  /** Not as it should be. */
  warn: line("warn"),
  /** Failed. */
  error: line("error"),
};

function line(level: host.Level): (message: unknown, attributes?: LogAttributes) => void {
  return (message, attributes = {}) => {
    const pairs = Object.entries(attributes).filter(([, value]) => value !== undefined);
    write(level, show(message), pairs.map(([name, value]) => [name, show(value)]));
  };
}
