// Statements on databases.

import * as host from "jackfield:plugin/sql@0.1.0";
import { own } from "./bytes.ts";
import { call, Failure, Invalid } from "./error.ts";
import { written } from "./output.ts";
import { apply, type Parser, problem } from "./parse.ts";

/**
 * A value in a row. A whole number is a number if a number holds it exactly (`Number.MAX_SAFE_INTEGER`), otherwise a
 * bigint. Decimals, dates, times, UUIDs and JSON are text, in the database's form.
 */
export type SqlValue = null | boolean | number | bigint | string | Uint8Array;

/**
 * What can be a parameter: besides the values of rows a `Date` (as ISO 8601 text, in UTC), and any other object or array,
 * which is written as JSON. Texts are cast by the database. A number that is whole is sent as an integer; a bigint over 64
 * bits as text.
 */
export type SqlParameter = SqlValue | ArrayBuffer | Date | object;

/** A column. */
export type Column = Readonly<host.Column>;

/** The rows that a statement returned, as objects by the names of the columns. */
export interface Table<T> {
  rows: T[];
  /** The columns in order, with the database's own names of their types. */
  columns: Column[];
}

/** What a statement did. */
export interface Change {
  /** How many rows it changed. */
  rows: number;
  /**
   * The key that the database gave to the last inserted row, where it says so (MySQL, SQLite). Elsewhere use `returning`
   * with `query`.
   */
  lastId: number | bigint | undefined;
}

/** What is expected of a statement of a batch. */
export interface StepOptions {
  /** If the statement changes another number of rows, the whole batch is undone and fails with `Conflict`. */
  expectRows?: number | undefined;
}

/**
 * Statements on database connections of the manifest. Parameters go apart from the text, which has the placeholders of the
 * database: `$1` in PostgreSQL, `?` elsewhere.
 *
 * No transaction stays open between calls: what belongs together goes into one `batch`. What changed something and
 * succeeded is not done again: a run that is tried again gets the recorded answer.
 *
 * A statement that the database refuses is a `DatabaseError`, whose `code` is the SQLSTATE.
 */
export class Sql {
  /**
   * Runs one statement and returns its rows: at most 10,000 and 4 MiB, unless the manifest says otherwise. The type of a
   * row is taken at its word, unless a parser checks each.
   */
  async query<T = Record<string, SqlValue>>(
    connection: string,
    text: string,
    parameters: readonly SqlParameter[] = [],
    parser?: Parser<T>,
  ): Promise<Table<T>> {
    const statement = statementOf(text, parameters);
    const { columns, rows } = call(() => host.query(connection, statement));
    return { columns, rows: rows.map((row, number) => rowOf(columns, row, number + 1, parser)) };
  }

  /** Runs one statement for its effect. */
  async execute(connection: string, text: string, parameters: readonly SqlParameter[] = []): Promise<Change> {
    const statement = statementOf(text, parameters);
    return changeOf(call(() => host.execute(connection, statement)));
  }

  /** Begins a batch: all its statements are done, or none. */
  batch(connection: string): SqlBatch {
    return new SqlBatch(connection);
  }
}

/** Statements that are done together, in one transaction, by `commit`. At most 100. */
export class SqlBatch {
  readonly #connection: string;
  readonly #steps: host.Step[] = [];

  constructor(connection: string) {
    this.#connection = connection;
  }

  /** Adds a statement. */
  execute(text: string, parameters: readonly SqlParameter[] = [], { expectRows }: StepOptions = {}): this {
    if (expectRows !== undefined && !(Number.isInteger(expectRows) && expectRows >= 0 && expectRows <= 0xffff_ffff)) {
      throw new Invalid(`expectRows is a number of rows, not ${expectRows}`);
    }
    this.#steps.push({ statement: statementOf(text, parameters), ...(expectRows === undefined ? {} : { expectRows }) });
    return this;
  }

  /** Does all statements in order, or none. What each of them did, in their order. */
  async commit(): Promise<Change[]> {
    return call(() => host.batch(this.#connection, this.#steps)).map(changeOf);
  }
}

function statementOf(text: string, parameters: readonly SqlParameter[]): host.Statement {
  // Not `map`, which skips what an array does not have.
  return { text, parameters: Array.from(parameters, (parameter, index) => valueOf(parameter, index + 1)) };
}

function valueOf(parameter: unknown, number: number): host.Value {
  switch (typeof parameter) {
    case "boolean":
      return { tag: "boolean", val: parameter };
    case "number":
      return Number.isSafeInteger(parameter) ? { tag: "integer", val: BigInt(parameter) } : { tag: "float", val: parameter };
    case "bigint":
      return BigInt.asIntN(64, parameter) === parameter
        ? { tag: "integer", val: parameter }
        : { tag: "text", val: String(parameter) };
    case "string":
      return { tag: "text", val: parameter };
    case "object":
      return parameter === null ? { tag: "null" } : objectOf(parameter, number);
    case "undefined":
      // A property that is misspelt would become a null, and nobody would see it.
      throw new Invalid(`parameter ${number} is undefined: SQL's null is null`);
    default:
      throw new Invalid(`parameter ${number} is a ${typeof parameter}, which no database takes`);
  }
}

function objectOf(parameter: object, number: number): host.Value {
  if (ArrayBuffer.isView(parameter)) {
    return { tag: "bytes", val: new Uint8Array(parameter.buffer, parameter.byteOffset, parameter.byteLength) };
  }
  if (parameter instanceof ArrayBuffer) return { tag: "bytes", val: new Uint8Array(parameter) };
  if (parameter instanceof Date) {
    if (Number.isNaN(parameter.getTime())) throw new Invalid(`parameter ${number} is no valid date`);
    return { tag: "text", val: parameter.toISOString() };
  }
  return { tag: "text", val: new TextDecoder().decode(written(parameter, `parameter ${number}`)) };
}

function rowOf<T>(columns: host.Column[], row: host.Value[], number: number, parser: Parser<T> | undefined): T {
  const read = Object.fromEntries(columns.map(({ name }, index) => [name, readable(row[index] ?? { tag: "null" })]));
  try {
    return apply(parser, read);
  } catch (thrown) {
    if (thrown instanceof Failure) throw thrown;
    throw new Failure(`row ${number} is not as expected: ${problem(thrown)}`, { name: "answer" });
  }
}

function readable(value: host.Value): SqlValue {
  switch (value.tag) {
    case "null":
      return null;
    case "integer":
      return integer(value.val);
    case "bytes":
      return own(value.val);
    default:
      return value.val;
  }
}

function changeOf({ rows, lastId }: host.Change): Change {
  return { rows, lastId: lastId === undefined ? undefined : integer(lastId) };
}

function integer(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
