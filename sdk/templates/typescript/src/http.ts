// Looks an item up in another system.

import { handler, output, Rejected } from "jackfield";

interface Item {
  id: number;
  name: string;
}

export const onLookUp = handler<{ id: number }>(async (event, cx) => {
  const response = await cx.http.get("api", `/items/${event.data.id}`);
  if (response.status === 404) throw new Rejected(`there is no item ${event.data.id}`);
  const item = response.errorForStatus().json<Item>();
  cx.log.info(`item ${item.id} is called ${item.name}`);
  return output.json({ name: item.name });
});
