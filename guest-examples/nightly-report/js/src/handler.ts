// Mails the sales of the day before: the sums of its products and customers, a chart of the last 30 days, and which sales
// could not be counted.
//
// Sums are the database's, which adds decimals exactly. What a day is says the zone of the schedule: one of 23 or 25 hours
// is whole.

import { handler, output, Rejected } from "jackfield";
import { drawChart } from "./chart.ts";
import { type Report, html, text } from "./report.ts";

/** Days in the chart. */
const DAYS = 30;
/** The id by which the HTML refers to the chart. */
const CHART = "sales-chart";

const REPORTED = "select (($1::timestamptz at time zone $2::text)::date - 1)::text as day";

/** The sales of the last days, with what is wrong with them. */
const SALE = `
  with sale as (
    select id, customer, product, quantity, quantity * price as amount,
      (sold_at at time zone $2::text)::date as day,
      case
        when price is null then 'has no price'
        when price < 0 then 'has a negative price'
        when quantity is null then 'has no quantity'
      end as problem
    from sales
    where sold_at >= ($1::date - ${DAYS - 1})::timestamp at time zone $2::text
      and sold_at < ($1::date + 1)::timestamp at time zone $2::text
  )`;
const SUMS = `${SALE}
  select day::text as day, sum(amount) as amount, sum(sum(amount)) over () as total
  from sale where problem is null group by sale.day`;
const PRODUCTS = `${SALE}
  select product as name, sum(quantity) as pieces, sum(amount) as amount
  from sale where problem is null and day = $1::date
  group by product order by sum(amount) desc, product`;
const CUSTOMERS = `${SALE}
  select customer as name, sum(quantity) as pieces, sum(amount) as amount
  from sale where problem is null and day = $1::date
  group by customer order by sum(amount) desc, customer limit 10`;
const PROBLEMS = `${SALE}
  select id, customer, product, problem
  from sale where problem is not null and day = $1::date
  order by id limit 100`;

/** What a schedule says of its instant. */
interface Instant {
  scheduled: string;
  zone: string;
}

export const onNight = handler(readInstant, async (event, cx) => {
  const { scheduled, zone } = event.data;
  const reported = await cx.sql.query<{ day: string }>("shop", REPORTED, [scheduled, zone]);
  const day = reported.rows[0]!.day;

  const rows = async <T>(statement: string) => (await cx.sql.query<T>("shop", statement, [day, zone])).rows;
  const sums = await rows<{ day: string; amount: string; total: string }>(SUMS);
  const report: Report = {
    day,
    days: daysUntil(day).map((day) => ({ day, amount: sums.find((sum) => sum.day === day)?.amount ?? "0.00" })),
    total: sums[0]?.total ?? "0.00",
    products: await rows(PRODUCTS),
    customers: await rows(CUSTOMERS),
    problems: await rows(PROBLEMS),
  };
  const chart = drawChart(report.days.map(({ amount }) => Number(amount)));
  await cx.email.send("mail", {
    subject: `Sales of ${day}`,
    to: (await cx.config.require("recipients")).split(/,\s*/),
    text: text(report),
    html: html(report, CHART),
    attachments: [{ name: "sales.png", contentType: "image/png", contentId: CHART, data: chart }],
  });
  cx.log.info(`the sales of ${day} are mailed`, { problems: report.problems.length });
  return output.json({ day, amount: report.days.at(-1)!.amount, problems: report.problems.length });
});

function readInstant(data: unknown): Instant {
  const { scheduled, zone } = (data ?? {}) as Partial<Record<keyof Instant, unknown>>;
  if (typeof scheduled === "string" && typeof zone === "string") return { scheduled, zone };
  throw new Rejected('the data is `{"scheduled": "2026-03-02T05:30:00Z", "zone": "Europe/Berlin"}`, as a schedule makes it');
}

/** The days of the chart, the last of them `day`. */
function daysUntil(day: string): string[] {
  const end = Date.parse(`${day}T00:00:00Z`);
  return Array.from({ length: DAYS }, (_, index) =>
    new Date(end - (DAYS - 1 - index) * 86_400_000).toISOString().slice(0, 10),
  );
}
