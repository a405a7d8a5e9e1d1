// Calls to the outside.

import { type Context, type Event, Failure } from "jackfield";
import { args, told } from "./told.ts";

type Bytes = Event<Uint8Array>;

export async function methods({ http }: Context) {
  const responses = [
    await http.get("outside", "/things/1"),
    await http.head("outside", "/things/1"),
    await http.post("outside", "/things", { body: "made" }),
    await http.put("outside", "/things/1", { body: "put" }),
    await http.patch("outside", "/things/1", { body: "patched" }),
    await http.delete("outside", "/things/1"),
    await http.request("OPTIONS", "outside", "/things/1"),
  ];
  return responses.map((response) => response.status);
}

export async function url({ http }: Context, event: Bytes) {
  const { base } = args<{ base: string }>(event);
  const got = await http.get(`${base}/a?b=c`);
  const posted = await http.post(`${base}/a`, { json: { by: "url" } });
  const put = await http.request("PUT", `${base}/a`, { body: "x" });
  const elsewhere = await told(() => http.get("http://elsewhere.example/"));
  return [got.status, posted.status, put.status, elsewhere];
}

export async function headers({ http }: Context) {
  const response = await http.get("outside", "/headers", {
    headers: [
      ["X-One", "1"],
      ["x-two", "a"],
      ["x-two", "b"],
    ],
  });
  const { headers } = response;
  return { one: headers.get("X-ONE"), many: headers.getAll("X-Many"), none: headers.get("x-none") ?? null };
}

export async function query({ http }: Context) {
  const response = await http.get("outside", "/search?fixed=1", {
    query: [
      ["q", "a b&c=d/ü"],
      ["n", 5],
      ["yes", true],
      ["empty", ""],
      ["n", 6],
    ],
  });
  return response.status;
}

export async function bodies({ http }: Context) {
  const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const value = { text: "Zoë \u2603", list: [1, 2.5, null, true] };
  const responses = [
    await http.post("outside", "/json", { json: value }),
    await http.post("outside", "/text", { headers: { "content-type": "text/plain" }, body: "Zoë" }),
    await http.post("outside", "/bytes", { headers: { "content-type": "application/octet-stream" }, body: everyByte }),
    await http.post("outside", "/form", { form: { a: "1 2", b: "ü&" } }),
    await http.put("outside", "/own", { headers: { "Content-Type": "application/vnd.acme+json" }, json: [1] }),
    await http.post("outside", "/nothing"),
  ];
  return responses.map((response) => response.status);
}

export async function files({ http, run }: Context) {
  const form = new FormData();
  form.append("note", "Zoë \u2603");
  form.append("report", new Blob(["a;b\r\n1;\u2603\r\n"], { type: "text/csv" }), "Zoë.csv");
  form.append("raw", new Blob([Uint8Array.of(0, 1, 13, 10, 45, 45)]), "x");
  const response = await http.post("outside", "/files", { form });
  if (run.attempt === 1) throw new Failure("the first attempt ends here");
  return response.status;
}

export async function answers({ http }: Context) {
  const get = (path: string) => http.get("outside", path);
  const bytes = (await get("/bytes")).bytes();
  const empty = await get("/empty");
  return {
    json: (await get("/json")).json(),
    text: (await get("/text")).text(),
    bytes: bytes.reduce((sum, byte) => sum + byte, 0),
    length: bytes.length,
    broken: (await get("/broken")).text(),
    zipped: (await get("/zipped")).text(),
    empty: [empty.text().length, empty.bytes().length],
    nothing: empty.json(),
  };
}

export async function statuses({ http }: Context) {
  const answered = [];
  for (const status of [200, 204, 301, 400, 404, 418, 422, 500]) {
    const response = await http.get("outside", `/status/${status}`);
    answered.push([response.status, response.ok]);
  }
  return answered;
}

export async function errorForStatus({ http }: Context, event: Bytes) {
  const { path } = args<{ path: string }>(event);
  const response = await http.get("outside", path);
  return response.errorForStatus().status;
}

export async function redirects({ http }: Context) {
  const itself = await http.get("outside", "/old");
  const followed = await http.get("outside", "/old", { maxRedirects: 2 });
  return [itself.status, itself.headers.get("location"), followed.status, followed.text()];
}

/** Tells of a call that is to fail, or fails with it. */
async function caught(event: Bytes, call: () => Promise<unknown>) {
  const { caught } = args<{ caught: boolean }>(event);
  return caught ? told(call) : call();
}

export const timeout = ({ http }: Context, event: Bytes) =>
  caught(event, () => http.get("outside", "/silence", { timeoutMs: 300 }));

export const inDoubt = ({ http }: Context, event: Bytes) =>
  caught(event, () => http.post("outside", "/orders", { json: { order: 7 } }));

export const unavailable = ({ http }: Context, event: Bytes) => caught(event, () => http.get("closed", "/"));

export const denied = ({ http }: Context, event: Bytes) => caught(event, () => http.post("outside", "/open/1"));

export async function tooLarge({ http }: Context) {
  return [
    await told(() => http.post("outside", "/", { body: "x".repeat(65_537) })),
    await told(() => http.get("outside", "/bytes/65537")),
    await told(() => http.post("outside", "/", { body: "x".repeat(65_536) })),
  ];
}

export async function invalid({ http }: Context) {
  return [
    await told(() => http.request("get", "outside", "/")),
    await told(() => http.request("CONNECT", "outside", "/")),
    await told(() => http.get("outside", "no/slash")),
    await told(() => http.get("outside", "/a b")),
    await told(() => http.get("outside", "/../..")),
    await told(() => http.get("outside", "/", { headers: { Host: "example.com" } })),
    await told(() => http.get("outside", "/", { headers: { "bad name": "1" } })),
    await told(() => http.get("outside", "/", { headers: { "x-bad": "1\n2" } })),
    await told(() => http.get("ftp://example.com/")),
  ];
}

/** What a parser is for: a type alone would not look. */
function numbered(data: unknown): { number: number } {
  const { number } = data as { number?: unknown };
  if (typeof number !== "number") throw new TypeError("`number` is missing, or is no number");
  return { number };
}

export async function unfit({ http }: Context) {
  const text = await http.get("outside", "/text");
  const other = await http.get("outside", "/other");
  return [await told(async () => text.json()), await told(async () => other.json(numbered)), await told(async () => text.bytes())];
}

export async function once({ http, run }: Context) {
  const response = await http.post("outside", "/orders", { json: { order: 8 } });
  if (run.attempt === 1) throw new Failure("the first attempt ends here");
  return response.json();
}

/** The client of the platform itself. */
export async function own(_: Context, event: Bytes) {
  const { base } = args<{ base: string }>(event);
  const got = await fetch(`${base}/a?b=c`);
  const posted = await fetch(`${base}/a`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ by: "its own client" }),
  });
  const missing = await fetch(`${base}/status/404`);
  let denied = false;
  try {
    await fetch("http://elsewhere.example/");
  } catch {
    denied = true;
  }
  return [got.status, await got.json(), posted.status, missing.status, denied];
}
