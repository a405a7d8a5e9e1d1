// Reserves, charges and sends what was ordered: three calls, each with the answer of the one before.

import { type Context, Failure, handler, output } from "jackfield";

export const onOrder = handler<{ order: string }>(async ({ data: { order } }, cx) => {
  const reservation = await number(cx, "reservation", "stock", "/reservations", { order });
  const charge = await number(cx, "charge", "bank", "/charges", { reservation });
  const parcel = await number(cx, "parcel", "parcels", "/parcels", { order, charge });
  return output.json({ reservation, charge, parcel });
});

/** The number that the other side gives. */
async function number(cx: Context, what: string, connection: string, path: string, json: unknown): Promise<string> {
  const response = await cx.http.post(connection, path, { json });
  if (!response.ok) throw new Failure(`${what}: ${response.status}`);
  const answer = response.json<{ number: string; id: string }>();
  // The bug of version 1: it takes for granted that every side calls it a number. Version 2 knows better.
  const given = cx.run.version > 1 ? (answer.number ?? answer.id) : answer.number;
  const trimmed = given.trim();
  cx.log.info(`${what} ${trimmed}`);
  return trimmed;
}
