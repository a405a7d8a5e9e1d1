"""Messages, as a handler publishes them."""

from jackfield import Context, Failure, Invalid, Message, Refused, Timeout

from .host import HostTest, err, messaging


class Publishing(HostTest):
    """Through the context, with a host that answers as told."""

    def test_a_message_is_its_topic_its_data_and_what_else_is_said(self) -> None:
        publish = self.answers(messaging, "publish", None)
        cx = Context()
        cx.messaging.publish("events", "orders.paid", {"amount": 12}, key="7", headers={"tenant": "acme"})
        connection, (message,) = publish.call_args.args
        self.assertEqual((connection, message.topic, message.key), ("events", "orders.paid", "7"))
        self.assertEqual((message.data, message.content_type), (b'{"amount":12}', "application/json"))
        self.assertEqual(message.headers, [("tenant", "acme")])
        cx.messaging.publish_all(
            "events", [Message("a"), Message("b", "ü".encode(), content_type="text/csv"), Message("c", None)]
        )
        given = [(message.topic, message.data, message.content_type) for message in publish.call_args.args[1]]
        self.assertEqual(given, [("a", b"", None), ("b", "ü".encode(), "text/csv"), ("c", b"null", "application/json")])

    def test_a_reply_is_read_as_what_it_is(self) -> None:
        answer = messaging.Message("_inbox", None, "text/plain", [("Tenant", "acme")], b"[1]")
        request = self.answers(messaging, "request", answer)
        reply = Context().messaging.request("events", "ask", timeout_ms=250)
        self.assertEqual(request.call_args.args[2], 250)
        self.assertEqual(
            (reply.topic, reply.content_type, reply.headers.get("tenant")), ("_inbox", "text/plain", "acme")
        )
        self.assertEqual((reply.json(list[int]), reply.text(), reply.bytes()), ([1], "[1]", b"[1]"))
        with self.assertRaisesRegex(Failure, "the reply is not as expected: expected text") as caught:
            reply.json(str)
        self.assertEqual(caught.exception.name, "answer")
        Context().messaging.request("events", "ask")
        self.assertEqual(request.call_args.args[2], 10_000)

    def test_what_cannot_be_sent_is_told_before_and_why_it_was_not_is_typed(self) -> None:
        publish = self.answers(messaging, "publish", None)
        with self.assertRaises(Invalid):
            Context().messaging.publish("events", "a", {1, 2})
        publish.assert_not_called()
        self.answers(messaging, "publish", err(messaging.Error_Refused("no such topic")))
        with self.assertRaises(Refused) as caught:
            Context().messaging.publish("events", "a")
        self.assertEqual((caught.exception.name, caught.exception.retryable), ("refused", False))
        self.answers(messaging, "request", err(messaging.Error_Timeout("no reply")))
        with self.assertRaises(Timeout):
            Context().messaging.request("events", "a")
