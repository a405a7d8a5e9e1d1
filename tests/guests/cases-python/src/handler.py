"""Plays the case of `tests/polyglot` that its event names: type `case.kv-values` is the case `kv-values`."""

from collections.abc import Callable
from typing import Any

import event as events_in
import failures
import kv
import outside
import outward
import surroundings
from jackfield import Context, Event, Output, Rejected, handler

Case = Callable[[Context, Event[bytes]], Any]
"""Plays a case. Whatever it gives is answered as JSON."""

CASES: dict[str, Case] = {
    "http-methods": outside.methods,
    "http-url": outside.url,
    "http-headers": outside.headers,
    "http-query": outside.query,
    "http-bodies": outside.bodies,
    "http-files": outside.files,
    "http-answers": outside.answers,
    "http-statuses": outside.statuses,
    "http-error-for-status": outside.error_for_status,
    "http-redirects": outside.redirects,
    "http-timeout": outside.timeout,
    "http-in-doubt": outside.in_doubt,
    "http-unavailable": outside.unavailable,
    "http-too-large": outside.too_large,
    "http-invalid": outside.invalid,
    "http-denied": outside.denied,
    "http-unfit": outside.unfit,
    "http-once": outside.once,
    "http-own": outside.own,
    "kv-values": kv.values,
    "kv-ttl": kv.ttl,
    "kv-many": kv.many,
    "kv-compare": kv.compare,
    "kv-batch": kv.batch,
    "kv-counters": kv.counters,
    "kv-keys": kv.keys,
    "kv-refused": kv.refused,
    "kv-unfit": kv.unfit,
    "sql": outward.sql,
    "sql-changes": outward.sql_changes,
    "sql-refused": outward.sql_refused,
    "messaging": outward.messaging,
    "messaging-refused": outward.messaging_refused,
    "blob": outward.blob,
    "blob-refused": outward.blob_refused,
    "email": outward.email,
    "email-refused": outward.email_refused,
    "config": surroundings.config,
    "config-missing": surroundings.config_missing,
    "config-unfit": surroundings.config_unfit,
    "events": surroundings.events,
    "events-later": surroundings.events_later,
    "events-refused": surroundings.events_refused,
    "events-quota": surroundings.events_quota,
    "log-levels": surroundings.log_levels,
    "log-own": surroundings.log_own,
    "log-print": surroundings.log_print,
    "log-limits": surroundings.log_limits,
    "run": surroundings.run,
    "event": events_in.attributes,
    "event-data": events_in.data,
    "event-numbers": events_in.numbers,
    "output": events_in.output,
    "rejected": failures.rejected,
    "final": failures.final,
    "retried": failures.retried,
    "retried-later": failures.retried_later,
    "cause": failures.cause,
    "uncaught": failures.uncaught,
    "exit": failures.leave,
    "async": failures.in_parallel,
    "never": failures.never,
    "out-of-time": failures.out_of_time,
    "out-of-memory": failures.out_of_memory,
    "over-budget": failures.over_budget,
    "recursion": failures.recursion,
    "cancelled": failures.cancelled,
    "non-determinism": failures.changes_its_mind,
    "unawaited": failures.forgets,
}


@handler
async def play(event: Event[bytes], cx: Context) -> Output | None:
    """Plays the case that the event names."""
    # What a case emits comes back here: to be heard is all there is to it.
    if event.event_type.startswith("heard."):
        return None
    name = event.event_type.removeprefix("case.")
    if name not in CASES:
        raise Rejected(f"there is no case `{name}`")
    answer = CASES[name](cx, event)
    if hasattr(answer, "__await__"):
        answer = await answer
    # The case of outputs makes its own, or none.
    if name == "output":
        return answer if isinstance(answer, Output) else None
    return Output.json(answer)
