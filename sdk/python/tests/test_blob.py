"""Objects in storage, as a handler keeps them."""

from typing import Any

from jackfield import Context, Invalid, TooLarge

from .host import HostTest, blob, err


def info(name: str, size: int = 3) -> Any:
    """What the host knows of an object."""
    return blob.ObjectInfo(name, size, None, "2026-01-02T03:04:05Z", "e", [("Order", "7")])


class Keeping(HostTest):
    """Through the context, with a host that answers as told."""

    def setUp(self) -> None:
        """The capability."""
        super().setUp()
        self.blob = Context().blob

    def test_an_object_is_written_as_bytes_text_or_json(self) -> None:
        put = self.answers(blob, "put", "etag")
        etag = self.blob.put("x", "2026/ü.pdf", b"\x00\xff", content_type="application/pdf", metadata={"order": "7"})
        self.assertEqual(etag, "etag")
        connection, made = put.call_args.args
        self.assertEqual((connection, made.name, made.content_type), ("x", "2026/ü.pdf", "application/pdf"))
        self.assertEqual((made.metadata, made.data), ([("order", "7")], b"\x00\xff"))
        for data, content, media in (("Zoë", "Zoë".encode(), None), ([1], b"[1]", "application/json")):
            self.blob.put("x", "a", data)
            made = put.call_args.args[1]
            self.assertEqual((made.data, made.content_type), (content, media))
        with self.assertRaises(Invalid):
            self.blob.put("x", "a", {1})

    def test_an_object_is_read_whole_or_in_part_and_known_without_being_read(self) -> None:
        get = self.answers(blob, "get", lambda _, name, part: None if name == "none" else b"\x00\xff")
        self.answers(blob, "stat", lambda _, name: None if name == "none" else info(name, 2**40))
        self.assertEqual(self.blob.get("x", "a"), b"\x00\xff")
        self.assertEqual(self.blob.get_range("x", "a", 2**40, 2**40), b"\x00\xff")
        part = get.call_args.args[2]
        self.assertEqual((part.offset, part.length), (2**40, 2**32 - 1))
        self.assertEqual((self.blob.get("x", "none"), self.blob.stat("x", "none")), (None, None))
        about = self.blob.stat("x", "a")
        assert about is not None
        self.assertEqual((about.size, about.content_type, about.metadata.get("order")), (2**40, None, "7"))
        with self.assertRaises(Invalid):
            self.blob.get_range("x", "a", -1, 1)

    def test_objects_are_listed_page_by_page_as_they_are_asked_for(self) -> None:
        pages = {None: blob.Page([info("a"), info("b")], "c1"), "c1": blob.Page([info("c")], None)}
        listed = self.answers(blob, "list_objects", lambda _, prefix, cursor, limit: pages[cursor])
        self.assertEqual(next(self.blob.list("x", "2026/")).name, "a")
        listed.assert_called_once_with("x", "2026/", None, 1000)
        self.assertEqual([one.name for one in self.blob.list("x")], ["a", "b", "c"])

    def test_why_it_was_not_done_is_typed(self) -> None:
        self.answers(blob, "get", err(blob.Error_TooLarge("4 MiB")))
        with self.assertRaises(TooLarge):
            self.blob.get("x", "a")
        remove = self.answers(blob, "remove", None)
        self.blob.remove("x", "a")
        remove.assert_called_once_with("x", "a")
