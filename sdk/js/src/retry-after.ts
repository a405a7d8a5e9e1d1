// `Retry-After`: how long the other side asks us to stay away.

import type { Attributes } from "./event.ts";

/**
 * Milliseconds, if the header says something sensible. A date is measured from the response's own date: the two clocks
 * are then the same one.
 */
export function retryAfterMs(headers: Attributes): number | undefined {
  const value = headers.get("retry-after")?.trim();
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const until = httpDate(value);
  const now = httpDate(headers.get("date")?.trim() ?? "");
  return until === undefined || now === undefined ? undefined : Math.max(until - now, 0);
}

/** Milliseconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`, the one form of date that is still sent. */
export function httpDate(text: string): number | undefined {
  const parts = /^[^,]*, (\d+) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (\d{4}) (\d+):(\d+):(\d+) GMT$/.exec(text);
  if (parts === null) return undefined;
  const [, day, month = "", year, hour, minute, second] = parts;
  if (Number(year) < 1970 || Number(day) < 1 || Number(day) > 31) return undefined;
  const index = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"].indexOf(month);
  return Date.UTC(Number(year), index, Number(day), Number(hour), Number(minute), Number(second));
}
