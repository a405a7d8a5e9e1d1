// Counts the times that it was woken.

import { handler, output } from "jackfield";

interface Tick {
  /** The instant that this run is for, RFC 3339. */
  scheduled: string;
}

export const onTick = handler<Tick>(async (event, cx) => {
  const count = await cx.kv.increment("ticks");
  cx.log.info(`tick ${count}`, { scheduled: event.data.scheduled });
  return output.json({ ticks: Number(count) });
});
