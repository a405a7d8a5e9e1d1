// Takes orders, and counts those of each customer.

import { handler, output } from "jackfield";

interface Order {
  number: string;
  customer: string;
}

export const onOrder = handler(order, async (event, cx) => {
  const { number, customer } = event.data;
  if (event.type === "order.taken") {
    const orders = Number(await cx.kv.increment(`orders/${customer}`));
    cx.log.info(`order ${number} of ${customer} is number ${orders}`);
    return output.json({ customer, orders });
  }
  // An order that is sent twice is one event: its number is the id.
  const id = await cx.events.emit("order.taken", event.data, { id: number, subject: customer });
  return output.json({ event: id });
});

/** What comes from outside is what it is: a type alone would not look. */
function order(data: unknown): Order {
  const { number, customer } = (data ?? {}) as Partial<Order>;
  if (typeof number !== "string") throw new TypeError("`number` is missing, or is not text");
  if (typeof customer !== "string") throw new TypeError("`customer` is missing, or is not text");
  return { number, customer };
}
