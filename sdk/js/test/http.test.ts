import assert from "node:assert/strict";
import { test } from "node:test";
import { Attributes, Context, HttpStatus, Invalid, Unavailable } from "../src/index.ts";
import { describe, excerpt, requestOf, Response } from "../src/http.ts";
import { httpDate, retryAfterMs } from "../src/retry-after.ts";
import { foreign, host, text, variant } from "./host.ts";

const response = (status: number, headers: [string, string][] = [], body = "") =>
  new Response({ status, headers, body: foreign(body) }, "GET github /user");

test("a request is what its options say", () => {
  const request = requestOf("POST", "github", "/repos/acme/app/issues?a=1", {
    query: { q: "number=FR 1042&ä", left: undefined, page: 2, "it's": "(*)!" },
    headers: { "x-a": "b" },
    json: { title: "x" },
    timeoutMs: 2999.5,
    maxRedirects: 2,
  });
  assert.equal(request.url, "/repos/acme/app/issues?a=1&q=number%3DFR%201042%26%C3%A4&page=2&it%27s=%28%2A%29%21");
  assert.deepEqual(request.headers, [["x-a", "b"], ["content-type", "application/json"]]);
  assert.deepEqual([request.connection, request.timeoutMs, request.maxRedirects], ["github", 3000, 2]);
  assert.equal(text(request.body), '{"title":"x"}');
});

test("a name may occur more than once in a query of pairs", () => {
  assert.equal(requestOf("GET", "x", "/", { query: [["l", "a"], ["l", "b"]] }).url, "/?l=a&l=b");
  assert.equal(requestOf("GET", "x", "/", { query: new URLSearchParams("a=b c") }).url, "/?a=b%20c");
});

test("a content type that is set stays", () => {
  assert.equal(requestOf("POST", "x", "/", { headers: { "Content-Type": "application/vnd.x+json" }, json: 1 }).headers.length, 1);
  const form = requestOf("POST", undefined, "https://x/", { form: [["a b", "c&d"], ["e", ""]] });
  assert.equal(text(form.body), "a%20b=c%26d&e=");
  assert(!("connection" in form));
});

test("a body may be text or bytes, and there is one", () => {
  assert.equal(text(requestOf("POST", "x", "/", { body: "ä" }).body), "ä");
  assert.deepEqual([...requestOf("POST", "x", "/", { body: new Uint8Array([1, 2]).buffer }).body], [1, 2]);
  assert.equal(requestOf("GET", "x", "/").body.length, 0);
  assert.throws(() => requestOf("POST", "x", "/", { body: "a", json: 1 }), /one body, not json and body/);
});

test("what cannot be sent is told by the promise", async () => {
  await assert.rejects(new Context().http.post("x", "/", { json: 1n }), (thrown) => thrown instanceof Invalid && /the body is not JSON/.test(thrown.message));
});

test("a call goes by its connection or to a URL", async () => {
  const sent: unknown[] = [];
  host.http.send = ({ method, connection, url, headers }) => {
    sent.push([method, connection, url, headers.length]);
    return { status: 200, headers: [["x-a", "b"]], body: foreign('{"id":7}') };
  };
  const { http } = new Context();
  const answer = await http.get("github", "/user", { headers: { a: "b" } });
  assert.deepEqual([answer.status, answer.ok, answer.headers.get("X-A"), answer.text()], [200, true, "b", '{"id":7}']);
  assert.equal(answer.json<{ id: number }>().id, 7);
  assert(answer.bytes() instanceof Uint8Array);
  await http.delete("https://example.com/x", { headers: { a: "b" } });
  await http.request("PROPFIND", "dav", "/x");
  await http.request("GET", "https://example.com/y");
  assert.deepEqual(sent, [["GET", "github", "/user", 1], ["DELETE", undefined, "https://example.com/x", 1], ["PROPFIND", "dav", "/x", 0], ["GET", undefined, "https://example.com/y", 0]]);
});

test("why there is no response is a typed error without the query", async () => {
  host.http.send = () => { throw variant("unavailable", "connection refused"); };
  await assert.rejects(new Context().http.get("x", "/a", { query: { token: "t" } }), (thrown) => {
    assert(thrown instanceof Unavailable);
    assert.equal(thrown.message, "GET x /a: connection refused");
    return true;
  });
  assert.equal(describe(requestOf("GET", undefined, "https://x/a#b?c")), "GET https://x/a");
});

test("refusals are final and breakdowns are not", () => {
  assert.throws(() => response(422, [], '{\n  "message": "no"\n}').errorForStatus(), (thrown) => {
    assert(thrown instanceof HttpStatus);
    assert.deepEqual([thrown.message, thrown.status, thrown.retryable], ['GET github /user: 422: { "message": "no" }', 422, false]);
    return true;
  });
  assert.throws(() => response(500).errorForStatus(), { retryable: true, message: "GET github /user: 500" });
  assert.throws(() => response(302).errorForStatus());
  const fine = response(204);
  assert.equal(fine.errorForStatus(), fine);
});

test("an answer that is not as expected says of which call", () => {
  assert.throws(() => response(200, [], "<html>").json(), (thrown: Error) => thrown.name === "answer" && thrown.message.startsWith("GET github /user: the answer is not as expected: "));
  assert.throws(() => response(200, [], "{}").json(() => { throw new TypeError("missing field `id`"); }), { message: "GET github /user: the answer is not as expected: missing field `id`" });
});

test("retry-after is honoured where a retry makes sense", () => {
  const date: [string, string] = ["date", "Sun, 06 Nov 1994 08:49:37 GMT"];
  const delay = (status: number, ...headers: [string, string][]) => {
    try {
      response(status, headers).errorForStatus();
      return assert.fail();
    } catch (thrown) {
      return (thrown as HttpStatus).retryAfterMs;
    }
  };
  assert.equal(delay(429, ["retry-after", "7"]), 7_000);
  assert.equal(delay(503, ["Retry-After", " 120 "]), 120_000);
  assert.equal(delay(503, ["retry-after", "Sun, 06 Nov 1994 08:50:37 GMT"], date), 60_000);
  assert.equal(delay(503, ["retry-after", "Sun, 06 Nov 1994 08:48:37 GMT"], date), 0);
  assert.equal(delay(503, ["retry-after", "Sun, 06 Nov 1994 08:50:37 GMT"]), undefined);
  for (const nonsense of ["", "-1", "soon", "Sun, 99 Foo 1994 08:50:37 GMT", "1e3"]) assert.equal(delay(503, ["retry-after", nonsense], date), undefined, nonsense);
  assert.equal(delay(404, ["retry-after", "7"]), undefined);
  assert.equal(retryAfterMs(new Attributes()), undefined);
});

test("dates are counted across leap days", () => {
  assert.equal(httpDate("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
  assert.equal(httpDate("Thu, 29 Feb 2024 23:59:59 GMT"), 1_709_251_199_000);
  assert.equal(httpDate("Fri, 01 Mar 2024 00:00:00 GMT"), 1_709_251_200_000);
});

test("an excerpt is short and on one line", () => {
  assert.equal(excerpt(foreign("a\r\n  b")), "a b");
  assert.equal(excerpt(foreign([0xff])), "");
  assert.equal([...excerpt(foreign("ä".repeat(500)))].length, 201);
});
