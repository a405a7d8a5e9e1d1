// What stands between the host's call and the handler: events, outputs, errors. Used by the code that the build writes.

import { install } from "./console.ts";
import { Context } from "./context.ts";
import { AccessDenied, failureOf } from "./error.ts";
import { abortable } from "./fetch.ts";
import { Handler } from "./handler.ts";
import { outputOf } from "./output.ts";
import { watched } from "./timers.ts";
import type * as types from "jackfield:plugin/types@0.1.0";

// As this module is loaded, which comes before the project's own: a package may keep the `fetch` that it finds.
if (typeof globalThis.fetch === "function") globalThis.fetch = abortable(globalThis.fetch);

/** What the build knows of the project. */
export interface Build {
  /** The file that exports the handler, for messages. */
  source: string;
  /** Why there is no `fetch`; absent if `http` is granted. */
  noFetch?: string | undefined;
}

/** The interface that the component exports, made of what the project's file exports. */
export function exported(project: object, build: Build): { handle(event: types.Event): Promise<types.Output | undefined> } {
  const { noFetch } = build;
  if (noFetch !== undefined) {
    globalThis.fetch = async () => {
      throw new AccessDenied(noFetch);
    };
  }
  const handler = only(project, build.source);
  return {
    async handle(event) {
      install();
      try {
        return outputOf(await watched(async () => handler.run(event, new Context())));
      } catch (thrown) {
        // The glue takes what is not an `Error` for the error of the interface; an `Error` it would trap on.
        throw failureOf(thrown);
      }
    },
  };
}

/** The handler among a file's exports: the only one, or the default one. */
export function only(project: object, source: string): Handler {
  const found = Object.entries(project).filter((entry): entry is [string, Handler] => entry[1] instanceof Handler);
  const named = found.find(([name]) => name === "default") ?? found[0];
  if (named === undefined) {
    throw new Error(`${source} exports no handler: write \`export const onEvent = handler(async (event, cx) => { … })\``);
  }
  if (named[0] !== "default" && new Set(found.map(([, handler]) => handler)).size > 1) {
    const names = found.map(([name]) => name).join(", ");
    throw new Error(`${source} exports several handlers (${names}): a component has one; make it the default export, or split them`);
  }
  return named[1];
}
