// The global `fetch`: its signals end the waiting for an answer, and the engine never hears of them.
//
// StarlingMonkey ends the whole component when a request is aborted whose response is there already. Nothing is lost by not
// telling it: the host has sent the request, and records its answer whether the handler waits for it or not. A body that
// is being read when the abort comes is read to its end, since the host hands over whole responses: it is here.

type Fetch = typeof globalThis.fetch;

/** The engine's `fetch`, with its signals kept from it. */
export function abortable(engine: Fetch): Fetch {
  return async (input, init) => {
    const signal = signalOf(input, init);
    // What is no signal is the engine's to complain of.
    if (!(signal instanceof AbortSignal)) return engine(input, init);
    if (signal.aborted) throw signal.reason;
    return unlessAborted(engine(input, withoutSignal(init)), signal);
  };
}

// `null` says that a request's own signal does not count.
function signalOf(input: Parameters<Fetch>[0], init: RequestInit | undefined): AbortSignal | null | undefined {
  const own = init?.signal;
  return own !== undefined || !(input instanceof Request) ? own : input.signal;
}

// Not a copy: what says how to send may be a `Request`, whose properties are its class's.
function withoutSignal(init: RequestInit = {}): RequestInit {
  return new Proxy<RequestInit>({}, {
    get: (_, name) => (name === "signal" ? null : (Reflect.get(init, name, init) as unknown)),
    has: (_, name) => name === "signal" || Reflect.has(init, name),
  });
}

function unlessAborted<T>(sent: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = () => reject(signal.reason);
    const settled = () => signal.removeEventListener("abort", abort);
    signal.addEventListener("abort", abort);
    // What comes of it after an abort is nobody's, a failure included.
    sent.then(resolve, reject).then(settled);
  });
}
