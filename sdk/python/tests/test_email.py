"""Mail, as a handler sends it."""

from jackfield import Attachment, Context, InDoubt, Mail, Refused

from .host import HostTest, email, err


class Sending(HostTest):
    """Through the context, with a host that answers as told."""

    def test_a_mail_says_what_it_is_told_and_nothing_else(self) -> None:
        send = self.answers(email, "send", "<1@example.com>")
        cx = Context()
        sent = cx.email.send("mail", Mail("Grüße \u2603", to="a@example.com", text="Hi"))
        self.assertEqual(sent, "<1@example.com>")
        connection, mail = send.call_args.args
        self.assertEqual(
            (connection, mail.subject, mail.to, mail.text), ("mail", "Grüße \u2603", ["a@example.com"], "Hi")
        )
        self.assertEqual((mail.sender, mail.html, mail.cc, mail.headers, mail.attachments), (None, None, [], [], []))
        logo = Attachment("logo.png", "image/png", b"\x00\xff", "logo")
        cx.email.send(
            "mail",
            Mail(
                "s",
                ["a@example.com", "b@example.com"],
                html="<p>",
                cc="c@example.com",
                bcc=["d@example.com"],
                reply_to="e@example.com",
                sender="Shop <shop@example.com>",
                headers={"x-order": "7"},
                attachments=[logo],
            ),
        )
        mail = send.call_args.args[1]
        self.assertEqual((mail.to, mail.cc), (["a@example.com", "b@example.com"], ["c@example.com"]))
        self.assertEqual((mail.bcc, mail.reply_to), (["d@example.com"], ["e@example.com"]))
        self.assertEqual((mail.sender, mail.headers), ("Shop <shop@example.com>", [("x-order", "7")]))
        (file,) = mail.attachments
        self.assertEqual(
            (file.name, file.content_type, file.content_id, file.data), ("logo.png", "image/png", "logo", b"\x00\xff")
        )

    def test_why_it_was_not_sent_is_typed(self) -> None:
        self.answers(email, "send", err(email.Error_Refused("550")))
        with self.assertRaises(Refused) as caught:
            Context().email.send("mail", Mail("s"))
        self.assertFalse(caught.exception.retryable)
        self.answers(email, "send", err(email.Error_InDoubt("x")))
        with self.assertRaises(InDoubt):
            Context().email.send("mail", Mail("s"))
