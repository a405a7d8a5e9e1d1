// The context: what a handler reaches the world by.

import { current, remainingMs } from "jackfield:plugin/run@0.1.0";
import { Blob } from "./blob.ts";
import { Config } from "./config.ts";
import { Email } from "./email.ts";
import { Events } from "./events.ts";
import { Http } from "./http.ts";
import { Kv } from "./kv.ts";
import { log } from "./log.ts";
import { Messaging } from "./messaging.ts";
import { Sql } from "./sql.ts";
import type { RunInfo as HostRunInfo } from "jackfield:plugin/run@0.1.0";

/** One run: one event, handled until it succeeds or is given up. */
export type RunInfo = Readonly<HostRunInfo>;

/** What a handler reaches the world by. What it may use of it is granted in the manifest. */
export class Context {
  /** Calls to other systems. */
  readonly http = new Http();
  /** Keys and values that outlive the run. */
  readonly kv = new Kv();
  /** Settings of the integration in its environment. */
  readonly config = new Config();
  /** New events, for whoever listens. */
  readonly events = new Events();
  /** Statements on databases. */
  readonly sql = new Sql();
  /** Messages to brokers. */
  readonly messaging = new Messaging();
  /** Named objects in storage. */
  readonly blob = new Blob();
  /** Mail. */
  readonly email = new Email();
  /** Lines kept with the run. */
  readonly log = log;
  #run: RunInfo | undefined;

  /** The run this call belongs to. */
  get run(): RunInfo {
    return (this.#run ??= current());
  }

  /**
   * How many milliseconds the host lets this attempt go on; 0 once its time is over or the run was cancelled, so that a
   * long loop can stop early and in order.
   */
  remainingMs(): number {
    return remainingMs();
  }
}
