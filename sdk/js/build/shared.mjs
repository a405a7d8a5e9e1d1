// What the build and the component share, read from the SDK's own sources: stacks and maps.

import { join } from "node:path";
import { load, SDK } from "./environment.mjs";

/** @returns {Promise<typeof import("../src/stack.ts") & typeof import("../src/sourcemap.ts")>} */
export async function shared() {
  const esbuild = await load(() => import("esbuild"));
  const result = await esbuild.build({
    stdin: { contents: 'export * from "./stack.ts"; export * from "./sourcemap.ts";', resolveDir: join(SDK, "src"), loader: "ts" },
    bundle: true,
    format: "esm",
    write: false,
  });
  return import(`data:text/javascript,${encodeURIComponent(result.outputFiles[0]?.text ?? "")}`);
}
