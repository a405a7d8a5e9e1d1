import assert from "node:assert/strict";
import { test } from "node:test";
import { Context, InDoubt, type Mail, Refused } from "../src/index.ts";
import { host, text, variant } from "./host.ts";

const { email } = new Context();

test("a mail says what it is told, and nothing else", async () => {
  let given: unknown;
  host.email.send = (connection, { attachments, ...rest }) => {
    given = [connection, { ...rest, attachments: attachments.map((one) => ({ ...one, data: text(one.data) })) }];
    return "<1@example.com>";
  };
  const nothing = { to: [], cc: [], bcc: [], replyTo: [], headers: [], attachments: [] };
  assert.equal(await email.send("mail", { to: "a@example.com", subject: "Grüße \u{2603}", text: "Hi" }), "<1@example.com>");
  assert.deepEqual(given, ["mail", { ...nothing, to: ["a@example.com"], subject: "Grüße \u{2603}", text: "Hi" }]);
  const mail: Mail = {
    sender: "Shop <shop@example.com>",
    to: ["a@example.com", "b@example.com"],
    cc: "c@example.com",
    bcc: ["d@example.com"],
    replyTo: "e@example.com",
    subject: "s",
    html: '<img src="cid:logo">',
    headers: { "x-order": 7, "x-none": undefined },
    attachments: [
      { name: "a.txt", contentType: "text/plain", data: "Zoë" },
      { name: "logo.png", contentType: "image/png", data: new TextEncoder().encode("png"), contentId: "logo" },
    ],
  };
  await email.send("mail", mail);
  assert.deepEqual(given, ["mail", {
    ...mail,
    cc: ["c@example.com"],
    replyTo: ["e@example.com"],
    headers: [["x-order", "7"]],
    attachments: [
      { name: "a.txt", contentType: "text/plain", data: "Zoë" },
      { name: "logo.png", contentType: "image/png", data: "png", contentId: "logo" },
    ],
  }]);
});

test("why it was not sent is typed", async () => {
  host.email.send = () => { throw variant("refused", "550 no such user"); };
  await assert.rejects(email.send("mail", { subject: "s" }), (thrown) => thrown instanceof Refused && !thrown.retryable);
  host.email.send = () => { throw variant("in-doubt", "x"); };
  await assert.rejects(email.send("mail", { subject: "s" }), InDoubt);
});
