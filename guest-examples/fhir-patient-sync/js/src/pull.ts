// From the server to the tables: a version of a patient, whole and never over a newer one.

import { type Context, DatabaseError, type Output, output, Rejected } from "jackfield";
import { type Patient, patientOf, type Version, versionOf } from "./patient.ts";

/** Who it may be here: by the server's id, and by our number. */
const KNOWN =
  "select p.id, p.mrn, p.fhir_id, p.fhir_updated >= $2::timestamptz as seen, o.state, o.change " +
  "from patients p left join outbox o on o.patient_id = p.id where p.fhir_id = $1 or p.mrn = $3";
const PATIENT =
  "insert into patients (fhir_id, fhir_version, fhir_updated, active, gender, birth_date, deceased) " +
  "values ($1, $2, $3, $4, $5, $6, $7) on conflict (fhir_id) do update set fhir_version = excluded.fhir_version, " +
  "fhir_updated = excluded.fhir_updated, active = excluded.active, gender = excluded.gender, " +
  "birth_date = excluded.birth_date, deceased = excluded.deceased " +
  "where patients.fhir_updated < excluded.fhir_updated " +
  "and not exists (select from outbox where outbox.patient_id = patients.id)";

/** The lists of a patient: the table of each, and its columns. */
const LISTS = [
  ["names", "patient_names", "position int, use text, family text, given text[], whole text"],
  ["identifiers", "patient_identifiers", "position int, system text, value text"],
  ["contacts", "patient_contacts", "position int, system text, value text, use text"],
  ["addresses", "patient_addresses", "position int, use text, lines text[], city text, postal_code text, country text"],
] as const;

interface Known {
  id: number;
  mrn: string | null;
  fhir_id: string | null;
  seen: boolean | null;
  state: string | null;
  change: number | null;
}

/** Writes an entry of the server's list. */
export async function pull(entry: unknown, cx: Context): Promise<Output> {
  const resource = (entry as { resource?: unknown } | null)?.resource;
  const there = versionOf(resource);
  const patient = patientOf(resource);
  const { rows } = await cx.sql.query<Known>("hospital", KNOWN, [there.id, there.updated, patient.mrn]);
  const answer = (written: boolean) => output.json({ patient: there.id, version: there.version, written });
  // Our own change, which `push` has not noted yet.
  if (rows.some(({ id, change }) => there.own?.patient === id && change !== null && there.own.change <= change)) {
    return answer(false);
  }
  const here = rows.find(({ fhir_id }) => fhir_id === there.id);
  if (here?.seen === true) return answer(false);
  decidable(there, patient, here, rows);
  await write(there, patient, cx);
  cx.log.info(`Patient/${there.id} is written`, { version: there.version });
  return answer(true);
}

/** What only a person can decide is rejected. */
function decidable({ id, version }: Version, { mrn }: Patient, here: Known | undefined, rows: Known[]): void {
  const other = rows.find(({ fhir_id }) => fhir_id !== id);
  if (other !== undefined) {
    const who = other.fhir_id === null ? "is not sent yet" : `is Patient/${other.fhir_id}`;
    throw new Rejected(`Patient/${id} has our number ${mrn}, whose patient ${who}`);
  }
  if (mrn !== null && here?.mrn !== mrn) throw new Rejected(`Patient/${id} has our number ${mrn}, which is nobody's`);
  if (here !== undefined && here.state !== null) {
    throw new Rejected(`Patient/${id} is version ${version} now, and has changed here, too: outbox, patient ${here.id}`);
  }
}

async function write({ id, version, updated }: Version, patient: Patient, cx: Context): Promise<void> {
  const { active, gender, birth_date, deceased } = patient;
  const batch = cx.sql
    .batch("hospital")
    // None, if a newer version was written meanwhile: then all of it is undone, and looked at again.
    .execute(PATIENT, [id, version, updated, active, gender, birth_date, deceased], { expectRows: 1 });
  for (const [list, table, columns] of LISTS) {
    const names = columns.replace(/ (int|text)(\[\])?/g, "");
    batch
      .execute(`delete from ${table} using patients where patients.id = patient_id and patients.fhir_id = $1`, [id])
      .execute(
        `insert into ${table} (patient_id, ${names}) select patients.id, new.* from patients, ` +
          `jsonb_to_recordset($2::jsonb) as new (${columns}) where patients.fhir_id = $1`,
        [id, patient[list]],
      );
  }
  await batch.commit().catch((thrown: unknown) => {
    // What a table does not take (SQLSTATE classes 22 and 23) it will not take the next time.
    if (!(thrown instanceof DatabaseError && /^2[23]/.test(thrown.code))) throw thrown;
    throw new Rejected(`the database does not take Patient/${id}: ${thrown.message}`, { cause: thrown });
  });
}
