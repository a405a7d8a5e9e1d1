// The component: the engine with the bundle in it, initialised.

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { load, SDK } from "./environment.mjs";
import { Problem } from "./problem.mjs";

/** As `stack.ts` says. */
const BUNDLE = "bundle.js";

/**
 * @param {import("./environment.mjs").Build} build
 * @param {string} code
 * @returns {Promise<Uint8Array>}
 */
export async function component(build, code) {
  const { componentize } = await load(() => import("@bytecodealliance/componentize-js"));
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
    throw new Problem(`the component cannot be made\n\n${initialisation(String(/** @type {Error} */ (thrown).message))}`);
  }
}

// A component answers events, not requests of its own; and it imports `wasi:http` only if that is granted.
/** @param {import("./environment.mjs").Build} build @returns {("fetch-event" | "http")[]} */
function disabled(build) {
  return build.grants.includes("http") ? ["fetch-event"] : ["fetch-event", "http"];
}

// What the engine prints when the module's own code throws while it is initialised, without the words around it.
/** @param {string} message */
function initialisation(message) {
  const said = /Error while evaluating[^\n]*\n?([\s\S]*)/.exec(message)?.[1] ?? message;
  return `${said.trim()}\n\nCode outside the handler runs while the component is built: there is no event, no log and no host yet.`;
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
    hash.update(readFileSync(join(SDK, "package.json")));
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
