// Statements, messages, objects and mail.

import { type Context, DatabaseError, Failure } from "jackfield";
import { told } from "./told.ts";

interface Order {
  id: number;
  name: string | null;
  amount: string;
  paid: boolean;
  ratio: number;
  raw: Uint8Array | null;
  items: string;
  large: number | bigint;
}

export async function sql({ sql }: Context) {
  const parameters = [7, true, 1.5, "Zoë \u2603", Uint8Array.of(0, 255), null, 9_007_199_254_740_993n, -(2n ** 63n), { a: [1, null] }];
  const found = await sql.query<Order>("ledger", "select * from orders where n = any($1)", parameters);
  const orders = found.rows.map(({ id, name, amount, paid, ratio, raw, items, large }) => [
    id,
    name,
    amount,
    paid,
    ratio,
    raw === null ? null : [...raw],
    JSON.parse(items) as unknown,
    String(large),
  ]);
  const count = await sql.query<{ count: number }>("ledger", "select count(*) from orders");
  const none = await sql.query("ledger", "select id from orders where false");
  return {
    rows: orders,
    columns: found.columns.map(({ name, typeName }) => [name, typeName]),
    count: count.rows[0]?.count,
    none: none.rows.length,
  };
}

export async function sqlChanges({ sql }: Context) {
  const changed = await sql.execute("ledger", "update orders set paid = $1", [true]);
  const inserted = await sql.execute("ledger", "insert into orders (name) values ($1)", ["Zoë"]);
  const both = await sql
    .batch("ledger")
    .execute("insert into sales (n) values ($1)", [1])
    .execute("update stock set n = n - 1", [], { expectRows: 1 })
    .commit();
  const id = (id: number | bigint | undefined) => String(id ?? 0);
  return [[changed.rows, inserted.rows], [id(changed.lastId), id(inserted.lastId)], both.map(({ rows }) => rows)];
}

export async function sqlRefused({ sql }: Context) {
  const answers = [];
  const codes = [];
  for (let number = 0; number < 7; number++) {
    const refused = await sql.execute("ledger", "update orders set n = $1", [number]).then(() => undefined, (thrown: unknown) => thrown);
    codes.push(refused instanceof DatabaseError ? refused.code : "");
    answers.push([await told(() => Promise.reject(refused)), refused instanceof Failure && refused.retryable]);
  }
  const conflict = await told(() => sql.batch("ledger").execute("update stock set n = 0", [], { expectRows: 1 }).commit());
  return { answers, codes, conflict, denied: await told(() => sql.query("other", "select 1")) };
}

export async function messaging({ messaging }: Context) {
  await messaging.publish("broker", "orders.paid", { n: 12 }, { key: "7", headers: { tenant: "acme" } });
  await messaging.publishAll("broker", [
    { topic: "orders.empty" },
    { topic: "orders.csv", data: new TextEncoder().encode("a,ü"), contentType: "text/csv" },
  ]);
  const reply = await messaging.request("broker", "orders.ask", 1, { timeoutMs: 10_000 });
  return [reply.topic, reply.contentType ?? null, reply.headers.get("x-by") ?? null, reply.json()];
}

export async function messagingRefused({ messaging }: Context) {
  const answers = [];
  for (let number = 0; number < 4; number++) answers.push(await told(() => messaging.publish("broker", "orders.paid", 1)));
  answers.push(await told(() => messaging.request("broker", "orders.ask", 1)));
  answers.push(await told(() => messaging.publish("broker", "secret", 1)));
  return answers;
}

export async function blob({ blob }: Context) {
  const etag = await blob.put("files", "2026/ü.pdf", Uint8Array.of(0, 255), { contentType: "application/pdf", metadata: { order: 7 } });
  const known = await blob.stat("files", "2026/ü.pdf");
  if (known === undefined) throw new Failure("it is not there");
  const whole = await blob.get("files", "2026/ü.pdf");
  const part = await blob.getRange("files", "2026/ü.pdf", 1, 10);
  const missing = [(await blob.stat("files", "2026/no")) !== undefined, (await blob.get("files", "2026/no")) !== undefined];
  const listed: string[] = [];
  for await (const { name } of blob.list("files", "2026/")) listed.push(name);
  await blob.remove("files", "2026/ü.pdf");
  return {
    etag,
    known: [String(known.size), known.contentType ?? null, known.metadata.get("order") ?? null, known.etag],
    whole: [...(whole ?? [])],
    part: [...(part ?? [])],
    missing,
    listed,
  };
}

export async function blobRefused({ blob }: Context) {
  return [
    await told(() => blob.put("files", "2026/a", [1])),
    await told(() => blob.get("files", "2026/a")),
    await told(() => blob.remove("files", "2026/a")),
    await told(() => blob.get("files", "1999/a")),
  ];
}

export async function email({ email }: Context) {
  const short = await email.send("mail", { subject: "Hi", to: "a@example.com", text: "text" });
  const whole = await email.send("mail", {
    subject: "Grüße \u2603",
    sender: "Shop <shop@example.com>",
    to: ["a@example.com", "b@example.com"],
    cc: "c@example.com",
    bcc: "d@example.com",
    replyTo: "e@example.com",
    text: "text",
    html: '<img src="cid:logo">',
    headers: { "x-order": 7 },
    attachments: [
      { name: "a.txt", contentType: "text/plain", data: "Zoë" },
      { name: "logo.png", contentType: "image/png", data: Uint8Array.of(0, 255), contentId: "logo" },
    ],
  });
  return [short, whole];
}

export async function emailRefused({ email }: Context) {
  const send = (to: string) => told(() => email.send("mail", { subject: "Hi", to, text: "text" }));
  const answers = [];
  for (let number = 0; number < 3; number++) answers.push(await send("a@example.com"));
  answers.push(await send("a@elsewhere.example"));
  return answers;
}
