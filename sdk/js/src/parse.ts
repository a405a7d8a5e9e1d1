// A parser: checks that data is what the code expects, and gives it its type.

/**
 * Makes a `T` of a JSON value, or throws. A function, or an object with a method `parse`, such as a schema of zod.
 */
export type Parser<T> = ((value: unknown) => T) | { parse(value: unknown): T };

/** Applies a parser; without one the value is taken at its word. */
export function apply<T>(parser: Parser<T> | undefined, value: unknown): T {
  if (parser === undefined) return value as T;
  return typeof parser === "function" ? parser(value) : parser.parse(value);
}

/** What is wrong, on one line. Schema libraries list `issues`, whose messages are better than their error's. */
export function problem(thrown: unknown): string {
  const issues = (thrown as { issues?: unknown } | null | undefined)?.issues;
  if (Array.isArray(issues) && issues.length > 0) return issues.map(issue).join("; ");
  const message = (thrown as { message?: unknown } | null | undefined)?.message;
  return typeof message === "string" ? message : String(thrown);
}

function issue(issue: { path?: unknown; message?: unknown } | null): string {
  const path = Array.isArray(issue?.path) ? issue.path.map(step).join(".") : "";
  return path === "" ? String(issue?.message) : `${path}: ${String(issue?.message)}`;
}

// Most libraries give keys; the standard schema may wrap them.
function step(step: unknown): string {
  return String(typeof step === "object" && step !== null && "key" in step ? step.key : step);
}
