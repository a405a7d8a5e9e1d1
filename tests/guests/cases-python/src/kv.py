"""Keys and values."""

import time
from itertools import islice
from typing import Any

from jackfield import Context, Event
from told import told


def values(cx: Context, _: Event[bytes]) -> Any:
    """Values of every kind."""
    kv = cx.kv
    every_byte = bytes(range(256))
    kv.set("text", "Zoë \u2603")
    kv.set("number", 1.5)
    kv.set("object", {"a": [1, None, True]})
    kv.set("schlüssel", 1)
    kv.set_bytes("bytes", every_byte)
    stored = kv.get("bytes", bytes) or b""
    first = kv.entry("number")
    kv.set("number", 2.5)
    second = kv.entry("number")
    removed = [kv.remove("schlüssel"), kv.remove("schlüssel")]
    return {
        "text": kv.get("text", str),
        "number": kv.get("number", float),
        "object": kv.get("object"),
        "bytes": [len(stored), stored[255], stored == every_byte],
        "missing": kv.get("missing"),
        "a write changes the version": first is not None and second is not None and first.version != second.version,
        "removed": removed,
    }


def ttl(cx: Context, _: Event[bytes]) -> Any:
    """What disappears."""
    kv = cx.kv
    kv.set("a", 1, ttl=1)
    created = kv.compare_and_set("b", None, 2, ttl=1)
    done = kv.batch().set("c", 3, ttl=1).set("d", 4).commit()
    before = kv.get_many(["a", "b", "c", "d"], int)
    time.sleep(1.3)
    after = kv.get_many(["a", "b", "c", "d"], int)
    return [created, done, before, after, told(kv.set, "a", 1, ttl=0)]


def many(cx: Context, _: Event[bytes]) -> Any:
    """Several keys at once."""
    cx.kv.set("a", 1)
    cx.kv.set("b", "two")
    found = cx.kv.get_many(["b", "missing", "a", "b"])
    names = [f"key-{number}" for number in range(101)]
    return [found, cx.kv.get_many([]), told(cx.kv.get_many, names)]


def compare(cx: Context, _: Event[bytes]) -> Any:
    """Only if nobody was quicker."""
    kv = cx.kv
    created = [kv.compare_and_set("key", None, 1), kv.compare_and_set("key", None, 2)]
    entry = kv.entry("key")
    version = entry.version if entry else None
    changed = kv.compare_and_set("key", version, 3)
    changed_again = kv.compare_and_set("key", version, 4)
    stored = kv.compare_and_set_bytes("bytes", None, bytes([0, 255]))
    return [created, changed, changed_again, stored, kv.get("key")]


def batch(cx: Context, _: Event[bytes]) -> Any:
    """All or nothing."""
    kv = cx.kv
    kv.set("old", 1)
    old = kv.entry("old")
    done = (
        kv.batch()
        .check("old", old.version if old else None)
        .check("new", None)
        .set("new", {"made": True})
        .set_bytes("bytes", bytes([0, 255]))
        .increment("count", 2)
        .increment("count", -5)
        .remove("old")
        .remove("never there")
        .commit()
    )
    refused = kv.batch().set("new", "other").check("new", None).commit()
    empty = kv.batch().commit()
    too_many = kv.batch()
    for number in range(101):
        too_many.set(f"many-{number}", number)
    return [done, refused, empty, told(too_many.commit)]


def counters(cx: Context, _: Event[bytes]) -> Any:
    """Counters of 64 bits."""
    kv = cx.kv
    sums = [
        kv.increment("count", 5),
        kv.increment("count", -8),
        kv.increment("count", 0),
        kv.increment("large", 9_007_199_254_740_993),
        kv.increment("large"),
        kv.increment("most", 2**63 - 1),
        kv.increment("least", -(2**63)),
    ]
    kv.set("text", "x")
    failed = [
        told(kv.increment, "most", 1),
        told(kv.increment, "least", -1),
        told(kv.increment, "text", 1),
        told(kv.batch().set("other", 1).increment("text", 1).commit),
    ]
    return [[str(total) for total in sums], failed, kv.get("count", int)]


def keys(cx: Context, _: Event[bytes]) -> Any:
    """More keys than one page holds."""
    kv = cx.kv
    for hundred in range(21):
        hundredth = kv.batch()
        for n in range(100):
            hundredth.set(f"page/{hundred * 100 + n:04}", n)
        hundredth.commit()
    kv.set("other", 1)
    pages = list(kv.keys("page/"))
    everything = list(kv.keys(""))
    first = list(islice(kv.keys("page/"), 2))
    return [len(pages), pages == sorted(pages), pages[-1], len(everything), first, list(kv.keys("nothing/"))]


def refused(cx: Context, _: Event[bytes]) -> Any:
    """What is not granted, and what breaks a limit."""
    kv = cx.kv
    other = kv.connection("other")
    return [
        told(kv.set, "closed/key", 1),
        told(kv.set, "read-only/key", 1),
        kv.get("read-only/key"),
        told(lambda: list(kv.keys(""))),
        told(kv.get, ""),
        told(kv.set, "k" * 513, 1),
        told(kv.get, "open/\n"),
        told(kv.set_bytes, "open/large", bytes((1 << 20) + 1)),
        told(other.get, "open/key"),
    ]


def unfit(cx: Context, _: Event[bytes]) -> Any:
    """Values that are something else."""
    cx.kv.set_bytes("text", b"no json")
    cx.kv.set("list", [1, 2])
    return [told(cx.kv.get, "text"), told(cx.kv.get, "list", str)]
