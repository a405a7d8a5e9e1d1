// Opens a GitHub issue for every new ServiceNow feature request.
//
// A webhook announces a request by its number. The handler reads the record, since an announcement may be older than
// it; opens an issue, unless it did so before; and remembers which. Every five minutes a sweep looks for requests that
// nobody announced.

import { type Context, Failure, handler, type Output, output, Rejected } from "jackfield";

const TABLE = "/api/now/table/u_feature_request";
const FIELDS = ["sys_id", "number", "short_description", "description", "opened_by.name", "sys_created_on"] as const;
/** Up to where the sweeps have come: the creation time of the last record they saw. */
const WATERMARK = "sweep/watermark";
/** Records that a sweep asks for at once, unless the setting `sweep-page` says otherwise. */
const PAGE = 100;

type FeatureRequest = Record<(typeof FIELDS)[number], string>;

/** What is remembered of an opened issue. */
interface Issue {
  number: number;
  html_url: string;
}

export const onEvent = handler<{ number?: unknown } | null>(async (event, cx) =>
  event.type === "jackfield.cron" ? sweep(cx) : announced(event.data?.number, cx),
);

async function announced(number: unknown, cx: Context): Promise<Output> {
  // The number becomes part of a query, where `^` begins a further condition.
  if (typeof number !== "string" || !/^[A-Za-z0-9-]+$/.test(number)) {
    throw new Rejected(`\`${typeof number === "string" ? number : ""}\` is not the number of a feature request`);
  }
  // Announced and not there yet: its transaction may still be open, so a later attempt may find it.
  const [request] = await read(cx, `number=${number}`, 1, 0);
  if (request === undefined) throw new Failure(`${number} is not in ServiceNow`, { name: "not-there" });
  const { issue, created } = await issueOf(cx, request);
  return output.json({ issue: issue.number, url: issue.html_url, created }, { status: created ? 201 : 200 });
}

/** Looks at every request created since the last sweep, page by page, oldest first. */
async function sweep(cx: Context): Promise<Output> {
  const page = (await cx.config.json<number>("sweep-page")) ?? PAGE;
  const since = await cx.kv.get<string>(WATERMARK);
  // Times have whole seconds: those of the watermark's own second are looked at again.
  const query = `sys_created_on>=${since ?? "2000-01-01 00:00:00"}^ORDERBYsys_created_on^ORDERBYsys_id`;
  let [swept, opened, last] = [0, 0, since];
  for (let full = true; full; ) {
    const requests = await read(cx, query, page, swept);
    full = requests.length === page;
    swept += requests.length;
    for (const request of requests) {
      if ((await issueOf(cx, request)).created) opened++;
      last = request.sys_created_on;
    }
  }
  // After the issues: a sweep that fails begins where the one before ended.
  if (last !== since) await cx.kv.set(WATERMARK, last);
  cx.log.info("swept", { swept, opened });
  return output.json({ swept, opened });
}

async function read(cx: Context, query: string, limit: number, offset: number): Promise<FeatureRequest[]> {
  const response = await cx.http.get("servicenow", TABLE, {
    query: {
      sysparm_query: query,
      sysparm_fields: FIELDS.join(","),
      sysparm_limit: limit,
      sysparm_offset: offset,
    },
    headers: { accept: "application/json" },
  });
  return response.errorForStatus().json(featureRequests);
}

/** The issue of a request, and whether it was opened just now. */
async function issueOf(cx: Context, request: FeatureRequest): Promise<{ issue: Issue; created: boolean }> {
  const { number } = request;
  const key = `seen/${number}`;
  const seen = await cx.kv.get<Issue>(key);
  if (seen !== undefined) {
    cx.log.info(`${number} has an issue already`, { issue: seen.number });
    return { issue: seen, created: false };
  }
  const issue = await open(cx, request);
  await cx.kv.set(key, issue);
  cx.log.info(`opened an issue for ${number}`, { issue: issue.number });
  return { issue, created: true };
}

async function open(cx: Context, request: FeatureRequest): Promise<Issue> {
  const repository = await cx.config.require("repository");
  const { sys_id, number, short_description, description, "opened_by.name": openedBy } = request;
  const response = await cx.http.post("github", `/repos/${repository}/issues`, {
    headers: { accept: "application/vnd.github+json", "x-github-api-version": "2022-11-28" },
    json: {
      title: short_description,
      body: `${description}\n\nRequested by ${openedBy} in ServiceNow: ${number} (${sys_id})`,
      labels: ["feature-request"],
    },
  });
  return response.errorForStatus().json(issue);
}

// What comes from outside is what it is: a type alone would not look. A library of schemas does the same for more.

function featureRequests(answer: unknown): FeatureRequest[] {
  const result = (answer as { result?: unknown } | null)?.result;
  if (!Array.isArray(result)) throw new TypeError("missing field `result`");
  for (const field of FIELDS) {
    if (!result.every((record) => typeof record?.[field] === "string")) throw new TypeError(`missing field \`${field}\``);
  }
  return result;
}

function issue(answer: unknown): Issue {
  const { number, html_url } = (answer ?? {}) as Partial<Issue>;
  if (typeof number !== "number" || typeof html_url !== "string") throw new TypeError("missing field `number` or `html_url`");
  return { number, html_url };
}
