// The component: the engine with the bundle in it, initialised.

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { load, SDK } from "./environment.mjs";
import { Problem } from "./problem.mjs";
import { shared } from "./shared.mjs";

/**
 * @param {import("./environment.mjs").Build} build
 * @param {string} code
 * @param {import("../src/stack.ts").BundleMap} map
 * @returns {Promise<Uint8Array>}
 */
export async function component(build, code, map) {
  const { clean } = await shared();
  return engine(build, code, (message) => initialisation(message, (stack) => clean(stack, map)));
}

/**
 * The engine with a script in it, initialised.
 *
 * @param {import("./environment.mjs").Build} build
 * @param {string} code
 * @param {(message: string) => string} explain What went wrong, out of what the engine says.
 * @returns {Promise<Uint8Array>}
 */
export async function engine(build, code, explain) {
  const { BUNDLE } = await shared();
  const { componentize } = await load(() => import("@bytecodealliance/componentize-js"));
  await mendGlue();
  try {
    const made = await componentize(code, {
      sourcePath: /** @type {never} */ (undefined),
      .../** @type {object} */ ({ sourceName: BUNDLE }),
      witPath: build.wit,
      worldName: build.world,
      disableFeatures: disabled(build),
    });
    return made.component;
  } catch (thrown) {
    throw new Problem(`the component cannot be made: ${explain(String(/** @type {Error} */ (thrown).message))}`);
  }
}

/**
 * Has numbers below zero reach the host. The engine takes 64 bits as an unsigned number; the glue that is written for it
 * makes a signed one of them, and with one below zero the component traps (componentize-js 0.22).
 */
async function mendGlue() {
  const entry = import.meta.resolve("@bytecodealliance/componentize-js");
  const { splicer } = await import(new URL("../lib/spidermonkey-embedding-splicer.js", entry).href);
  const { spliceBindings } = splicer;
  if (spliceBindings.mended) return;
  splicer.spliceBindings = Object.assign(
    (/** @type {unknown[]} */ ...given) => {
      const made = spliceBindings(...given);
      return { ...made, jsBindings: made.jsBindings.replace(SIGNED, SIGNED.replace("asIntN", "asUintN")) };
    },
    { mended: true },
  );
}

const SIGNED = "return BigInt.asIntN(64, converted)";

// A component answers events, not requests of its own; and it imports `wasi:http` only if that is granted.
/** @param {import("./environment.mjs").Build} build @returns {("fetch-event" | "http")[]} */
function disabled(build) {
  return build.grants.includes("http") ? ["fetch-event"] : ["fetch-event", "http"];
}

/**
 * What went wrong while the module's own code ran, out of what the engine prints of it.
 *
 * @param {string} message
 * @param {(stack: string) => string} clean
 */
export function initialisation(message, clean) {
  const hint = "Code outside the handler runs while the component is built: there is no event, no log and no host yet.";
  const called = /unknown imported function: 'jackfield:plugin\/([a-z-]+)@[^']*' '([^']+)'/.exec(message);
  if (called !== null) return `code outside the handler calls \`${called[1]}\` (${called[2]})\n\n${hint}`;
  const thrown = /Exception while evaluating top-level script\n(?:\S+:\d+:\d+ )?([\s\S]*?)\n(?:Additionally|Stack:)/.exec(message);
  if (thrown === null) return `\n\n${message}`;
  const stack = clean(message.slice(message.lastIndexOf("Stack:")).replace(/^ +/gm, ""));
  // Thrown by the SDK about the project, not by the project.
  if (stack === "" || stack.includes("bundle.js:")) return (thrown[1] ?? "").replace(/^Error: /, "");
  return `${thrown[1]}\n${stack.replace(/^/gm, "    ")}\n\n${hint}`;
}

/**
 * Names everything that the component is made of; or, without a build, bytes.
 *
 * @param {import("./environment.mjs").Build | null} build
 * @param {string | Uint8Array} code
 */
export function digest(build, code) {
  const hash = createHash("sha256").update(code);
  if (build !== null) {
    hash.update(JSON.stringify([disabled(build), build.world, process.version]));
    for (const file of ["package.json", "build/component.mjs"]) hash.update(readFileSync(join(SDK, file)));
    for (const file of readdirSync(build.wit, { recursive: true, encoding: "utf8" }).sort()) {
      if (file.endsWith(".wit")) hash.update(file).update(readFileSync(join(build.wit, file)));
    }
  }
  return hash.digest("hex");
}

/**
 * Whether the component is what the same build made before.
 *
 * @param {string} stamp
 * @param {string} inputs
 * @param {string} out
 */
export function unchanged(stamp, inputs, out) {
  if (!existsSync(stamp) || !existsSync(out)) return false;
  try {
    const was = JSON.parse(readFileSync(stamp, "utf8"));
    return was.inputs === inputs && was.output === digest(null, readFileSync(out));
  } catch {
    return false;
  }
}
