"""HTTP: what is asked for, and what an answer means."""

import urllib.error
import urllib.request

from jackfield import (
    AccessDenied,
    Context,
    HttpStatus,
    InDoubt,
    Invalid,
    Part,
    Response,
    Timeout,
    TooLarge,
    Unavailable,
)
from jackfield import _urllib as host_urllib
from jackfield._event import Attributes
from jackfield._http import encode, excerpt, http_date, with_query

from .host import HostTest, err, http

DATE = ("date", "Sun, 06 Nov 1994 08:49:37 GMT")


class Asking(HostTest):
    """Requests."""

    def setUp(self) -> None:
        """A host that answers 200."""
        super().setUp()
        self.send = self.answers(http, "send", http.Response(200, [("content-type", "text/plain")], b"ok"))
        self.http = Context().http

    def test_a_request_is_what_its_call_says(self) -> None:
        self.http.post(
            "github",
            "/repos/acme/app/issues?a=1",
            query=[("q", "number=FR 1042&ä"), ("yes", True), ("left_out", None)],
            headers={"x-a": "b"},
            json={"title": "ü"},
            timeout_ms=3000,
            max_redirects=2,
        )
        (request,) = self.send.call_args.args
        self.assertEqual((request.connection, request.method), ("github", "POST"))
        self.assertEqual(request.url, "/repos/acme/app/issues?a=1&q=number%3DFR%201042%26%C3%A4&yes=true")
        self.assertEqual(request.headers, [("x-a", "b"), ("content-type", "application/json")])
        self.assertEqual((request.timeout_ms, request.max_redirects), (3000, 2))
        self.assertEqual(request.body, '{"title":"ü"}'.encode())

    def test_what_is_not_said(self) -> None:
        self.http.get_url("https://example.com/")
        (request,) = self.send.call_args.args
        self.assertEqual((request.connection, request.headers, request.body), (None, [], b""))
        self.assertEqual((request.timeout_ms, request.max_redirects), (None, 0))

    def test_a_content_type_that_is_set_stays(self) -> None:
        self.http.post("x", "/", headers={"Content-Type": "application/vnd.x+json"}, json=1)
        self.assertEqual(len(self.send.call_args.args[0].headers), 1)
        self.http.put("x", "/", form=[("a b", "c&d"), ("e", "")])
        self.assertEqual(self.send.call_args.args[0].body, b"a%20b=c%26d&e=")

    def test_a_form_with_files_is_sent_as_browsers_do(self) -> None:
        csv = Part("file", b"--jackfield-0\xff", 'ü "1".csv', "text/csv")
        self.http.post("x", "/", multipart=[Part("note", "Zoë"), csv, Part("raw", b"", "a\r\nb")])
        (request,) = self.send.call_args.args
        self.assertEqual(request.headers, [("content-type", "multipart/form-data; boundary=jackfield-1")])
        self.assertEqual(
            request.body,
            b'--jackfield-1\r\ncontent-disposition: form-data; name="note"\r\n\r\nZo\xc3\xab\r\n'
            b'--jackfield-1\r\ncontent-disposition: form-data; name="file"; filename="\xc3\xbc %221%22.csv"\r\n'
            b"content-type: text/csv\r\n\r\n--jackfield-0\xff\r\n"
            b'--jackfield-1\r\ncontent-disposition: form-data; name="raw"; filename="a%0D%0Ab"\r\n'
            b"content-type: application/octet-stream\r\n\r\n\r\n--jackfield-1--\r\n",
        )

    def test_a_null_is_a_body_and_two_bodies_are_none(self) -> None:
        self.http.post("x", "/", json=None)
        self.assertEqual(self.send.call_args.args[0].body, b"null")
        with self.assertRaises(TypeError):
            self.http.post("x", "/", json=1, body=b"")
        with self.assertRaises(TypeError):
            self.http.get("x", "/", querry={})  # type: ignore[call-arg]
        with self.assertRaises(Invalid):
            self.http.post("x", "/", json={1, 2})

    def test_the_hosts_refusals_have_classes_and_no_query(self) -> None:
        cases = {
            "AccessDenied": AccessDenied,
            "Invalid": Invalid,
            "Unavailable": Unavailable,
            "Timeout": Timeout,
            "InDoubt": InDoubt,
            "TooLarge": TooLarge,
        }
        for name, kind in cases.items():
            self.answers(http, "send", err(getattr(http, f"Error_{name}")("why")))
            with self.assertRaises(kind) as caught:
                self.http.get("x", "/a", query={"token": "t"})
            self.assertEqual(str(caught.exception), "GET x /a: why")

    def test_encoding(self) -> None:
        self.assertEqual(encode("aZ0-._~ /?&=+ü^>"), "aZ0-._~%20%2F%3F%26%3D%2B%C3%BC%5E%3E")
        self.assertEqual(with_query("/a", {"b": 1, "c": "d"}), "/a?b=1&c=d")


class Answers(HostTest):
    """Responses."""

    def refusal(self, status: int, headers: list[tuple[str, str]], body: bytes = b"") -> HttpStatus:
        """What `error_for_status` raises."""
        with self.assertRaises(HttpStatus) as caught:
            Response(status, Attributes(headers), body, "GET github /user").error_for_status()
        return caught.exception

    def test_refusals_are_final_and_breakdowns_are_not(self) -> None:
        refused = self.refusal(422, [], b'{\n  "message": "no"\n}')
        self.assertEqual(refused.message, 'GET github /user: 422: { "message": "no" }')
        self.assertEqual((refused.status, refused.name, refused.retryable), (422, "http-status", False))
        for status in (408, 425, 429, 500, 503, 599):
            self.assertTrue(self.refusal(status, []).retryable, status)
        for status in (301, 304, 400, 401, 404, 409):
            self.assertFalse(self.refusal(status, []).retryable, status)
        self.assertEqual(Response(204).error_for_status().status, 204)

    def test_retry_after_is_honoured_where_a_retry_makes_sense(self) -> None:
        later, earlier = "Sun, 06 Nov 1994 08:50:37 GMT", "Sun, 06 Nov 1994 08:48:37 GMT"
        self.assertEqual(self.refusal(429, [("retry-after", "7")]).retry_after, 7)
        self.assertEqual(self.refusal(503, [("Retry-After", " 120 ")]).retry_after, 120)
        self.assertEqual(self.refusal(503, [("retry-after", later), DATE]).retry_after, 60)
        self.assertEqual(self.refusal(503, [("retry-after", earlier), DATE]).retry_after, 0)
        self.assertIsNone(self.refusal(503, [("retry-after", later)]).retry_after)
        for nonsense in ("", "-1", "soon", "Sun, 99 Foo 1994 08:50:37 GMT", "1e3", "²"):
            self.assertIsNone(self.refusal(503, [("retry-after", nonsense), DATE]).retry_after, nonsense)
        self.assertIsNone(self.refusal(404, [("retry-after", "7")]).retry_after)

    def test_dates(self) -> None:
        self.assertEqual(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), 0)
        self.assertEqual(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784_111_777)
        self.assertEqual(http_date("Thu, 29 Feb 2024 23:59:59 GMT"), 1_709_251_199)
        self.assertIsNone(http_date("Thu, 30 Feb 2024 23:59:59 GMT"))

    def test_an_excerpt_is_short_and_on_one_line(self) -> None:
        self.assertEqual(excerpt(b"a\r\n  b"), "a b")
        self.assertEqual(excerpt(b"\xff"), "")
        self.assertEqual(len(excerpt(("ä" * 500).encode())), 201)

    def test_json_that_does_not_fit_is_told_with_the_call(self) -> None:
        from jackfield import Failure

        with self.assertRaises(Failure) as caught:
            Response(200, Attributes(), b"[]", "GET x /").json(dict)
        self.assertEqual(caught.exception.name, "answer")
        self.assertEqual(
            str(caught.exception), "GET x /: the answer is not as expected: expected an object, found a list"
        )
        self.assertEqual(Response(200, Attributes(), b'{"a":1}').json(), {"a": 1})


class Urllib(HostTest):
    """`urllib.request`."""

    def setUp(self) -> None:
        """Our opener."""
        super().setUp()
        before = getattr(urllib.request, "_opener", None)
        self.addCleanup(urllib.request.install_opener, before)
        host_urllib.install()

    def test_urlopen_asks_the_host(self) -> None:
        send = self.answers(http, "send", http.Response(201, [("content-type", "text/plain")], b"ok"))
        request = urllib.request.Request("https://example.com/a?b=c#d", data=b"x", headers={"User-Agent": "me"})
        with urllib.request.urlopen(request, timeout=1.5) as answer:
            self.assertEqual((answer.status, answer.reason, answer.read()), (201, "Created", b"ok"))
            self.assertEqual(answer.headers["Content-Type"], "text/plain")
        (asked,) = send.call_args.args
        self.assertEqual((asked.connection, asked.method, asked.url), (None, "POST", "https://example.com/a?b=c"))
        self.assertEqual((asked.body, asked.timeout_ms), (b"x", 1500))
        names = {name.lower() for name, _ in asked.headers}
        self.assertEqual(names, {"content-type", "user-agent"})

    def test_a_refusal_is_what_urllib_calls_one(self) -> None:
        self.answers(http, "send", http.Response(404, [], b"gone"))
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen("http://example.com/")
        self.assertEqual((caught.exception.code, caught.exception.read()), (404, b"gone"))
        self.answers(http, "send", err(http.Error_AccessDenied("line")))
        with self.assertRaises(urllib.error.URLError) as refused:
            urllib.request.urlopen("http://example.com/")
        self.assertIsInstance(refused.exception.reason, AccessDenied)
