// Plays the scenario that the event names. Each ends in a call, or an output, that shows the order in which things came.

import { handler, output } from "jackfield";
import { scenarios } from "./scenarios.ts";

/** `base` is the address of the other side; `n` how often, where a scenario repeats something. */
interface Play {
  scenario: string;
  base?: string;
  n?: number;
}

export const play = handler<Play>(async ({ data: { scenario, base = "", n = 0 } }) => {
  const play = scenarios[scenario];
  if (play === undefined) throw new RangeError(`no scenario is called ${scenario}`);
  return output.text(await play(base, n));
});
