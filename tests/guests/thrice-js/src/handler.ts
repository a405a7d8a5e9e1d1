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
  if (response.status >= 500) throw new Failure(`${what}: ${response.status}`);
  // The bug of this handler: it takes for granted that a refusal says why, in JSON.
  const answer = response.json<{ number: string; why: { toString(): string } }>();
  if (!response.ok) throw new Failure(`${what}: ${answer.why.toString()}`);
  cx.log.info(`${what} ${answer.number}`);
  return answer.number;
}
