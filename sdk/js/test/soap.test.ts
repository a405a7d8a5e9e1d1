import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Context, Failure, Invalid, soap, SoapFault, xmlElement } from "../src/index.ts";
import { foreign, host, text } from "./host.ts";

const { http } = new Context();

interface Case {
  name: string;
  status: number;
  body: string;
  answer?: { body: string; header: string; texts: Record<string, string[]> };
  fault?: { code: string; reason: string; detail: string; retryable: boolean; message: string };
  error?: string;
  message?: string;
}

const { answers } = JSON.parse(readFileSync("../../tests/soap/answers.json", "utf8")) as { answers: Case[] };

for (const { name, status, body, answer, fault, error, message } of answers) {
  test(`soap: ${name}`, async () => {
    host.http.send = () => ({ status, headers: [], body: foreign(body) });
    const asked = soap(http, "crm", "/ws?wsdl", { body: "<a/>" });
    if (answer !== undefined) {
      const got = await asked;
      assert.deepEqual([got.body, got.header], [answer.body, answer.header]);
      for (const [name, texts] of Object.entries(answer.texts)) {
        assert.deepEqual([got.texts(name), got.text(name)], [texts, texts[0]]);
      }
      return;
    }
    const thrown = await asked.then(() => assert.fail("it was answered"), (thrown: Failure) => thrown);
    if (fault !== undefined) {
      assert(thrown instanceof SoapFault);
      const { code, reason, detail, retryable, message } = thrown;
      assert.deepEqual({ code, reason, detail, retryable, message }, fault);
      assert.equal(thrown.name, "soap-fault");
    } else {
      assert.equal(thrown.name, error);
      assert(thrown.message.startsWith(message ?? ""), thrown.message);
    }
  });
}

test("an envelope is sent with the headers of its version", async () => {
  const sent: unknown[] = [];
  host.http.send = ({ method, url, headers, body, timeoutMs }) => {
    sent.push([method, url, headers, text(body), timeoutMs]);
    return { status: 200, headers: [], body: foreign(answers[2]?.body ?? "") };
  };
  const body = xmlElement("GetOrder", { id: 7, name: 'a<b>&"c"', items: { item: ["x", true] }, none: undefined, empty: "" }, "urn:orders");
  await soap(http, "crm", "/ws", { body, action: 'urn:"get"', header: "<h/>", timeoutMs: 5, headers: { "x-a": 1 } });
  await soap(http, "crm", "/ws", { body: "<a/>", action: "urn:get", version: "1.2" });
  await soap(http, "crm", "/ws", { body: "<a/>" });
  const xml = '<?xml version="1.0" encoding="utf-8"?>';
  assert.deepEqual(sent, [
    ["POST", "/ws", [["x-a", "1"], ["content-type", "text/xml; charset=utf-8"], ["soapaction", '"urn:\\"get\\""']], `${xml}<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Header><h/></soap:Header><soap:Body><GetOrder xmlns="urn:orders"><id>7</id><name>a&lt;b&gt;&amp;&quot;c&quot;</name><items><item>x</item><item>true</item></items><empty></empty></GetOrder></soap:Body></soap:Envelope>`, 5],
    ["POST", "/ws", [["content-type", 'application/soap+xml; charset=utf-8; action="urn:get"']], `${xml}<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope"><soap:Body><a/></soap:Body></soap:Envelope>`, undefined],
    ["POST", "/ws", [["content-type", "text/xml; charset=utf-8"], ["soapaction", '""']], `${xml}<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><a/></soap:Body></soap:Envelope>`, undefined],
  ]);
});

test("an element has a name, and text that XML can say", () => {
  for (const name of ["", "1a", "a b", "a>", "-a"]) assert.throws(() => xmlElement(name, ""), Invalid);
  assert.equal(xmlElement("ä:b", "\u0000\ud800\u{1f600}\r"), "<ä:b>\uFFFD\uFFFD\u{1f600}&#13;</ä:b>");
  assert.equal(xmlElement("a", [1, null, 2n]), "<a>1</a><a>2</a>");
});

test("what is nested too deep, or was made to take long, is told at once", async () => {
  const answer = (body: string) => {
    host.http.send = () => ({ status: 200, headers: [], body: foreign(body) });
    return soap(http, "crm", "/ws", { body: "" });
  };
  await assert.rejects(answer("<a>".repeat(100_000)), { name: "answer" });
  const begun = performance.now();
  await assert.rejects(answer(`<a ${" ".repeat(100_000)}`), { name: "answer" });
  await assert.rejects(answer(`<a ${"b='' ".repeat(50_000)}`), { name: "answer" });
  assert(performance.now() - begun < 5_000);
});
