// What `jackfield build` tells a build, and where the SDK lies.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Problem } from "./problem.mjs";

/** The SDK's folder. */
export const SDK = resolve(dirname(fileURLToPath(import.meta.url)), "..");

/**
 * @typedef {object} Build
 * @property {string} directory The project: what the manifest's paths are relative to.
 * @property {string} component The component's name in the manifest.
 * @property {string} source The file that exports the handler, as it was given.
 * @property {string} wit The folder of the generated world.
 * @property {string} world Its name.
 * @property {string[]} imports The interfaces of the contract that the world imports, such as `kv`.
 * @property {string[]} grants The capabilities that the manifest grants.
 * @property {boolean} dev Whether it is for `jackfield dev`: a ready-made engine and the program beside it.
 * @property {string} out Where the component goes.
 * @property {string} outShown The same, for people.
 */

/**
 * Reads the variables that `jackfield build` sets.
 *
 * @param {string} source
 * @param {NodeJS.ProcessEnv} env
 * @returns {Build}
 */
export function environment(source, env = process.env, directory = process.cwd()) {
  const wit = env.JACKFIELD_WIT;
  const world = env.JACKFIELD_WORLD;
  const out = env.JACKFIELD_OUT;
  const component = env.JACKFIELD_COMPONENT;
  if (!wit || !world || !out || !component) {
    throw new Problem("run `jackfield build`: it reads jackfield.toml and tells this command what the component may use");
  }
  if (!existsSync(join(directory, source))) {
    throw new Problem(`${source} is not there: the build command in jackfield.toml names the file that exports the handler`);
  }
  const text = readFileSync(join(wit, "world.wit"), "utf8");
  return {
    directory,
    component,
    source,
    wit,
    world,
    imports: [...text.matchAll(/^\s*import\s+jackfield:plugin\/([a-z-]+)@/gm)].map(([, name]) => name ?? ""),
    grants: (env.JACKFIELD_GRANTS ?? "").split(/\s+/).filter((name) => name !== ""),
    dev: env.JACKFIELD_DEV === "1",
    out: resolve(directory, out),
    outShown: relative(directory, resolve(directory, out)),
  };
}

/**
 * What a call says whose interface the manifest does not grant.
 *
 * @param {string} capability
 * @param {Build} build
 */
export function notGranted(capability, build) {
  /** @type {Record<string, string>} */
  const examples = {
    blob: 'blob = [{ connection = "name", prefix = "" }]',
    config: 'config = ["name"]',
    email: 'email = [{ connection = "name", recipients = ["@example.com"] }]',
    events: 'events = ["order.paid"]',
    http: 'http = [{ connection = "name", methods = ["GET"], paths = ["/**"] }]',
    kv: 'kv = [{ prefix = "" }]',
    messaging: 'messaging = [{ connection = "name", actions = ["publish"], topics = ["orders.*"] }]',
    sql: 'sql = [{ connection = "name", verbs = ["select"], tables = ["public.orders"] }]',
  };
  const line = examples[capability] ?? `${capability} = …`;
  return `\`${capability}\` is not granted: add \`${line}\` to [component.${build.component}.grants] in jackfield.toml and build again`;
}

/**
 * The file of a package that the SDK depends on.
 *
 * @param {string} specifier
 */
export function packaged(specifier) {
  try {
    return createRequire(import.meta.url).resolve(specifier);
  } catch {
    throw new Problem(`the SDK's own packages are not installed: npm ci --prefix ${relative(process.cwd(), SDK) || "."}`);
  }
}

/**
 * A package that the SDK depends on.
 *
 * @template T
 * @param {() => Promise<T>} load
 * @returns {Promise<T>}
 */
export async function load(load) {
  try {
    return await load();
  } catch (thrown) {
    const { code, message } = /** @type {{ code?: string, message: string }} */ (thrown);
    if (code !== "ERR_MODULE_NOT_FOUND") throw thrown;
    throw new Problem(
      `the SDK's own packages are not installed: npm ci --prefix ${relative(process.cwd(), SDK) || "."}\n  (${message})`,
    );
  }
}
