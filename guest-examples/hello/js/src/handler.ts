// Says hello to whoever the event names.

import { handler, log, output } from "jackfield";

interface Visitor {
  name: string;
}

export const greet = handler(visitor, async (event) => {
  log.info(`greeting ${event.data.name}`);
  return output.json({ hello: event.data.name });
});

/** What comes from outside is what it is: a type alone would not look. */
function visitor(data: unknown): Visitor {
  const name = (data as Partial<Visitor> | null)?.name;
  if (typeof name !== "string") throw new TypeError("`name` is missing, or is not text");
  return { name };
}
