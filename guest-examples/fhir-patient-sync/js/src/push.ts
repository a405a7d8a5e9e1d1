// From the tables to the server: each patient of the outbox by itself. What the server refuses, and what is in conflict
// with it, is noted at the patient, and the others go on.

import { type Context, HttpStatus, type Output, output, type Response } from "jackfield";
import { OUR_NUMBERS, type Patient, resourceOf, type Version, versionOf } from "./patient.ts";

const list = (name: string, table: string) =>
  `(select coalesce(jsonb_agg(to_jsonb(t) order by position), '[]') from ${table} t where t.patient_id = p.id) as ${name}`;
const WAITING =
  "select p.id, o.change, p.fhir_id, p.fhir_version, p.mrn, p.active, p.gender, p.birth_date, p.deceased, " +
  `${list("names", "patient_names")}, ${list("identifiers", "patient_identifiers")}, ` +
  `${list("contacts", "patient_contacts")}, ${list("addresses", "patient_addresses")} ` +
  "from outbox o join patients p on p.id = o.patient_id " +
  "where o.state = 'waiting' and ($1::bigint is null or p.id = $1) order by o.queued_at, p.id limit 200";
const NOTE =
  "update patients set fhir_id = $2, fhir_version = $3, fhir_updated = $4 " +
  "where id = $1 and (fhir_updated is null or fhir_updated < $4)";
/** Unless it has changed again meanwhile: then it waits for its next turn. */
const DONE = "delete from outbox where patient_id = $1 and change = $2";
const STOP = "update outbox set state = $3, error = $4 where patient_id = $1 and change = $2";

const FHIR = { "content-type": "application/fhir+json", accept: "application/fhir+json" };

/** A row of the outbox, with all that we say of its patient. */
interface Waiting extends Patient {
  id: number;
  change: number;
  fhir_id: string | null;
  fhir_version: string | null;
}

/** What became of one. */
type Sent = { state: "sent"; there: Version } | { state: "refused" | "conflict"; error: string };

/** Sends one patient, or all that wait. */
export async function push(patient: number | null, cx: Context): Promise<Output> {
  const { rows } = await cx.sql.query("hospital", WAITING, [patient], waiting);
  const count = { sent: 0, refused: 0, conflict: 0 };
  let failed: unknown;
  for (const row of rows) {
    try {
      const sent = row.fhir_id === null ? await create(row, cx) : await update(row, row.fhir_id, cx);
      await note(row, sent, cx);
      count[sent.state]++;
    } catch (thrown) {
      // A server that fails at one may take the next. This one is tried again with the run.
      if (!(thrown instanceof HttpStatus)) throw thrown;
      failed ??= thrown;
    }
  }
  if (failed !== undefined) throw failed;
  return output.json(count);
}

/** As the database gives a row: lists are JSON. */
function waiting(row: unknown): Waiting {
  const { names, identifiers, contacts, addresses, ...rest } = row as Record<string, string>;
  const lists = { names, identifiers, contacts, addresses };
  const read = Object.entries(lists).map(([name, text]) => [name, JSON.parse(text ?? "[]")]);
  return { ...rest, ...Object.fromEntries(read) };
}

/** A patient whom the server does not know, as far as we know. */
async function create(row: Waiting, cx: Context): Promise<Sent> {
  // An empty number would be that of everybody.
  if (row.mrn === null || row.mrn === "") return { state: "refused", error: "there is no number of ours to find the patient by" };
  const number = `${OUR_NUMBERS}|${row.mrn.replace(/[\\,|$]/g, "\\$&")}`;
  const response = await cx.http.post("fhir", "/fhir/Patient", {
    json: resourceOf(row, ownOf(row)),
    headers: { ...FHIR, "if-none-exist": `identifier=${encodeURIComponent(number)}` },
  });
  const stopped = stoppedBy(response, "several patients have our number");
  if (stopped !== undefined) return stopped;
  const there = response.errorForStatus().json(versionOf);
  // 200: there is one already. It is ours if an answer was lost, and was not looked at otherwise.
  if (response.status === 201 || isOwn(row, there)) return { state: "sent", there };
  return { state: "conflict", error: `our number is Patient/${there.id} there already, which is not from here` };
}

/** One that the server knows: only if it has not changed there meanwhile. */
async function update(row: Waiting, id: string, cx: Context): Promise<Sent> {
  const get = () => cx.http.get("fhir", `/fhir/Patient/${id}`, { headers: { accept: FHIR.accept } });
  const theirs = await get();
  const gone = stoppedBy(theirs, "");
  if (gone !== undefined) return gone;
  const before = theirs.errorForStatus().json(versionOf);
  if (before.version !== row.fhir_version) return ownOrNot(row, before);

  const response = await cx.http.put("fhir", `/fhir/Patient/${id}`, {
    json: resourceOf(row, ownOf(row), theirs.json()),
    headers: { ...FHIR, "if-match": `W/"${row.fhir_version}"` },
  });
  if (response.status === 409 || response.status === 412) {
    const now = await get();
    return stoppedBy(now, "") ?? ownOrNot(row, now.errorForStatus().json(versionOf));
  }
  return stoppedBy(response, "") ?? { state: "sent", there: response.errorForStatus().json(versionOf) };
}

/** Another version than we know of: ours if an answer was lost, otherwise somebody else's. */
function ownOrNot(row: Waiting, there: Version): Sent {
  if (isOwn(row, there)) return { state: "sent", there };
  const error = `Patient/${there.id} is version ${there.version} there, and ${row.fhir_version} is known here`;
  return { state: "conflict", error };
}

/** What the server says for good of this patient alone. */
function stoppedBy(response: Response, several: string): Sent | undefined {
  switch (response.status) {
    case 400:
    case 422:
      return { state: "refused", error: said(response) };
    case 404:
    case 410:
      return { state: "conflict", error: `the patient is not there any more: ${said(response)}` };
    case 409:
    case 412:
      return { state: "conflict", error: `${several}: ${said(response)}` };
    default:
      return undefined;
  }
}

/** What an OperationOutcome says. */
function said(response: Response): string {
  const { issue = [] } = response.json<{ issue?: { diagnostics?: string; details?: { text?: string } }[] }>();
  return issue.map(({ diagnostics, details }) => diagnostics ?? details?.text ?? "").join("; ") || `status ${response.status}`;
}

async function note(row: Waiting, sent: Sent, cx: Context): Promise<void> {
  const { id, change } = row;
  if (sent.state === "sent") {
    const { there } = sent;
    await cx.sql
      .batch("hospital")
      .execute(NOTE, [id, there.id, there.version, there.updated])
      .execute(DONE, [id, change])
      .commit();
  } else {
    await cx.sql.execute("hospital", STOP, [id, change, sent.state, sent.error]);
    cx.log.warn(`patient ${id}: ${sent.state}: ${sent.error}`);
  }
}

const ownOf = ({ id, change }: Waiting) => ({ patient: id, change });

function isOwn(row: Waiting, { own }: Version): boolean {
  return own?.patient === row.id && own.change === row.change;
}
