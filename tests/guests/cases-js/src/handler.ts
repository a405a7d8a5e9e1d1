// Plays the case of `tests/polyglot` that its event names: type `case.kv-values` is the case `kv-values`.

import { type Answer, type Context, type Event, handler, Rejected } from "jackfield";
import * as event from "./event.ts";
import * as failures from "./failures.ts";
import * as http from "./http.ts";
import * as kv from "./kv.ts";
import * as outward from "./outward.ts";
import * as surroundings from "./surroundings.ts";
import { answered } from "./told.ts";

/** Plays a case. Whatever it gives is answered as JSON. */
type Case = (cx: Context, event: Event<Uint8Array>) => unknown;

const CASES: Record<string, Case> = {
  "http-methods": http.methods,
  "http-url": http.url,
  "http-headers": http.headers,
  "http-query": http.query,
  "http-bodies": http.bodies,
  "http-files": http.files,
  "http-answers": http.answers,
  "http-statuses": http.statuses,
  "http-error-for-status": http.errorForStatus,
  "http-redirects": http.redirects,
  "http-timeout": http.timeout,
  "http-in-doubt": http.inDoubt,
  "http-unavailable": http.unavailable,
  "http-too-large": http.tooLarge,
  "http-invalid": http.invalid,
  "http-denied": http.denied,
  "http-unfit": http.unfit,
  "http-once": http.once,
  "http-own": http.own,
  "kv-values": kv.values,
  "kv-ttl": kv.ttl,
  "kv-many": kv.many,
  "kv-compare": kv.compare,
  "kv-batch": kv.batch,
  "kv-counters": kv.counters,
  "kv-keys": kv.keys,
  "kv-refused": kv.refused,
  "kv-unfit": kv.unfit,
  sql: outward.sql,
  "sql-changes": outward.sqlChanges,
  "sql-refused": outward.sqlRefused,
  messaging: outward.messaging,
  "messaging-refused": outward.messagingRefused,
  blob: outward.blob,
  "blob-refused": outward.blobRefused,
  email: outward.email,
  "email-refused": outward.emailRefused,
  config: surroundings.config,
  "config-missing": surroundings.configMissing,
  "config-unfit": surroundings.configUnfit,
  events: surroundings.events,
  "events-later": surroundings.eventsLater,
  "events-refused": surroundings.eventsRefused,
  "events-quota": surroundings.eventsQuota,
  "log-levels": surroundings.logLevels,
  "log-own": surroundings.logOwn,
  "log-print": surroundings.logPrint,
  "log-limits": surroundings.logLimits,
  run: surroundings.run,
  event: event.attributes,
  "event-data": event.data,
  "event-numbers": event.numbers,
  output: event.form,
  rejected: failures.rejected,
  final: failures.final,
  retried: failures.retried,
  "retried-later": failures.retriedLater,
  cause: failures.cause,
  uncaught: failures.uncaught,
  async: failures.inParallel,
  never: failures.never,
  "out-of-time": failures.outOfTime,
  "out-of-memory": failures.outOfMemory,
  "over-budget": failures.overBudget,
  recursion: failures.recursion,
  cancelled: failures.cancelled,
  "non-determinism": failures.changesItsMind,
  unawaited: failures.forgets,
};

export const play = handler.bytes(async (event, cx): Promise<Answer> => {
  // What a case emits comes back here: to be heard is all there is to it.
  if (event.type.startsWith("heard.")) return;
  const name = event.type.replace(/^case\./, "");
  const play = CASES[name];
  if (play === undefined) throw new Rejected(`there is no case \`${name}\``);
  return answered(await play(cx, event));
});
