import assert from "node:assert/strict";
import { test } from "node:test";
import { AccessDenied, Conflict, Context, DatabaseError, InDoubt, Invalid, type SqlParameter, Unavailable } from "../src/index.ts";
import { foreign, host, variant } from "./host.ts";

const { sql } = new Context();
const int8 = (name: string) => ({ name, typeName: "int8" });

/** The host's values for parameters. */
async function sent(...parameters: SqlParameter[]): Promise<unknown> {
  let given: unknown;
  host.sql.query = (_, statement) => ((given = statement.parameters), { columns: [], rows: [] });
  await sql.query("ledger", "select", parameters);
  return given;
}

test("parameters become the values they are", async () => {
  assert.deepEqual(await sent(true, 7, -0, 2 ** 53, 1.5, 7n, -(2n ** 63n), 2n ** 63n, "Zoë \u{2603}", null), [
    { tag: "boolean", val: true },
    { tag: "integer", val: 7n },
    { tag: "integer", val: 0n },
    { tag: "float", val: 2 ** 53 },
    { tag: "float", val: 1.5 },
    { tag: "integer", val: 7n },
    { tag: "integer", val: -(2n ** 63n) },
    { tag: "text", val: "9223372036854775808" },
    { tag: "text", val: "Zoë \u{2603}" },
    { tag: "null" },
  ]);
  const bytes = Uint8Array.of(9, 0, 255, 9);
  assert.deepEqual(await sent(bytes.subarray(1, 3), bytes.buffer, new Date(0), { a: [1, null], d: new Date(0) }, ["ü"]), [
    { tag: "bytes", val: Uint8Array.of(0, 255) },
    { tag: "bytes", val: bytes },
    { tag: "text", val: "1970-01-01T00:00:00.000Z" },
    { tag: "text", val: '{"a":[1,null],"d":"1970-01-01T00:00:00.000Z"}' },
    { tag: "text", val: '["ü"]' },
  ]);
  const seen = await sent(foreign([0, 255]));
  assert.deepEqual(seen, [{ tag: "bytes", val: Uint8Array.of(0, 255) }]);
});

test("what no database takes is told before it is sent", async () => {
  host.sql.query = () => assert.fail("it was sent");
  const refused = (parameter: unknown) => sql.query("ledger", "select", [1, parameter as SqlParameter]);
  await assert.rejects(refused(undefined), { name: "invalid", message: "parameter 2 is undefined: SQL's null is null" });
  await assert.rejects(refused(new Date(Number.NaN)), { name: "invalid", message: "parameter 2 is no valid date" });
  await assert.rejects(refused(() => {}), Invalid);
  await assert.rejects(refused({ a: 1n }), Invalid);
  assert.throws(() => sql.batch("ledger").execute("update", [], { expectRows: -1 }), Invalid);
});

test("rows are objects, and whole numbers are numbers where they are exact", async () => {
  const columns = ["id", "large", "least", "ratio", "name", "paid", "raw", "none", "__proto__"].map(int8);
  host.sql.query = (connection, statement) => {
    assert.deepEqual([connection, statement], ["ledger", { text: "select $1", parameters: [] }]);
    return {
      columns,
      rows: [[
        { tag: "integer", val: 9_007_199_254_740_991n },
        { tag: "integer", val: 9_007_199_254_740_992n },
        { tag: "integer", val: -(2n ** 63n) },
        { tag: "float", val: 0.5 },
        { tag: "text", val: "12.50" },
        { tag: "boolean", val: false },
        { tag: "bytes", val: foreign([0, 255]) },
        { tag: "null" },
        { tag: "text", val: "own" },
      ]],
    };
  };
  const found = await sql.query("ledger", "select $1");
  assert.deepEqual(found.columns, columns);
  const { raw, ...rest } = found.rows[0] ?? {};
  assert(raw instanceof Uint8Array && raw[1] === 255);
  assert.deepEqual(Object.entries(rest), [["id", 9_007_199_254_740_991], ["large", 9_007_199_254_740_992n], ["least", -(2n ** 63n)], ["ratio", 0.5], ["name", "12.50"], ["paid", false], ["none", null], ["__proto__", "own"]]);
});

test("a parser checks every row", async () => {
  host.sql.query = () => ({ columns: [int8("id")], rows: [[{ tag: "integer", val: 1n }], [{ tag: "null" }]] });
  const parse = (row: unknown): number => {
    const { id } = row as { id: unknown };
    if (typeof id !== "number") throw new TypeError("id is missing");
    return id;
  };
  await assert.rejects(sql.query("ledger", "select", [], parse), { name: "answer", message: "row 2 is not as expected: id is missing" });
  host.sql.query = () => ({ columns: [int8("id")], rows: [[{ tag: "integer", val: 1n }]] });
  assert.deepEqual((await sql.query("ledger", "select", [], { parse })).rows, [1]);
});

test("what was done is told, by one statement or by a batch", async () => {
  host.sql.execute = () => ({ rows: 2, lastId: 7n });
  assert.deepEqual(await sql.execute("ledger", "insert"), { rows: 2, lastId: 7 });
  let given: unknown;
  host.sql.batch = (connection, steps) => ((given = [connection, steps]), [{ rows: 1 }, { rows: 0, lastId: 2n ** 60n }]);
  const done = await sql.batch("ledger").execute("insert", [1]).execute("update", [], { expectRows: 0 }).commit();
  assert.deepEqual(done, [{ rows: 1, lastId: undefined }, { rows: 0, lastId: 2n ** 60n }]);
  assert.deepEqual(given, ["ledger", [
    { statement: { text: "insert", parameters: [{ tag: "integer", val: 1n }] } },
    { statement: { text: "update", parameters: [] }, expectRows: 0 },
  ]]);
});

test("every refusal keeps its kind, and the database's code", async () => {
  const failing = (tag: string, val: unknown) => {
    host.sql.execute = () => { throw variant(tag, val); };
    return sql.execute("ledger", "insert");
  };
  await assert.rejects(failing("access-denied", "sql = […]"), AccessDenied);
  await assert.rejects(failing("conflict", "x"), (thrown) => thrown instanceof Conflict && thrown.retryable);
  await assert.rejects(failing("in-doubt", "x"), InDoubt);
  await assert.rejects(failing("unavailable", "x"), Unavailable);
  const database = async (code: string) => failing("database", { code, message: "no" }).then(() => assert.fail(), (thrown) => thrown as DatabaseError);
  const unique = await database("23505");
  assert.deepEqual([unique instanceof DatabaseError, unique.name, unique.code, unique.message, unique.retryable], [true, "database", "23505", "no (23505)", false]);
  assert.deepEqual([(await database("57014")).retryable, (await database("53300")).retryable], [true, true]);
  const without = await database("");
  assert.deepEqual([without.code, without.message, without.retryable], ["", "no", false]);
});
