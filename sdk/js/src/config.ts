// Config: the settings of an integration in its environment. Secrets are not among them.

import * as host from "jackfield:plugin/config@0.1.0";
import { call, Failure, Invalid } from "./error.ts";
import { apply, type Parser, problem } from "./parse.ts";

/**
 * The settings of this integration in this environment.
 *
 * Secrets are not among them: they stay in the host, which adds them to the calls of a connection.
 */
export class Config {
  /**
   * A setting's value, or undefined if the environment does not set it. Text is given as it is; a number, a boolean, a
   * list or a table as JSON.
   */
  async get(name: string): Promise<string | undefined> {
    return call(() => host.get(name));
  }

  /**
   * A setting's value that must be there. If it is not, that is worth another attempt: somebody may set it meanwhile.
   */
  async require(name: string): Promise<string> {
    const value = call(() => host.get(name));
    if (value !== undefined) return value;
    throw new Failure(`the setting \`${name}\` is not set here: set it with \`jackfield config set\``, {
      name: "missing-setting",
    });
  }

  /** A setting that is a number, a boolean, a list or a table. */
  async json<T = unknown>(name: string, parser?: Parser<T>): Promise<T | undefined> {
    const text = call(() => host.get(name));
    if (text === undefined) return undefined;
    try {
      return apply(parser, JSON.parse(text));
    } catch (thrown) {
      if (thrown instanceof Failure) throw thrown;
      throw new Invalid(`the setting \`${name}\` does not fit: ${problem(thrown)}`);
    }
  }

  /** Every granted setting that has a value, by name. */
  async all(): Promise<Record<string, string>> {
    return Object.fromEntries(call(() => host.getAll()));
  }
}
