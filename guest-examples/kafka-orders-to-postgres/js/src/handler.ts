// Writes the orders of a Kafka topic into PostgreSQL: each order once and with all its lines, or not at all.
//
// An order that is wrong is rejected, by the name of the field and its value: it becomes a dead letter, and the others
// go on.

import { DatabaseError, handler, output, Rejected } from "jackfield";

/** A batch has at most 100 statements, and one of them is the order's own. */
const MOST_LINES = 99;
/** The most of one article in a line. */
const MOST_PIECES = 1_000_000;

const INSERT_ORDER =
  "insert into orders (id, customer, placed_at, currency, note, total, record) " +
  "values ($1, $2, $3, $4, $5, $6, $7) on conflict (id) do nothing";
/** Only if the order came with the same record: a second order of a known id must not add lines to the first. */
const INSERT_LINE =
  "insert into order_lines (order_id, position, sku, quantity, price) " +
  "select id, $2, $3, $4, $5 from orders where id = $1 and record = $6 on conflict do nothing";

interface Order {
  id: string;
  customer: string;
  placedAt: string;
  currency: string;
  note: string | null;
  lines: Line[];
}

interface Line {
  sku: string;
  quantity: number;
  /** As it came: a number of JavaScript has no 0.1, and the database reads it exactly. */
  price: string;
}

type Fields = Record<string, unknown>;

export const onOrder = handler(readOrder, async (event, cx) => {
  const { id, customer, placedAt, currency, note, lines } = event.data;
  const cents = lines.reduce((sum, line) => sum + centsOf(line.price) * BigInt(line.quantity), 0n);
  const total = `${cents / 100n}.${String(cents % 100n).padStart(2, "0")}`;
  // Cluster, topic, partition and offset.
  const record = `${event.source}/${event.id}`;
  const batch = cx.sql
    .batch("warehouse")
    .execute(INSERT_ORDER, [id, customer, placedAt, currency, note, total, record]);
  for (const [index, { sku, quantity, price }] of lines.entries()) {
    batch.execute(INSERT_LINE, [id, index + 1, sku, quantity, price, record]);
  }
  const [order] = await batch.commit().catch((thrown: unknown) => {
    throw refused(id, thrown);
  });
  const written = order?.rows === 1;
  if (written) cx.log.info(`order ${id} is written`, { lines: lines.length, total });
  else cx.log.info(`order ${id} is there already`);
  return output.json({ order: id, lines: lines.length, total, written });
});

/**
 * What a table does not take (SQLSTATE classes 22 and 23) is the order's fault, and will be the next time. All else may
 * pass, or is ours to put right.
 */
function refused(id: string, thrown: unknown): unknown {
  if (!(thrown instanceof DatabaseError && /^2[23]/.test(thrown.code))) return thrown;
  return new Rejected(`the database does not take order ${id}: ${thrown.message}`, { cause: thrown });
}

function readOrder(data: unknown): Order {
  const fields = fieldsOf(data);
  return {
    id: text(fields, "", "id"),
    customer: text(fields, "", "customer"),
    placedAt: time(fields),
    currency: currency(fields),
    note: note(fields),
    lines: lines(fields),
  };
}

function time(fields: Fields): string {
  const value = text(fields, "", "placed_at");
  const formed = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value);
  if (formed && !Number.isNaN(Date.parse(value))) return value;
  throw wrong("", "placed_at", value, 'a time such as "2026-11-02T08:15:00Z"');
}

function currency(fields: Fields): string {
  const value = text(fields, "", "currency");
  if (/^[A-Z]{3}$/.test(value)) return value;
  throw wrong("", "currency", value, "three capital letters");
}

function note({ note }: Fields): string | null {
  if (typeof note === "string") return note;
  if (note === undefined || note === null) return null;
  throw wrong("", "note", note, "a text or null");
}

function lines(fields: Fields): Line[] {
  const value = field(fields, "", "lines");
  if (!Array.isArray(value) || value.length < 1 || value.length > MOST_LINES) {
    throw wrong("", "lines", value, `a list of 1 to ${MOST_LINES} lines`);
  }
  return value.map((line, index) => readLine(fieldsOf(line), `lines[${index}].`));
}

function readLine(fields: Fields, place: string): Line {
  const sku = text(fields, place, "sku");
  const quantity = field(fields, place, "quantity");
  if (!(typeof quantity === "number" && Number.isInteger(quantity) && quantity >= 1 && quantity <= MOST_PIECES)) {
    throw wrong(place, "quantity", quantity, `a whole number from 1 to ${MOST_PIECES}`);
  }
  const price = field(fields, place, "price");
  if (!(typeof price === "string" && /^\d{1,9}(\.\d{1,2})?$/.test(price))) {
    throw wrong(place, "price", price, 'a decimal in text such as "9.95"');
  }
  return { sku, quantity, price };
}

/** `9.95` in hundredths. */
function centsOf(price: string): bigint {
  const [whole = "", part = ""] = price.split(".");
  return BigInt(whole + part.padEnd(2, "0"));
}

function text(fields: Fields, place: string, name: string): string {
  const value = field(fields, place, name);
  if (typeof value === "string" && value !== "") return value;
  throw wrong(place, name, value, "a text that is not empty");
}

function field(fields: Fields, place: string, name: string): unknown {
  if (Object.hasOwn(fields, name)) return fields[name];
  throw new Rejected(`\`${place}${name}\` is missing`);
}

/** The fields of an object; nothing else has any. */
function fieldsOf(data: unknown): Fields {
  return typeof data === "object" && data !== null ? (data as Fields) : {};
}

/** Names the field and what is there, as JSON and not more than a line of it. */
function wrong(place: string, name: string, value: unknown, wanted: string): Rejected {
  const shown = Array.from(JSON.stringify(value));
  const cut = shown.length > 80 ? `${shown.slice(0, 80).join("")}…` : shown.join("");
  return new Rejected(`\`${place}${name}\` is ${cut}, not ${wanted}`);
}
