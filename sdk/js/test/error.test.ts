import assert from "node:assert/strict";
import { test } from "node:test";
import * as sdk from "../src/error.ts";
import { variant } from "./host.ts";

const { call, Failure, failureOf, HttpStatus, Rejected } = sdk;

function info(thrown: unknown) {
  const failure = failureOf(thrown);
  assert.equal(failure.tag, "error");
  return failure.val as Exclude<typeof failure.val, string>;
}

test("an error of the language keeps its name and text and is worth another attempt", () => {
  const { name, message, retryable } = info(new TypeError("x is undefined"));
  assert.deepEqual([name, message, retryable], ["TypeError", "x is undefined", true]);
});

test("causes are told once", () => {
  const cause = new Error("no number", { cause: new Error("digit 3") });
  assert.equal(info(new Error("reading", { cause })).message, "reading: no number: digit 3");
  assert.equal(info(new Error("reading: no number: digit 3", { cause })).message, "reading: no number: digit 3");
  assert.equal(info(new AggregateError([new Error("first"), new Error("second")], "all failed")).message, "all failed: first");
  const round = new Error("a");
  round.cause = new Error("b", { cause: round });
  assert.equal(info(round).message, "a: b");
});

test("anything that is thrown becomes a failure", () => {
  assert.deepEqual(info("not today"), { name: "Error", message: "not today", retryable: true });
  assert.equal(info(undefined).message, "undefined");
  assert.equal(info({ code: 7 }).message, "{ code: 7 }");
  const bad = new Proxy({}, { get() { throw new Error("no"); }, has() { return true; } });
  assert.equal(info(bad).name, "Error");
});

test("a rejection is final unless somebody says otherwise", () => {
  assert.deepEqual(failureOf(new Rejected("no")), { tag: "rejected", val: "no" });
  const later = info(new Rejected("no", { retryAfterMs: 2000 }));
  assert.deepEqual([later.name, later.retryable, later.retryAfterMs], ["rejected", true, 2000]);
});

test("what is worth another attempt", () => {
  const kinds = { AccessDenied: false, Invalid: false, TooLarge: false, Rejected: false, Unavailable: true, Timeout: true, InDoubt: true, Quota: true } as const;
  for (const [kind, expected] of Object.entries(kinds)) {
    assert.equal(new sdk[kind as keyof typeof kinds]("x").retryable, expected, kind);
  }
  for (const status of [408, 425, 429, 500, 503, 599]) assert.equal(new HttpStatus(status, "x").retryable, true, String(status));
  for (const status of [301, 400, 401, 404, 409, 422]) assert.equal(new HttpStatus(status, "x").retryable, false, String(status));
});

test("a final error has no delay, and a delay fits the contract", () => {
  const final = new Failure("x", { retryable: false, retryAfterMs: 1000 });
  assert.deepEqual([final.retryable, final.retryAfterMs], [false, undefined]);
  assert.equal(info(new Failure("x", { retryAfterMs: 1e15 })).retryAfterMs, 0xffff_ffff);
  assert.equal(info(new Failure("x", { retryAfterMs: 0.1 })).retryAfterMs, 1);
});

test("a name groups failures", () => {
  assert.equal(info(new Failure("x", { name: "not-there" })).name, "not-there");
  assert.equal(info(new Failure("x")).name, "Error");
  assert.equal(String(new HttpStatus(500, "x")), "http-status: x");
});

test("the variant of an interface becomes a typed error", () => {
  const tags = { "access-denied": "AccessDenied", invalid: "Invalid", unavailable: "Unavailable", timeout: "Timeout", "in-doubt": "InDoubt", "too-large": "TooLarge", quota: "Quota" } as const;
  for (const [tag, kind] of Object.entries(tags)) {
    assert.throws(() => call(() => { throw variant(tag, "why"); }, "GET x /"), (thrown) => {
      assert(thrown instanceof sdk[kind]);
      assert.deepEqual([thrown.name, thrown.message], [tag, "GET x /: why"]);
      return true;
    });
  }
  // One that the project's own import of an interface threw.
  assert.deepEqual([info(variant("in-doubt", "why")).name, info(variant("access-denied", "why")).retryable], ["in-doubt", false]);
});

test("what is no variant passes as it is", () => {
  const fault = new TypeError("invalid u32");
  assert.throws(() => call(() => { throw fault; }), (thrown) => thrown === fault);
  assert.equal(info(variant("constructor", "x")).name, "Error");
});
