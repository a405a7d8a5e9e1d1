// Counts how often it has heard of an item.

import { handler, output } from "jackfield";

interface Item {
  id: number;
}

export const onItem = handler(item, async (event, cx) => {
  const { id } = event.data;
  const times = await cx.kv.increment(`seen/${id}`);
  cx.log.info(`item ${id}`, { times: String(times) });
  return output.json({ id, times: Number(times) });
});

/** What comes from outside is what it is: a type alone would not look. */
function item(data: unknown): Item {
  const id = (data as Partial<Item> | null)?.id;
  if (typeof id !== "number") throw new TypeError("`id` is missing, or is not a number");
  return { id };
}
