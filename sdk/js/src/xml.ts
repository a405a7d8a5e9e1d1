// XML, as far as an envelope needs it: elements with their names, places and text. No types of documents, no entities but
// the five that XML has of its own.

/** An element. */
export interface Element {
  /** Its name without the prefix. */
  local: string;
  /** The namespace of the name; empty if it has none. */
  namespace: string;
  /** Namespaces by their prefixes, as far as they are known here; that without a prefix under "". */
  scope: ReadonlyMap<string, string>;
  children: Element[];
  /** The text in it, without that of its children. */
  text: string;
  /** Where it begins and ends in the source, and where its content does. */
  from: number;
  to: number;
  innerFrom: number;
  innerTo: number;
  /** Where its name ends in the begin tag. */
  nameTo: number;
  /** The prefixes that it declares itself. */
  declares: ReadonlySet<string>;
}

const DEEPEST = 200;
const NAME = /[^\s<>/=&"'!?]+/y;
const ATTRIBUTE = /\s+([^\s<>/=&"'!?]+)\s*=\s*(?:"([^"<]*)"|'([^'<]*)')/y;
const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

/** The element that a document consists of. Throws what is wrong with it. */
export function parse(source: string): Element {
  const open: (Element & { name: string })[] = [];
  let root: Element | undefined;
  let at = 0;
  const append = (text: string) => {
    const inner = open.at(-1);
    if (inner !== undefined) inner.text += text;
    else if (text.trim().replace("\uFEFF", "") !== "") throw wrong("there is text outside of the element", at);
  };
  const skip = (begin: number, end: string) => {
    const found = source.indexOf(end, begin);
    if (found < 0) throw wrong(`\`${end}\` is missing`, at);
    return found + end.length;
  };
  while (at < source.length) {
    if (source[at] !== "<") {
      const next = source.indexOf("<", at);
      const end = next < 0 ? source.length : next;
      append(unescape(source.slice(at, end), at));
      at = end;
    } else if (source.startsWith("<!--", at)) {
      at = skip(at + 4, "-->");
    } else if (source.startsWith("<![CDATA[", at)) {
      const end = skip(at + 9, "]]>");
      append(source.slice(at + 9, end - 3));
      at = end;
    } else if (source.startsWith("<?", at)) {
      at = skip(at + 2, "?>");
    } else if (source.startsWith("<!", at)) {
      throw wrong("it declares a type of documents, which is not read", at);
    } else if (source.startsWith("</", at)) {
      const ended = open.pop();
      const name = match(NAME, source, at + 2)?.[0];
      if (ended === undefined || ended.name !== name) throw wrong(`\`</${name ?? ""}>\` ends nothing`, at);
      ended.innerTo = at;
      at = skip(at, ">");
      ended.to = at;
    } else {
      const begun = begin(source, at, open.at(-1)?.scope ?? new Map([["xml", "http://www.w3.org/XML/1998/namespace"]]));
      const parent = open.at(-1);
      if (parent !== undefined) parent.children.push(begun.element);
      else if (root !== undefined) throw wrong("there is a second element", at);
      root ??= begun.element;
      at = begun.element.innerFrom;
      if (!begun.empty) open.push(begun.element);
      if (open.length > DEEPEST) throw wrong(`it is nested deeper than ${DEEPEST}`, at);
    }
  }
  const unended = open.at(-1);
  if (unended !== undefined) throw wrong(`\`${unended.name}\` does not end`, unended.from);
  if (root === undefined) throw wrong("there is no element", 0);
  return root;
}

/** An element's begin tag. */
function begin(source: string, at: number, outer: ReadonlyMap<string, string>) {
  const name = match(NAME, source, at + 1)?.[0];
  if (name === undefined) throw wrong("`<` begins no element", at);
  let place = at + 1 + name.length;
  const nameTo = place;
  const declared = new Map<string, string>();
  for (let found = match(ATTRIBUTE, source, place); found !== undefined; found = match(ATTRIBUTE, source, place)) {
    const [whole, attribute = "", double, single] = found;
    const prefix = /^xmlns(?::(.+))?$/.exec(attribute);
    if (prefix !== null) declared.set(prefix[1] ?? "", unescape(double ?? single ?? "", place));
    place += whole.length;
  }
  const ending = match(/\s*(\/?)>/y, source, place);
  if (ending === undefined) throw wrong(`the tag of \`${name}\` is not as it must be`, place);
  const end = place + ending[0].length;
  const scope = declared.size === 0 ? outer : new Map([...outer, ...declared]);
  const [prefix, local] = name.includes(":") ? (name.split(":", 2) as [string, string]) : ["", name];
  const namespace = scope.get(prefix);
  if (namespace === undefined && prefix !== "") throw wrong(`the prefix \`${prefix}\` is not declared`, at);
  const places = { from: at, to: end, innerFrom: end, innerTo: end, nameTo };
  const declares = new Set(declared.keys());
  const element = { name, local, namespace: namespace ?? "", scope, children: [], text: "", declares, ...places };
  return { element, empty: ending[1] === "/" };
}

function match(pattern: RegExp, source: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(source) ?? undefined;
}

function unescape(text: string, at: number): string {
  return text.replace(/&([^;\s]*);?/g, (whole, name: string) => {
    const code = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name);
    const point = code === null ? Number.NaN : Number.parseInt(code[1] ?? code[2] ?? "", code[1] === undefined ? 10 : 16);
    if (whole.endsWith(";") && point <= 0x10ffff) return String.fromCodePoint(point);
    const known = Object.hasOwn(ENTITIES, name) && whole.endsWith(";") ? ENTITIES[name] : undefined;
    if (known === undefined) throw wrong(`\`${whole}\` is no entity that is known`, at);
    return known;
  });
}

/** Text as XML has it, in content and in attributes. */
export function escape(text: string): string {
  // What XML has no way to say is replaced.
  const sayable = text.replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, "\uFFFD");
  return sayable.replace(/[<>&"\r]/g, (c) => (c === "<" ? "&lt;" : c === ">" ? "&gt;" : c === "&" ? "&amp;" : c === '"' ? "&quot;" : "&#13;"));
}

/**
 * An element as a document of its own: the prefixes that are declared around it are declared by itself.
 */
export function alone(source: string, element: Element): string {
  let declarations = "";
  for (const [prefix, namespace] of element.scope) {
    if (prefix === "xml" || element.declares.has(prefix) || (prefix === "" && namespace === "")) continue;
    const used = prefix === "" || source.slice(element.from, element.to).includes(`${prefix}:`);
    if (used) declarations += ` xmlns${prefix === "" ? "" : `:${prefix}`}="${escape(namespace)}"`;
  }
  return source.slice(element.from, element.nameTo) + declarations + source.slice(element.nameTo, element.to);
}

/** All text in an element, in order of its elements. */
export function textOf(element: Element): string {
  return element.text + element.children.map(textOf).join("");
}

function wrong(what: string, at: number): Error {
  return new Error(`it is not XML that is read here: ${what}, at character ${at}`);
}
