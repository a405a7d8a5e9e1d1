// The chart: a bar for each day, as a PNG. Mail programs show pictures; of SVG most show nothing.

import { encode } from "fast-png";

const WIDTH = 600;
const HEIGHT = 180;
const MARGIN = 4;

/** A pixel is the number of its colour here. */
const PALETTE = [
  [255, 255, 255],
  [203, 213, 225],
  [147, 176, 214],
  [30, 91, 168],
  [200, 64, 50],
];
const LINE = 1;
const BAR = 2;
const LAST = 3;
const BELOW = 4;

/** Draws a bar for each value; the last one stands out, and what is below zero hangs from the line in red. */
export function drawChart(values: readonly number[]): Uint8Array {
  const data = new Uint8Array(WIDTH * HEIGHT);
  const fill = (left: number, top: number, width: number, height: number, colour: number) => {
    for (let y = top; y < top + height; y++) data.fill(colour, y * WIDTH + left, y * WIDTH + left + width);
  };

  const most = Math.max(0, ...values);
  const least = Math.min(0, ...values);
  const perPixel = (most - least || 1) / (HEIGHT - 2 * MARGIN);
  const zero = HEIGHT - MARGIN + Math.round(least / perPixel);
  const space = WIDTH / values.length;
  for (const [index, value] of values.entries()) {
    const height = Math.round(Math.abs(value) / perPixel);
    const colour = value < 0 ? BELOW : index === values.length - 1 ? LAST : BAR;
    fill(Math.round((index + 0.15) * space), value < 0 ? zero : zero - height, Math.round(0.7 * space), height, colour);
  }
  fill(0, zero, WIDTH, 1, LINE);
  return encode({ width: WIDTH, height: HEIGHT, channels: 1, palette: PALETTE, data });
}
