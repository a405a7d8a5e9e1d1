"""Named objects in storage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ._data import dumps
from ._errors import Invalid
from ._event import Attributes
from ._host import call, interface
from ._output import Pairs, pairs

_PAGE = 1_000


@dataclass(frozen=True)
class ObjectInfo:
    """What is known of an object."""

    name: str
    size: int
    """In bytes."""
    modified: str
    """When it was written, RFC 3339."""
    etag: str
    """Changes when the content changes. Opaque."""
    content_type: str | None = None
    """Its media type."""
    metadata: Attributes = field(default_factory=Attributes)
    """Your own metadata. Empty in `Blob.list`."""


class Blob:
    """Named objects in storage connections of the manifest: a directory, S3 and so on. An object is written and read
    as a whole, or read in parts; a call carries at most 4 MiB, unless the manifest says otherwise.

    A storage whose bucket is not there, or whose credential may not, raises `Refused`.
    """

    def stat(self, connection: str, name: str) -> ObjectInfo | None:
        """What is known of an object, or None if there is none."""
        found = call(None, interface("blob").stat, connection, name)
        return None if found is None else _info(found)

    def get(self, connection: str, name: str) -> bytes | None:
        """An object's bytes, or None if there is none."""
        found: bytes | None = call(None, interface("blob").get, connection, name, None)
        return found

    def get_range(self, connection: str, name: str, offset: int, length: int) -> bytes | None:
        """A part of an object: `length` bytes from `offset` on, or as many as there are; None if there is no object."""
        if not 0 <= offset < 2**64 or length < 0:
            raise Invalid(f"a part begins at 0 or later and has 0 bytes or more, not {offset} and {length}")
        host = interface("blob")
        part = host.Range(offset, min(length, 2**32 - 1))
        found: bytes | None = call(None, host.get, connection, name, part)
        return found

    def put(
        self,
        connection: str,
        name: str,
        data: object,
        *,
        content_type: str | None = None,
        metadata: Pairs | None = None,
    ) -> str:
        """Writes an object, over an earlier one of that name: bytes and text as they are, anything else as JSON.
        Returns its etag."""
        host = interface("blob")
        if isinstance(data, (bytes, str)):
            content = data.encode("utf-8") if isinstance(data, str) else data
        else:
            content = _json(data)
            content_type = content_type or "application/json"
        etag: str = call(None, host.put, connection, host.Object(name, content_type, pairs(metadata), content))
        return etag

    def remove(self, connection: str, name: str) -> None:
        """Removes an object. No error if there is none."""
        call(None, interface("blob").remove, connection, name)

    def list(self, connection: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """The objects whose names start with `prefix`, in ascending order, read page by page as they are asked for.
        Objects written meanwhile may be missing."""
        cursor: str | None = None
        while True:
            page = call(None, interface("blob").list_objects, connection, prefix, cursor, _PAGE)
            yield from map(_info, page.objects)
            cursor = page.next
            if cursor is None:
                return


def _info(raw: Any) -> ObjectInfo:
    return ObjectInfo(raw.name, raw.size, raw.modified, raw.etag, raw.content_type, Attributes(raw.metadata))


def _json(value: object) -> bytes:
    try:
        return dumps(value)
    except (TypeError, ValueError, RecursionError) as problem:
        raise Invalid(f"the data is not JSON: {problem}") from problem
