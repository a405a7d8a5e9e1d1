"""Events, as a handler emits them."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from jackfield import AccessDenied, Context, Draft, Invalid, Quota

from .host import HostTest, err, events


@dataclass
class Paid:
    """Data of an event."""

    amount: int


class Emitting(HostTest):
    """Through the context, with a host that answers as told."""

    def test_an_event_is_its_type_its_data_and_what_else_is_said(self) -> None:
        emit = self.answers(events, "emit", lambda drafts: [f"id-{place}" for place, _ in enumerate(drafts)])
        cx = Context()
        about: Any = {"subject": "orders/7", "extensions": {"region": "eu"}, "delay": timedelta(milliseconds=1500)}
        self.assertEqual(cx.events.emit("order.paid", Paid(12), **about), "id-0")
        (draft,) = emit.call_args.args[0]
        self.assertEqual(
            (draft.event_type, draft.data, draft.content_type), ("order.paid", b'{"amount":12}', "application/json")
        )
        self.assertEqual((draft.id, draft.subject, draft.schema, draft.delay_seconds), (None, "orders/7", None, 2))
        self.assertEqual(draft.extensions, [("region", "eu")])
        self.assertEqual(
            cx.events.emit_all([Draft("a"), Draft("b", b"x", id="7", content_type="text/plain"), Draft("c", None)]),
            ["id-0", "id-1", "id-2"],
        )
        given = [(draft.id, draft.data, draft.content_type, draft.delay_seconds) for draft in emit.call_args.args[0]]
        self.assertEqual(
            given,
            [(None, b"", None, 0), ("7", b"x", "text/plain", 0), (None, b"null", "application/json", 0)],
        )

    def test_what_cannot_be_an_event_is_told_before_it_is_emitted(self) -> None:
        emit = self.answers(events, "emit", [])
        with self.assertRaises(Invalid):
            Context().events.emit("a", {1, 2})
        with self.assertRaises(Invalid):
            Context().events.emit("a", 1, delay=-1)
        emit.assert_not_called()

    def test_why_an_event_was_not_accepted_is_typed(self) -> None:
        self.answers(events, "emit", err(events.Error_AccessDenied('events = ["a"]')))
        with self.assertRaisesRegex(AccessDenied, 'events = \\["a"\\]'):
            Context().events.emit("a")
        self.answers(events, "emit", err(events.Error_Quota("full")))
        with self.assertRaises(Quota) as caught:
            Context().events.emit("a")
        self.assertTrue(caught.exception.retryable)
