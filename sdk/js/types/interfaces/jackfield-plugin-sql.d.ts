declare module 'jackfield:plugin/sql@0.1.0' {
  /**
   * Runs one statement and returns its rows.
   */
  export function query(connection: string, statement: Statement): Table;
  /**
   * Runs one statement for its effect.
   */
  export function execute(connection: string, statement: Statement): Change;
  /**
   * Runs up to 100 statements in one transaction: all or none.
   */
  export function batch(connection: string, steps: Array<Step>): Array<Change>;
  export interface DatabaseError {
    /**
     * SQLSTATE, five characters; empty if the database has none.
     */
    code: string,
    message: string,
  }
  /**
   * Why a call failed. Nothing was changed, except perhaps by `in-doubt`.
   */
  export type Error = ErrorAccessDenied | ErrorDatabase | ErrorConflict | ErrorUnavailable | ErrorTimeout | ErrorInDoubt | ErrorTooLarge;
  /**
   * The manifest does not grant this. The text is the line to add.
   */
  export interface ErrorAccessDenied {
    tag: 'access-denied',
    val: string,
  }
  /**
   * The database refused the statement.
   */
  export interface ErrorDatabase {
    tag: 'database',
    val: DatabaseError,
  }
  /**
   * A step of a batch changed another number of rows than expected, or
   * the database gave up because of other transactions; try again.
   */
  export interface ErrorConflict {
    tag: 'conflict',
    val: string,
  }
  /**
   * The database cannot be reached.
   */
  export interface ErrorUnavailable {
    tag: 'unavailable',
    val: string,
  }
  /**
   * No answer to a query within the time.
   */
  export interface ErrorTimeout {
    tag: 'timeout',
    val: string,
  }
  /**
   * Sent, and the connection broke before the answer: it may have been
   * done. Never where the host's ledger table is installed.
   */
  export interface ErrorInDoubt {
    tag: 'in-doubt',
    val: string,
  }
  /**
   * More rows or bytes than the limit. Use `limit` in the statement.
   */
  export interface ErrorTooLarge {
    tag: 'too-large',
    val: string,
  }
  /**
   * A value in a row or a parameter.
   */
  export type Value = ValueNull | ValueBoolean | ValueInteger | ValueFloat | ValueText | ValueBytes;
  export interface ValueNull {
    tag: 'null',
  }
  export interface ValueBoolean {
    tag: 'boolean',
    val: boolean,
  }
  /**
   * In JavaScript a BigInt.
   */
  export interface ValueInteger {
    tag: 'integer',
    val: bigint,
  }
  export interface ValueFloat {
    tag: 'float',
    val: number,
  }
  /**
   * Also for decimals, dates, times, UUIDs and JSON, in the database's
   * text form, and cast by it from text when used as a parameter.
   */
  export interface ValueText {
    tag: 'text',
    val: string,
  }
  export interface ValueBytes {
    tag: 'bytes',
    val: Uint8Array,
  }
  export interface Statement {
    /**
     * The text with the placeholders of the database: `$1` in PostgreSQL,
     * `?` elsewhere.
     */
    text: string,
    parameters: Array<Value>,
  }
  export interface Column {
    name: string,
    /**
     * The database's own name of the type, for example `timestamptz`.
     */
    typeName: string,
  }
  export interface Table {
    columns: Array<Column>,
    /**
     * Each with as many values as there are columns. At most 10,000 rows
     * and 4 MiB, unless the manifest says otherwise.
     */
    rows: Array<Array<Value>>,
  }
  /**
   * What a statement did.
   */
  export interface Change {
    /**
     * How many rows it changed.
     */
    rows: number,
    /**
     * The key the database gave to the last inserted row, where it says so
     * (MySQL, SQLite). Elsewhere use `returning` with `query`.
     */
    lastId?: bigint,
  }
  export interface Step {
    statement: Statement,
    /**
     * If given and the statement changes another number of rows, the whole
     * batch is undone and `conflict` returned.
     */
    expectRows?: number,
  }
}
