// The scenarios: what a handler in JavaScript may do at the same time.

type Scenario = (base: string, n: number) => Promise<string>;

const sleep = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));
const post = (url: string, body: BodyInit) => fetch(url, { method: "POST", body });

// `duplex` must be said for a body that is a stream; the types do not know it yet.
const stream = (url: string, body: ReadableStream<Uint8Array>) =>
  fetch(url, { method: "POST", body, duplex: "half" } as RequestInit);

function facts() {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return {
    now: Date.now(),
    perf: performance.now(),
    random: Math.random(),
    bytes: [...bytes].join("."),
    uuid: crypto.randomUUID(),
  };
}

export const scenarios: Record<string, Scenario> = {
  /** Arrival order, clock and random values end up in a later call. */
  async main(base) {
    const order: string[] = [];
    const ask = async (n: string) => {
      const answer = await post(`${base}/${n}`, `ask ${n}`);
      order.push(`${n}=${await answer.text()}`);
    };
    await Promise.all([ask("a"), ask("b"), ask("c"), sleep(5).then(() => order.push("timer"))]);
    const body = JSON.stringify({ order, ...facts() });
    const answer = await post(`${base}/d`, body);
    return `${body} -> ${answer.status} ${await answer.text()}`;
  },

  /** No clock, no random value: only the order is visible. */
  async orderonly(base) {
    const order: string[] = [];
    const ask = async (n: string) => {
      await (await post(`${base}/${n}`, `ask ${n}`)).text();
      order.push(n);
    };
    await Promise.all([ask("a"), ask("b"), ask("c"), sleep(5).then(() => order.push("timer"))]);
    const answer = await post(`${base}/d`, order.join(","));
    return `${order} -> ${answer.status} ${await answer.text()}`;
  },

  /** The order is never looked at. */
  async noorder(base) {
    const ask = async (n: string) => (await post(`${base}/${n}`, `ask ${n}`)).text();
    const all = await Promise.all([ask("a"), ask("b"), ask("c")]);
    const answer = await post(`${base}/d`, all.join(","));
    return `${all} -> ${answer.status} ${await answer.text()}`;
  },

  /** Three equal requests, told apart by what came back. */
  async same(base) {
    const log: string[] = [];
    const ask = async (i: number) => {
      const answer = await post(`${base}/a`, "same");
      log.push(`${i}:${await answer.text()}`);
    };
    await Promise.all([ask(0), ask(1), ask(2)]);
    const answer = await post(`${base}/d`, log.join(","));
    return `${log} -> ${await answer.text()}`;
  },

  /** Every answer starts another request whose content says how many came before it; equal ones race. */
  async chain(base) {
    let n = 0;
    const out: string[] = [];
    const one = async (path: string) => {
      await (await post(`${base}/${path}`, path)).text();
      const text = await (await post(`${base}/d`, `step ${n++}`)).text();
      out.push(`${path}>${text}`);
    };
    await Promise.all(["a", "b", "c"].map(one));
    const answer = await post(`${base}/d`, out.join(","));
    return `${out} -> ${await answer.text()}`;
  },

  /** A race with a timer; the loser is aborted. */
  async race(base) {
    const controller = new AbortController();
    const run = async (name: string, body: string) => {
      try {
        const answer = await fetch(`${base}/${name}`, { method: "POST", body, signal: controller.signal });
        return `${name} ${await answer.text()}`;
      } catch (thrown) {
        return `${name} failed ${(thrown as Error).name}`;
      }
    };
    const winner = await Promise.race([run("a", "x"), run("b", "y"), sleep(12).then(() => "timeout")]);
    try {
      controller.abort();
    } catch (thrown) {
      console.log(`abort: ${String(thrown)}`);
    }
    const answer = await post(`${base}/d`, winner);
    return `${winner} -> ${await answer.text()}`;
  },

  /** Aborts: while an answer is being read, when it is here and was read or not, before the call, by time. */
  async late(base) {
    const seen: string[] = [];
    const init = (body: string, signal: AbortSignal) => ({ method: "POST", body, signal });
    const told = (text: Promise<string>) => text.catch((thrown: Error) => thrown.name);
    const read = (sent: Promise<Response>) => told(sent.then((answer) => answer.text()));

    for (const wait of [undefined, 0, 2]) {
      const controller = new AbortController();
      const ask = (path: string) => fetch(`${base}/${path}`, init(`reading ${wait}`, controller.signal));
      const losers = ["a", "b", "c"].map((path) => read(ask(path)));
      const text = told((await ask("a")).text());
      if (wait !== undefined) await sleep(wait);
      controller.abort();
      seen.push(await text, ...(await Promise.all(losers)));
    }

    const controller = new AbortController();
    const { signal } = controller;
    await Promise.race([
      read(fetch(`${base}/a`, init("read", signal))),
      read(fetch(new Request(`${base}/b`, init("read", signal)))),
    ]);
    const unread = fetch(`${base}/c`, init("unread", signal));
    await sleep(30);
    controller.abort();
    seen.push(await read(unread), await read(fetch(`${base}/a`, init("never", signal))));

    seen.push(await read(fetch(`${base}/slow`, init("slow", AbortSignal.timeout(3)))));
    const answer = await post(`${base}/d`, seen.join());
    return `${seen} -> ${await answer.text()}`;
  },

  /** A refused connection, large bodies both ways, a streamed upload, an interval. */
  async mixed(base) {
    const out: string[] = [];
    const refused = async () => {
      try {
        await fetch("http://127.0.0.1:1/x");
        out.push("?");
      } catch (thrown) {
        out.push(`${(thrown as Error).name}: ${(thrown as Error).message}`);
      }
    };
    const big = async () => {
      const answer = await post(`${base}/big`, "b".repeat(3 << 20));
      const reader = answer.body!.getReader();
      let bytes = 0;
      let chunks = 0;
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        bytes += value.length;
        chunks++;
      }
      out.push(`big ${answer.status} ${bytes} in ${chunks}`);
    };
    const up = async () => {
      let part = 0;
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          if (part++ === 5) return controller.close();
          await sleep(1);
          controller.enqueue(new TextEncoder().encode(`part ${part} at ${Date.now()};`));
        },
      });
      const answer = await stream(`${base}/c`, body);
      out.push(`up ${await answer.text()}`);
    };
    const ticks = () =>
      new Promise<void>((done) => {
        let ticks = 0;
        const id = setInterval(() => {
          if (++ticks < 4) return;
          clearInterval(id);
          out.push("ticks");
          done();
        }, 3);
      });
    await Promise.all([refused(), big(), up(), ticks()]);
    const answer = await post(`${base}/d`, JSON.stringify({ out, ...facts() }));
    return `${JSON.stringify(out)} -> ${await answer.text()}`;
  },

  /** A request over the limit, 2,000 small chunks, a plain request; then a call with what was seen. */
  async over(base) {
    const out: string[] = [];
    const note = async (name: string, sent: Promise<Response>) => {
      try {
        const answer = await sent;
        out.push(`${name} ${answer.status} ${await answer.text()}`);
      } catch (thrown) {
        out.push(`${name} ${(thrown as Error).name}: ${(thrown as Error).message}`);
      }
    };
    let i = 0;
    const chunks = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (i++ === 2000) return controller.close();
        if (i % 100 === 0) await sleep(1);
        controller.enqueue(new TextEncoder().encode(`chunk ${i};`));
      },
    });
    await Promise.all([
      note("over", post(`${base}/a`, "x".repeat(5 << 20))),
      note("small", stream(`${base}/b`, chunks)),
      note("plain", post(`${base}/c`, "c")),
    ]);
    const answer = await post(`${base}/d`, out.join(","));
    return `${out} -> ${await answer.text()}`;
  },

  /** An upload that fails half way, beside a plain request. */
  async half(base) {
    const out: string[] = [];
    let i = 0;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (i++ === 3) return controller.error(new Error("half way"));
        await sleep(1);
        controller.enqueue(new TextEncoder().encode("part;"));
      },
    });
    await Promise.all([
      stream(`${base}/b`, body).then(
        (answer) => out.push(`b ${answer.status}`),
        (thrown: Error) => out.push(`b ${thrown.name}: ${thrown.message}`),
      ),
      post(`${base}/c`, "c").then(async (answer) => out.push(await answer.text())),
    ]);
    const answer = await post(`${base}/d`, out.join(","));
    return `${out} -> ${await answer.text()}`;
  },

  /** Fifty at once, some of them equal, some after a while. */
  async many(base) {
    const out: string[] = [];
    const one = async (i: number) => {
      if (i % 5 === 0) await sleep(i % 7);
      const answer = await post(`${base}/${"abc".charAt(i % 3)}`, `n ${i % 10}`);
      out.push(`${i}${await answer.text()}`);
    };
    await Promise.all(Array.from({ length: 50 }, (_, i) => one(i)));
    const answer = await post(`${base}/d`, out.join(","));
    return `${out} -> ${await answer.text()}`;
  },

  /** Waits by looking at the clock, and tells how often it looked. */
  async busy(base) {
    const until = Date.now() + 5;
    let n = 0;
    while (Date.now() < until) n++;
    const answer = await post(`${base}/d`, `${n}`);
    return `${n > 0} ${await answer.text()}`;
  },

  /** A request that nobody waits for: it is not sent. */
  async forget(base) {
    void post(`${base}/a`, "fire and forget");
    return "returned";
  },

  /** `n` looks at the clock. */
  async clocks(_base, n) {
    let odd = 0;
    for (let i = 0; i < n; i++) odd += Date.now() & 1;
    return odd > n ? "impossible" : "done";
  },

  /** `n` rounds of the event loop. */
  async polls(_base, n) {
    for (let i = 0; i < n; i++) await sleep(0);
    return "done";
  },

  /** Throws two functions deep. */
  async throws() {
    return outer(undefined);
  },

  /** A promise that is rejected later, with something that is no error. */
  async rejects() {
    await sleep(1);
    return Promise.reject("not today");
  },

  /** A rejected promise that nobody waits for. */
  async unheard() {
    void Promise.reject(new Error("nobody hears this"));
    await sleep(1);
    return "returned";
  },
};

function outer(value: { inner: string } | undefined): string {
  return inner(value as { inner: string }).toUpperCase();
}

function inner(value: { inner: string }): string {
  return value.inner;
}
