// Keeps a hospital's patients in PostgreSQL and on a FHIR server the same, both ways.
//
// `pull` writes what changed on the server into the tables, `push` sends what changed here. Where both have changed
// nothing is overwritten: a person decides.

import { handler, Rejected } from "jackfield";
import { pull } from "./pull.ts";
import { push } from "./push.ts";

export const onEvent = handler(async (event, cx) => {
  switch (event.type) {
    case "jackfield.poll":
      return pull(event.data, cx);
    case "jackfield.postgres.notify":
      // Of one patient, by the hospital's own key.
      if (typeof event.data !== "number") throw new Rejected("who has changed is told by a number");
      return push(event.data, cx);
    default:
      return push(null, cx);
  }
});
