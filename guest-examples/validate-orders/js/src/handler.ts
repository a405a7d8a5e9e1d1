// Takes orders of a shop and lets through only those that are sound.

import { handler, output } from "jackfield";
// Not `{ z }`: that holds the whole library, its messages in dozens of languages included.
import * as z from "zod";

const Item = z.object({
  sku: z.string().regex(/^[A-Z]{2}-\d+$/, "is not of the form AB-123"),
  quantity: z.int().min(1).max(999),
  price: z.number().positive(),
});

const Order = z
  .object({
    number: z.string().min(1),
    email: z.email(),
    currency: z.enum(["EUR", "USD"]),
    ordered: z.iso.date(),
    items: z.array(Item).min(1),
    note: z.string().trim().default(""),
  })
  .refine((order) => new Set(order.items.map((item) => item.sku)).size === order.items.length, {
    path: ["items"],
    message: "has one sku twice",
  });

// A schema is a parser: what does not fit is rejected, with every place and reason.
export const onOrder = handler(Order, async (event, cx) => {
  const { number, items } = event.data;
  const total = items.reduce((sum, item) => sum + Math.round(item.price * 100) * item.quantity, 0) / 100;
  await cx.events.emit("order.valid", { ...event.data, total }, { id: number, subject: `orders/${number}` });
  cx.log.info(`order ${number} is sound`, { items: items.length, total });
  return output.json({ order: number, total });
});
