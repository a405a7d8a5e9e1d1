// A patient, as the tables have one and as FHIR does.

import { Rejected } from "jackfield";

/** What numbers of this hospital are called elsewhere. */
export const OUR_NUMBERS = "urn:oid:2.16.756.5.30.1.999.1";

/** Who made a version of a resource: this hospital, of which patient, and by which change. */
const SOURCE = "urn:example:st-agnes:patient:";

/** What both sides have. Absent is null. */
export interface Patient {
  mrn: string | null;
  active: boolean;
  gender: string | null;
  birth_date: string | null;
  deceased: string | null;
  names: { position: number; use: string | null; family: string | null; given: string[]; whole: string | null }[];
  identifiers: { position: number; system: string | null; value: string | null }[];
  contacts: { position: number; system: string | null; value: string | null; use: string | null }[];
  addresses: {
    position: number;
    use: string | null;
    lines: string[];
    city: string | null;
    postal_code: string | null;
    country: string | null;
  }[];
}

/** A version of a patient on the server. */
export interface Version {
  id: string;
  version: string;
  /** When it came about; versions are in its order. */
  updated: string;
  /** Which change of ours made it, if one did. */
  own: { patient: number; change: number } | undefined;
}

type Fields = Record<string, unknown>;

/** A resource's id and version. */
export function versionOf(resource: unknown): Version {
  const fields = fieldsOf(resource);
  const meta = fieldsOf(fields.meta);
  const own = /^(\d+):(\d+)(#|$)/.exec(String(meta.source ?? "").replace(SOURCE, ""));
  return {
    id: needed(fields, "", "id"),
    version: needed(meta, "meta.", "versionId"),
    updated: needed(meta, "meta.", "lastUpdated"),
    own: String(meta.source ?? "").startsWith(SOURCE) && own ? { patient: Number(own[1]), change: Number(own[2]) } : undefined,
  };
}

/** What a resource says of a patient. */
export function patientOf(resource: unknown): Patient {
  const fields = fieldsOf(resource);
  if (fields.resourceType !== "Patient") throw wrong("", "resourceType", fields.resourceType, "Patient");
  const identifiers = list(fields, "identifier").map((one, position) => ({
    position,
    system: text(one, `identifier[${position}].`, "system"),
    value: text(one, `identifier[${position}].`, "value"),
  }));
  const ours = identifiers.filter(({ system }) => system === OUR_NUMBERS);
  if (ours.length > 1) throw new Rejected(`there are ${ours.length} of our numbers: ${ours.map(({ value }) => value).join(", ")}`);
  return {
    mrn: ours[0]?.value ?? null,
    active: fields.active !== false,
    gender: gender(fields),
    birth_date: date(fields, "birthDate"),
    deceased: fields.deceasedBoolean === true ? "yes" : text(fields, "", "deceasedDateTime"),
    names: list(fields, "name").map((one, position) => ({
      position,
      use: text(one, `name[${position}].`, "use"),
      family: text(one, `name[${position}].`, "family"),
      given: texts(one, `name[${position}].`, "given"),
      whole: text(one, `name[${position}].`, "text"),
    })),
    identifiers: identifiers.filter(({ system }) => system !== OUR_NUMBERS),
    contacts: list(fields, "telecom").map((one, position) => ({
      position,
      system: text(one, `telecom[${position}].`, "system"),
      value: text(one, `telecom[${position}].`, "value"),
      use: text(one, `telecom[${position}].`, "use"),
    })),
    addresses: list(fields, "address").map((one, position) => ({
      position,
      use: text(one, `address[${position}].`, "use"),
      lines: texts(one, `address[${position}].`, "line"),
      city: text(one, `address[${position}].`, "city"),
      postal_code: text(one, `address[${position}].`, "postalCode"),
      country: text(one, `address[${position}].`, "country"),
    })),
  };
}

/** A resource of what we say of a patient; over `theirs`, of which all stays that we know nothing of. */
export function resourceOf(patient: Patient, own: { patient: number; change: number }, theirs: unknown = {}): Fields {
  const { mrn, deceased } = patient;
  const ours = mrn === null ? [] : [{ system: OUR_NUMBERS, value: mrn }];
  const before = fieldsOf(theirs);
  return without({
    ...before,
    resourceType: "Patient",
    meta: { ...fieldsOf(before.meta), source: `${SOURCE}${own.patient}:${own.change}` },
    active: patient.active,
    gender: patient.gender,
    birthDate: patient.birth_date,
    deceasedBoolean: deceased === "yes" ? true : null,
    deceasedDateTime: deceased === "yes" ? null : deceased,
    identifier: [...ours, ...patient.identifiers.map(({ system, value }) => ({ system, value }))],
    name: patient.names.map(({ use, family, given, whole }) => ({ use, family, given, text: whole })),
    telecom: patient.contacts.map(({ system, value, use }) => ({ system, value, use })),
    address: patient.addresses.map(({ use, lines, city, postal_code, country }) => ({
      use,
      line: lines,
      city,
      postalCode: postal_code,
      country,
    })),
  });
}

/** FHIR has neither null nor lists of nothing. */
function without(fields: Fields): Fields {
  const kept = Object.entries(fields).map(([name, value]) => [name, Array.isArray(value) ? value.map(plain) : value]);
  return Object.fromEntries(kept.filter(([, value]) => value !== null && !(Array.isArray(value) && value.length === 0)));
}

function plain(value: unknown): unknown {
  return typeof value === "object" && value !== null ? without(value as Fields) : value;
}

function gender(fields: Fields): string | null {
  const value = text(fields, "", "gender");
  if (value === null || ["male", "female", "other", "unknown"].includes(value)) return value;
  throw wrong("", "gender", value, "male, female, other or unknown");
}

/** A day as far as it is known. */
function date(fields: Fields, name: string): string | null {
  const value = text(fields, "", name);
  const [, year, month = "01", day = "01"] = /^(\d{4})(?:-(\d\d)(?:-(\d\d))?)?$/.exec(value ?? "") ?? [];
  const whole = `${year}-${month}-${day}`;
  // 30 February becomes 2 March.
  const found = new Date(`${whole}T00:00:00Z`);
  if (value === null || (!Number.isNaN(found.getTime()) && found.toISOString().startsWith(whole))) return value;
  throw wrong("", name, value, "a day such as 1957, 1957-03 or 1957-03-14");
}

function needed(fields: Fields, place: string, name: string): string {
  const value = text(fields, place, name);
  if (value === null) throw new Rejected(`\`${place}${name}\` is missing`);
  return value;
}

function text(fields: Fields, place: string, name: string): string | null {
  const value = fields[name] ?? null;
  if (value === null || typeof value === "string") return value;
  throw wrong(place, name, value, "a text");
}

function texts(fields: Fields, place: string, name: string): string[] {
  const value = fields[name] ?? [];
  if (!Array.isArray(value)) throw wrong(place, name, value, "a list of texts");
  // A null stands for a text of which only an extension is known.
  return value.filter((one) => typeof one === "string");
}

function list(fields: Fields, name: string): Fields[] {
  const value = fields[name] ?? [];
  if (!Array.isArray(value)) throw wrong("", name, value, "a list");
  return value.map(fieldsOf);
}

/** The fields of an object; nothing else has any. */
function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

/** Names the field and what is there, as JSON and not more than a line of it. */
function wrong(place: string, name: string, value: unknown, wanted: string): Rejected {
  const shown = Array.from(JSON.stringify(value) ?? "nothing");
  const cut = shown.length > 80 ? `${shown.slice(0, 80).join("")}…` : shown.join("");
  return new Rejected(`\`${place}${name}\` is ${cut}, not ${wanted}`);
}
