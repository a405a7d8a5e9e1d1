"""Settings, events, the log, the run."""

import logging
import sys
from datetime import timedelta
from typing import Any

from jackfield import Context, Draft, Event, Failure
from told import told


def config(cx: Context, _: Event[bytes]) -> Any:
    """Settings, there and not."""
    settings = cx.config
    return {
        "greeting": settings.get("greeting"),
        "required": settings.require("greeting"),
        "unset": settings.get("unset"),
        "count": [settings.get("count"), settings.json("count", int)],
        "list": settings.json("list", list[str]),
        "no list": settings.json("unset", list[str]),
        "all": list(settings.all().items()),
        "denied": told(settings.get, "password"),
    }


def config_missing(cx: Context, _: Event[bytes]) -> Any:
    """A setting that must be there."""
    return cx.config.require("unset")


def config_unfit(cx: Context, _: Event[bytes]) -> Any:
    """A setting that is something else."""
    return cx.config.json("greeting", int)


def events(cx: Context, _: Event[bytes]) -> Any:
    """Events with all they can have, and with nothing."""
    first = cx.events.emit(
        "heard.full",
        {"text": "Zoë"},
        id="order-7",
        subject="orders/7",
        schema="https://example.com/order.json",
        extensions={"tenant": "acme", "priority": "3"},
    )
    # The same id again: accepted, and ignored.
    again = cx.events.emit("heard.full", {"other": True}, id="order-7")
    many = cx.events.emit_all(
        [
            Draft("heard.bytes", bytes([0, 255]), id="b", content_type="application/octet-stream"),
            Draft("heard.empty", id="e"),
            Draft("heard.json", [1], id="j", content_type="application/vnd.acme+json"),
        ]
    )
    made = cx.events.emit("heard.made", None)
    return [first, again, many, made != "", cx.events.emit_all([])]


def events_later(cx: Context, _: Event[bytes]) -> Any:
    """Events that wait."""
    return cx.events.emit_all(
        [Draft("heard.soon", id="s", delay=0.3), Draft("heard.late", id="l", delay=timedelta(hours=1))]
    )


def events_refused(cx: Context, _: Event[bytes]) -> Any:
    """What is not accepted."""

    def emit(draft: Draft) -> Any:
        return told(cx.events.emit_all, [draft])

    return [
        emit(Draft("other.type")),
        emit(Draft("jackfield.cron")),
        emit(Draft("heard.x", extensions={"Bad-Name": "1"})),
        emit(Draft("heard.x", bytes(1 << 20))),
        told(cx.events.emit_all, [Draft("heard.x")] * 101),
        emit(Draft("heard.x", delay=timedelta(days=400))),
    ]


def events_quota(cx: Context, _: Event[bytes]) -> Any:
    """More than may wait."""
    return len(cx.events.emit_all(Draft("heard.many", id=f"many-{number}", delay=3600) for number in range(100)))


def log_levels(_: Context, __: Event[bytes]) -> Any:
    """Every level, by the module everybody uses."""
    logging.log(5, "step by step")
    logging.debug("for whoever looks", extra={"number": 7})
    logging.info("worth knowing \u2603", extra={"who": "Zoë", "flag": True})
    logging.warning("not as it should be")
    logging.error("failed\nin two lines")
    return "written"


def log_own(_: Context, __: Event[bytes]) -> Any:
    """A logger of the project's own."""
    logger = logging.getLogger("cases.own")
    logger.log(5, "own trace")
    logger.debug("own debug")
    logger.info("own info %d", 7)
    logger.warning("own warn")
    logger.error("own error")
    return "written"


def log_print(_: Context, __: Event[bytes]) -> Any:
    """What is printed."""
    print("to standard output")
    print("to standard error", file=sys.stderr)
    print("without an end", end="")
    return "printed"


def log_limits(_: Context, __: Event[bytes]) -> Any:
    """More than is kept."""
    logging.info("x" * 70_000)
    for number in range(10_050):
        logging.debug("line %d", number)
    return "written"


def run(cx: Context, _: Event[bytes]) -> Any:
    """All that is known of the run."""
    info = cx.run()
    # The same key for every attempt: a call that differs from the recorded one would be told.
    cx.http.post("outside", "/keyed", headers={"x-key": info.idempotency_key})
    if info.attempt == 1:
        raise Failure("the first attempt ends here")
    return {
        "id": info.id,
        "attempt": info.attempt,
        "idempotency key": info.idempotency_key != "",
        "trigger": info.trigger,
        "integration": info.integration,
        "environment": info.environment,
        "component": info.component,
        "version": info.version,
        "deadline": info.deadline,
        "traceparent": info.traceparent and len(info.traceparent.split("-")),
        "time is left": 0 < cx.remaining_ms() <= 20_000,
    }
