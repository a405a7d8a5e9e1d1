"""Opens a GitHub issue for every new ServiceNow feature request.

A webhook announces a request by its number. The handler reads the record, since an announcement may be older
than it; opens an issue, unless it did so before; and remembers which. Every five minutes a sweep looks for
requests that nobody announced.
"""

import logging
import re
from dataclasses import dataclass
from typing import Any, TypedDict

from jackfield import Context, Event, Failure, Output, Rejected, handler

TABLE = "/api/now/table/u_feature_request"
FIELDS = "sys_id,number,short_description,description,opened_by.name,sys_created_on"
WATERMARK = "sweep/watermark"
"""Up to where the sweeps have come: the creation time of the last record they saw."""
PAGE = 100
"""Records that a sweep asks for at once, unless the setting `sweep-page` says otherwise."""

FeatureRequest = TypedDict(
    "FeatureRequest",
    {
        "sys_id": str,
        "number": str,
        "short_description": str,
        "description": str,
        "opened_by.name": str,
        "sys_created_on": str,
    },
)


@dataclass
class Answer:
    """What the Table API answers."""

    result: list[FeatureRequest]


@dataclass
class Issue:
    """What is remembered of an opened issue."""

    number: int
    html_url: str


@handler
def on_event(event: Event[Any], cx: Context) -> Output | None:
    """Handles an announcement, or the time to sweep."""
    if event.event_type == "jackfield.cron":
        return sweep(cx)
    number = event.data.get("number") if isinstance(event.data, dict) else None
    return announced(number if isinstance(number, str) else "", cx)


def announced(number: str, cx: Context) -> Output:
    """Opens the issue of one request."""
    # The number becomes part of a query, where `^` begins a further condition.
    if not re.fullmatch(r"[A-Za-z0-9-]+", number):
        raise Rejected(f"`{number}` is not the number of a feature request")
    requests = read(cx, f"number={number}", 1, 0)
    if not requests:
        # Announced and not there yet: its transaction may still be open, so a later attempt may find it.
        raise Failure(f"{number} is not in ServiceNow", name="not-there")
    issue, created = issue_of(cx, requests[-1])
    answer = {"issue": issue.number, "url": issue.html_url, "created": created}
    return Output.json(answer, status=201 if created else 200)


def sweep(cx: Context) -> Output:
    """Looks at every request created since the last sweep, page by page, oldest first."""
    page = cx.config.json("sweep-page", int)
    if page is None:
        page = PAGE
    since = cx.kv.get(WATERMARK, str)
    # Times have whole seconds: those of the watermark's own second are looked at again.
    query = f"sys_created_on>={since or '2000-01-01 00:00:00'}^ORDERBYsys_created_on^ORDERBYsys_id"
    swept, opened, last = 0, 0, since
    while True:
        requests = read(cx, query, page, swept)
        swept += len(requests)
        for request in requests:
            _, created = issue_of(cx, request)
            opened += created
            last = request["sys_created_on"]
        if len(requests) != page:
            break
    # After the issues: a sweep that fails begins where the one before ended.
    if last != since:
        cx.kv.set(WATERMARK, last)
    logging.info("swept", extra={"swept": swept, "opened": opened})
    return Output.json({"swept": swept, "opened": opened})


def read(cx: Context, query: str, limit: int, offset: int) -> list[FeatureRequest]:
    """Asks the Table API for records."""
    response = cx.http.get(
        "servicenow",
        TABLE,
        query={
            "sysparm_query": query,
            "sysparm_fields": FIELDS,
            "sysparm_limit": limit,
            "sysparm_offset": offset,
        },
        headers={"accept": "application/json"},
    )
    return response.error_for_status().json(Answer).result


def issue_of(cx: Context, request: FeatureRequest) -> tuple[Issue, bool]:
    """The issue of a request, and whether it was opened just now."""
    number = request["number"]
    key = f"seen/{number}"
    issue = cx.kv.get(key, Issue)
    if issue is not None:
        logging.info("%s has an issue already", number, extra={"issue": issue.number})
        return issue, False
    issue = open_issue(cx, request)
    cx.kv.set(key, issue)
    logging.info("opened an issue for %s", number, extra={"issue": issue.number})
    return issue, True


def open_issue(cx: Context, request: FeatureRequest) -> Issue:
    """Opens an issue for a request."""
    repository = cx.config.require("repository")
    requested = f"Requested by {request['opened_by.name']} in ServiceNow: {request['number']} ({request['sys_id']})"
    response = cx.http.post(
        "github",
        f"/repos/{repository}/issues",
        headers={"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"},
        json={
            "title": request["short_description"],
            "body": f"{request['description']}\n\n{requested}",
            "labels": ["feature-request"],
        },
    )
    return response.error_for_status().json(Issue)
