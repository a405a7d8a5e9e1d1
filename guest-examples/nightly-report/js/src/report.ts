// The report as a mail reads it: in HTML, and in text for whoever reads that.
//
// Mail programs know tables and styles at the element, and little else of CSS.

/** What is reported. Amounts are decimals in text, as the database wrote them. */
export interface Report {
  day: string;
  /** The days of the chart, the reported one last. */
  days: { day: string; amount: string }[];
  /** Of all these days. */
  total: string;
  products: Sum[];
  customers: Sum[];
  problems: { id: number | bigint; customer: string; product: string; problem: string }[];
}

/** What was sold of a product, or to a customer. */
export interface Sum {
  name: string;
  pieces: number | bigint;
  amount: string;
}

const CELL = "padding:4px 12px 4px 0;border-bottom:1px solid #e2e8f0";
const NUMBER = `${CELL};text-align:right;white-space:nowrap`;

/** The report as HTML; the chart is the attachment with the content id `chart`. */
export function html(report: Report, chart: string): string {
  const { day, days, products, customers, problems } = report;
  const last = days.at(-1)!;
  const parts = [
    `<h1 style="font-size:20px;margin:0">Sales of ${longDay(day)}</h1>`,
    products.length > 0
      ? `<p style="font-size:28px;margin:12px 0">${money(last.amount)}</p>`
      : `<p style="margin:12px 0">Nothing was sold.</p>`,
    `<p style="margin:0 0 4px;color:#475569">${days.length} days: ${money(report.total)}; the best one: ${best(report)}</p>`,
    `<img src="cid:${chart}" width="600" height="180" alt="A bar for each of ${days.length} days" style="display:block">`,
    `<table role="presentation" width="600" style="border-collapse:collapse;color:#475569;font-size:12px"><tr>`,
    `<td>${longDay(days[0]!.day)}</td><td align="right">${longDay(day)}</td></tr></table>`,
  ];
  if (products.length > 0) parts.push(table("Products", products), table("Customers", customers));
  if (problems.length > 0) {
    parts.push(
      `<h2 style="font-size:16px;margin:24px 0 4px;color:#c84032">Not counted</h2>`,
      `<table style="border-collapse:collapse">`,
      ...problems.map(
        ({ id, customer, product, problem }) =>
          `<tr><td style="${NUMBER}">${id}</td><td style="${CELL}">${escaped(product)}</td>` +
          `<td style="${CELL}">${escaped(customer)}</td><td style="${CELL}">${escaped(problem)}</td></tr>`,
      ),
      `</table>`,
    );
  }
  const style = "font-family:system-ui,Segoe UI,Helvetica,Arial,sans-serif;font-size:14px;color:#0f172a";
  return `<!DOCTYPE html>\n<html lang="en"><body style="${style}">\n${parts.join("\n")}\n</body></html>\n`;
}

function table(title: string, sums: readonly Sum[]): string {
  return [
    `<h2 style="font-size:16px;margin:24px 0 4px">${title}</h2>`,
    `<table style="border-collapse:collapse">`,
    ...sums.map(
      ({ name, pieces, amount }) =>
        `<tr><td style="${CELL}">${escaped(name)}</td><td style="${NUMBER}">${pieces}</td>` +
        `<td style="${NUMBER}">${money(amount)}</td></tr>`,
    ),
    `</table>`,
  ].join("\n");
}

/** The report as text. */
export function text(report: Report): string {
  const { day, days, products, customers, problems } = report;
  const line = ({ name, pieces, amount }: Sum) => `  ${name}: ${pieces}, ${money(amount)}`;
  const parts = [
    `Sales of ${longDay(day)}: ${products.length > 0 ? money(days.at(-1)!.amount) : "nothing was sold."}`,
    `${days.length} days: ${money(report.total)}; the best one: ${best(report)}`,
  ];
  if (products.length > 0) parts.push("", "Products", ...products.map(line), "", "Customers", ...customers.map(line));
  if (problems.length > 0) {
    const told = problems.map(({ id, customer, product, problem }) => `  ${id} ${problem}: ${product}, ${customer}`);
    parts.push("", "Not counted", ...told);
  }
  return `${parts.join("\n")}\n`;
}

function best({ days }: Report): string {
  const { day, amount } = days.reduce((best, one) => (Number(one.amount) > Number(best.amount) ? one : best));
  return Number(amount) > 0 ? `${longDay(day)} with ${money(amount)}` : "none";
}

/** `2026-03-01` as `Sun, 01 Mar 2026`. */
function longDay(day: string): string {
  return new Date(`${day}T00:00:00Z`).toUTCString().slice(0, 16);
}

/** `-1234.50` as `€ -1,234.50`. */
function money(amount: string): string {
  return `€ ${amount.replace(/\B(?=(\d{3})+\.)/g, ",")}`;
}

/** Text as HTML shows it, whatever is in it. */
function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
