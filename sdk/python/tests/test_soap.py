"""SOAP: envelopes, and what their answers mean."""

import json
import time
from pathlib import Path
from typing import Any

from jackfield import Context, Failure, Invalid, SoapFault, soap, xml_element

from .host import HostTest, http

ANSWERS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[3] / "tests/soap/answers.json").read_text(encoding="utf-8")
)["answers"]


class Calling(HostTest):
    """Through the context, with a service that answers as told."""

    def ask(self, status: int, answer: str, **options: Any) -> Any:
        """What a handler gets."""
        self.send = self.answers(http, "send", http.Response(status, [], answer.encode()))
        return soap(Context().http, "crm", "/ws?wsdl", options.pop("body", "<a/>"), **options)

    def test_every_answer_is_what_it_is_in_every_language(self) -> None:
        for case in ANSWERS:
            with self.subTest(case["name"]):
                self.check(case)

    def check(self, case: dict[str, Any]) -> None:
        """One of them."""
        if "answer" in case:
            answer = self.ask(case["status"], case["body"])
            self.assertEqual((answer.body, answer.header), (case["answer"]["body"], case["answer"]["header"]))
            for name, texts in case["answer"]["texts"].items():
                self.assertEqual((answer.texts(name), answer.text(name)), (texts, texts[0] if texts else None))
            return
        with self.assertRaises(Failure) as caught:
            self.ask(case["status"], case["body"])
        raised = caught.exception
        if "fault" in case:
            assert isinstance(raised, SoapFault)
            told = {name: getattr(raised, name) for name in ("code", "reason", "detail", "retryable", "message")}
            self.assertEqual((told, raised.name), (case["fault"], "soap-fault"))
        else:
            self.assertEqual(raised.name, case["error"])
            self.assertTrue(raised.message.startswith(case["message"]), raised.message)

    def test_an_envelope_is_sent_with_the_headers_of_its_version(self) -> None:
        order: Any = {"id": 7, "name": 'a<b>&"c"', "items": {"item": ["x", True]}, "none": None, "empty": ""}
        body = xml_element("GetOrder", order, "urn:orders")
        empty = ANSWERS[2]["body"]
        self.ask(200, empty, body=body, action='urn:"get"', header="<h/>", timeout_ms=5, headers={"x-a": "1"})
        (request,) = self.send.call_args.args
        self.assertEqual(
            request.headers,
            [("x-a", "1"), ("content-type", "text/xml; charset=utf-8"), ("soapaction", '"urn:\\"get\\""')],
        )
        self.assertEqual(
            request.body.decode(),
            '<?xml version="1.0" encoding="utf-8"?>'
            '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Header><h/></soap:Header>'
            '<soap:Body><GetOrder xmlns="urn:orders"><id>7</id><name>a&lt;b&gt;&amp;&quot;c&quot;</name>'
            "<items><item>x</item><item>true</item></items><empty></empty></GetOrder></soap:Body></soap:Envelope>",
        )
        self.assertEqual((request.method, request.timeout_ms), ("POST", 5))
        self.ask(200, empty, action="urn:get", version="1.2")
        (request,) = self.send.call_args.args
        self.assertEqual(request.headers, [("content-type", 'application/soap+xml; charset=utf-8; action="urn:get"')])
        self.assertIn(b'xmlns:soap="http://www.w3.org/2003/05/soap-envelope"', request.body)
        self.ask(200, empty)
        (request,) = self.send.call_args.args
        self.assertEqual((request.headers[1], request.timeout_ms), (("soapaction", '""'), None))
        with self.assertRaises(Invalid):
            self.ask(200, empty, version="1.3")
        with self.assertRaises(TypeError):
            self.ask(200, empty, axtion="x")

    def test_an_element_has_a_name_and_text_that_xml_can_say(self) -> None:
        for name in ("", "1a", "a b", "a>", "-a"):
            with self.assertRaises(Invalid):
                xml_element(name, "")
        self.assertEqual(xml_element("ä:b", "\0\U0001f600\r"), "<ä:b>\ufffd\U0001f600&#13;</ä:b>")
        self.assertEqual(xml_element("a", [1, None, 2]), "<a>1</a><a>2</a>")

    def test_what_is_nested_too_deep_or_was_made_to_take_long_is_told_at_once(self) -> None:
        begun = time.monotonic()
        for body in ("<a>" * 100_000, f"<a {' ' * 100_000}", "<a " + "b='' " * 50_000):
            with self.assertRaises(Failure) as caught:
                self.ask(200, body)
            self.assertEqual(caught.exception.name, "answer")
        self.assertLess(time.monotonic() - begun, 5)
