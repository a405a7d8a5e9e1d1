// Timers: what the callback of one throws fails the run, with its stack. The engine would end the guest instead, and
// name a line of the bundle.

const NAMES = ["setTimeout", "setInterval", "queueMicrotask"] as const;

type Callback = (...values: unknown[]) => unknown;

/** What `work` gives, unless a callback throws meanwhile: then that. */
export async function watched<T>(work: () => Promise<T>): Promise<T> {
  let fail: (thrown: unknown) => void = () => {};
  const thrown = new Promise<never>((_, reject) => {
    fail = reject;
  });
  const guarded = (callback: Callback): Callback => (...values) => {
    try {
      const answer = callback(...values);
      // Of an async callback nobody sees what becomes.
      if (answer instanceof Promise) answer.catch(fail);
      return answer;
    } catch (error) {
      fail(error);
      return undefined;
    }
  };
  const originals = NAMES.map((name) => [name, Reflect.get(globalThis, name) as unknown] as const);
  for (const [name, original] of originals) {
    if (typeof original !== "function") continue;
    Reflect.set(globalThis, name, (callback: unknown, ...rest: unknown[]) =>
      Reflect.apply(original, globalThis, [typeof callback === "function" ? guarded(callback as Callback) : callback, ...rest]) as unknown,
    );
  }
  try {
    return await Promise.race([work(), thrown]);
  } finally {
    for (const [name, original] of originals) Reflect.set(globalThis, name, original);
  }
}
