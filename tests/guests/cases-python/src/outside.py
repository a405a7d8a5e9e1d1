"""Calls to the outside."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jackfield import Context, Event, Failure, Part, Response
from told import args, told


def methods(cx: Context, _: Event[bytes]) -> Any:
    """Every method, by connection."""
    http = cx.http
    responses = [
        http.get("outside", "/things/1"),
        http.head("outside", "/things/1"),
        http.post("outside", "/things", body="made"),
        http.put("outside", "/things/1", body="put"),
        http.patch("outside", "/things/1", body="patched"),
        http.delete("outside", "/things/1"),
        http.request("OPTIONS", "outside", "/things/1"),
    ]
    return [response.status for response in responses]


def url(cx: Context, event: Event[bytes]) -> Any:
    """Absolute URLs."""
    base = args(event)["base"]
    got = cx.http.get_url(f"{base}/a?b=c")
    posted = cx.http.post_url(f"{base}/a", json={"by": "url"})
    put = cx.http.request_url("PUT", f"{base}/a", body="x")
    elsewhere = told(cx.http.get_url, "http://elsewhere.example/")
    return [got.status, posted.status, put.status, elsewhere]


def headers(cx: Context, _: Event[bytes]) -> Any:
    """Headers, some of them twice."""
    response = cx.http.get("outside", "/headers", headers=[("X-One", "1"), ("x-two", "a"), ("x-two", "b")])
    return {
        "one": response.header("X-ONE"),
        "many": response.headers.get_all("X-Many"),
        "none": response.header("x-none"),
    }


def query(cx: Context, _: Event[bytes]) -> Any:
    """A query that needs encoding."""
    pairs = [("q", "a b&c=d/ü"), ("n", 5), ("yes", True), ("empty", ""), ("n", 6)]
    return cx.http.get("outside", "/search?fixed=1", query=pairs).status


def bodies(cx: Context, _: Event[bytes]) -> Any:
    """Bodies of every kind."""
    http = cx.http
    value = {"text": "Zoë \u2603", "list": [1, 2.5, None, True]}
    binary = {"content-type": "application/octet-stream"}
    responses = [
        http.post("outside", "/json", json=value),
        http.post("outside", "/text", headers={"content-type": "text/plain"}, body="Zoë"),
        http.post("outside", "/bytes", headers=binary, body=bytes(range(256))),
        http.post("outside", "/form", form={"a": "1 2", "b": "ü&"}),
        http.put("outside", "/own", headers={"Content-Type": "application/vnd.acme+json"}, json=[1]),
        http.post("outside", "/nothing"),
    ]
    return [response.status for response in responses]


def files(cx: Context, _: Event[bytes]) -> Any:
    """A form with files."""
    parts = [
        Part("note", "Zoë \u2603"),
        Part("report", "a;b\r\n1;\u2603\r\n", "Zoë.csv", "text/csv"),
        Part("raw", bytes([0, 1, 13, 10, 45, 45]), "x"),
    ]
    response = cx.http.post("outside", "/files", multipart=parts)
    if cx.run().attempt == 1:
        raise Failure("the first attempt ends here")
    return response.status


def answers(cx: Context, _: Event[bytes]) -> Any:
    """Answers of every kind."""

    def get(path: str) -> Response:
        return cx.http.get("outside", path)

    body, empty = get("/bytes").bytes(), get("/empty")
    return {
        "json": get("/json").json(),
        "text": get("/text").text(),
        "bytes": sum(body),
        "length": len(body),
        "broken": get("/broken").text(),
        "zipped": get("/zipped").text(),
        "empty": [len(empty.text()), len(empty.bytes())],
        "nothing": empty.json(),
    }


def statuses(cx: Context, _: Event[bytes]) -> Any:
    """A status is no error."""
    answered = []
    for status in (200, 204, 301, 400, 404, 418, 422, 500):
        response = cx.http.get("outside", f"/status/{status}")
        answered.append([response.status, response.is_success])
    return answered


def error_for_status(cx: Context, event: Event[bytes]) -> Any:
    """Unless somebody makes it one."""
    return cx.http.get("outside", args(event)["path"]).error_for_status().status


def redirects(cx: Context, _: Event[bytes]) -> Any:
    """A redirect, itself and followed."""
    itself = cx.http.get("outside", "/old")
    followed = cx.http.get("outside", "/old", max_redirects=2)
    return [itself.status, itself.header("location"), followed.status, followed.text()]


def _caught(event: Event[bytes], call: Callable[[], object]) -> Any:
    """Tells of a call that is to fail, or fails with it."""
    if args(event)["caught"]:
        return told(call)
    call()
    return "done"


def timeout(cx: Context, event: Event[bytes]) -> Any:
    """No answer in time."""
    return _caught(event, lambda: cx.http.get("outside", "/silence", timeout_ms=300))


def in_doubt(cx: Context, event: Event[bytes]) -> Any:
    """No answer to what may have been done."""
    return _caught(event, lambda: cx.http.post("outside", "/orders", json={"order": 7}))


def unavailable(cx: Context, event: Event[bytes]) -> Any:
    """Nobody there."""
    return _caught(event, lambda: cx.http.get("closed", "/"))


def denied(cx: Context, event: Event[bytes]) -> Any:
    """What is not granted."""
    return _caught(event, lambda: cx.http.post("outside", "/open/1"))


def too_large(cx: Context, _: Event[bytes]) -> Any:
    """One byte more than may be."""
    return [
        told(cx.http.post, "outside", "/", body="x" * 65_537),
        told(cx.http.get, "outside", "/bytes/65537"),
        told(cx.http.post, "outside", "/", body="x" * 65_536),
    ]


def invalid(cx: Context, _: Event[bytes]) -> Any:
    """What cannot be sent."""
    http = cx.http
    return [
        told(http.request, "get", "outside", "/"),
        told(http.request, "CONNECT", "outside", "/"),
        told(http.get, "outside", "no/slash"),
        told(http.get, "outside", "/a b"),
        told(http.get, "outside", "/../.."),
        told(http.get, "outside", "/", headers={"Host": "example.com"}),
        told(http.get, "outside", "/", headers={"bad name": "1"}),
        told(http.get, "outside", "/", headers={"x-bad": "1\n2"}),
        told(http.get_url, "ftp://example.com/"),
    ]


@dataclass
class Numbered:
    """What is expected."""

    number: int


def unfit(cx: Context, _: Event[bytes]) -> Any:
    """Answers that are something else."""
    text = cx.http.get("outside", "/text")
    other = cx.http.get("outside", "/other")
    return [told(text.json), told(other.json, Numbered), told(text.bytes)]


def once(cx: Context, _: Event[bytes]) -> Any:
    """A call that is made once, however often the run is tried."""
    response = cx.http.post("outside", "/orders", json={"order": 8})
    if cx.run().attempt == 1:
        raise Failure("the first attempt ends here")
    return response.json()


def own(_: Context, event: Event[bytes]) -> Any:
    """The client of the standard library."""
    base = args(event)["base"]
    with urllib.request.urlopen(f"{base}/a?b=c") as got:
        read = json.load(got)
    request = urllib.request.Request(
        f"{base}/a",
        data=json.dumps({"by": "its own client"}, separators=(",", ":")).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as posted:
        made = posted.status
    try:
        urllib.request.urlopen(f"{base}/status/404")
        missing = None
    except urllib.error.HTTPError as error:
        missing = error.code
    try:
        urllib.request.urlopen("http://elsewhere.example/")
        refused = False
    except urllib.error.URLError:
        refused = True
    return [got.status, read, made, missing, refused]
