//! XML, as far as an envelope needs it: elements with their names, places and text, and elements to be written.
//!
//! No types of documents, and no entities but the five that XML has of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

const DEEPEST: usize = 200;
const XML: &str = "http://www.w3.org/XML/1998/namespace";

type Scope = Rc<BTreeMap<String, String>>;

/// An element that was read, with its places in the source.
#[derive(Clone, Debug)]
pub(super) struct Node {
    name: String,
    pub(super) local: String,
    pub(super) namespace: String,
    /// Namespaces by their prefixes, as far as they are known here; that without a prefix under "".
    scope: Scope,
    /// The prefixes that it declares itself.
    declares: Vec<String>,
    pub(super) children: Vec<Node>,
    /// Without that of its children.
    pub(super) text: String,
    whole: Range<usize>,
    inner: Range<usize>,
    /// Where its name ends in the begin tag.
    name_ends: usize,
}

impl Node {
    pub(super) fn child(&self, local: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.local == local)
    }

    /// All text in it, in order of its elements.
    pub(super) fn all_text(&self) -> String {
        self.children.iter().fold(self.text.clone(), |text, child| text + &child.all_text())
    }

    /// The elements below it that are called so, whatever their prefixes.
    pub(super) fn find<'a>(&'a self, local: &str, found: &mut Vec<&'a Self>) {
        for child in &self.children {
            if child.local == local {
                found.push(child);
            }
            child.find(local, found);
        }
    }

    /// What is in it: its elements, or else its text.
    pub(super) fn content(&self, source: &str) -> String {
        if self.children.is_empty() {
            return source[self.inner.clone()].trim().to_owned();
        }
        self.children.iter().map(|child| child.alone(source)).collect()
    }

    /// Itself as a document: the prefixes that are declared around it are declared by itself.
    fn alone(&self, source: &str) -> String {
        let whole = &source[self.whole.clone()];
        let mut text = source[self.whole.start..self.name_ends].to_owned();
        for (prefix, namespace) in self.scope.iter() {
            let absent = prefix.is_empty() && namespace.is_empty();
            if prefix == "xml" || absent || self.declares.contains(prefix) {
                continue;
            }
            if prefix.is_empty() || whole.contains(&format!("{prefix}:")) {
                let colon = if prefix.is_empty() { "" } else { ":" };
                text.push_str(&format!(" xmlns{colon}{prefix}=\"{}\"", Escaped(namespace)));
            }
        }
        text + &source[self.name_ends..self.whole.end]
    }
}

/// The element that a document consists of, or what is wrong with it.
pub(super) fn parse(source: &str) -> Result<Node, String> {
    let mut open: Vec<Node> = Vec::new();
    let mut root = None;
    let mut at = 0;
    let outside: Scope = Rc::new(BTreeMap::from([("xml".to_owned(), XML.to_owned())]));
    while at < source.len() {
        let rest = &source[at..];
        if !rest.starts_with('<') {
            let text = &rest[..rest.find('<').unwrap_or(rest.len())];
            append(&mut open, &unescape(text, at)?, at)?;
            at += text.len();
        } else if let Some(comment) = rest.strip_prefix("<!--") {
            at += 4 + until(comment, "-->", at)?;
        } else if let Some(data) = rest.strip_prefix("<![CDATA[") {
            let length = until(data, "]]>", at)?;
            append(&mut open, &data[..length - 3], at)?;
            at += 9 + length;
        } else if let Some(instruction) = rest.strip_prefix("<?") {
            at += 2 + until(instruction, "?>", at)?;
        } else if rest.starts_with("<!") {
            return Err(wrong("it declares a type of documents, which is not read", at));
        } else if let Some(end) = rest.strip_prefix("</") {
            let name = &end[..name_length(end)];
            let mut ended = match open.pop() {
                Some(ended) if ended.name == name => ended,
                _ => return Err(wrong(&format!("`</{name}>` ends nothing"), at)),
            };
            ended.inner.end = at;
            at += 2 + until(end, ">", at)?;
            ended.whole.end = at;
            close(&mut open, &mut root, ended)?;
        } else {
            let scope = open.last().map_or(&outside, |inner| &inner.scope);
            let (begun, empty) = begin(source, at, scope)?;
            at = begun.inner.start;
            if empty {
                close(&mut open, &mut root, begun)?;
            } else if open.len() == DEEPEST {
                return Err(wrong(&format!("it is nested deeper than {DEEPEST}"), at));
            } else {
                open.push(begun);
            }
        }
    }
    match (open.last(), root) {
        (Some(unended), _) => Err(wrong(&format!("`{}` does not end", unended.name), unended.whole.start)),
        (None, Some(root)) => Ok(root),
        (None, None) => Err(wrong("there is no element", 0)),
    }
}

fn append(open: &mut [Node], text: &str, at: usize) -> Result<(), String> {
    match open.last_mut() {
        Some(inner) => inner.text.push_str(text),
        None if text.trim_matches('\u{feff}').trim().is_empty() => {}
        None => return Err(wrong("there is text outside of the element", at)),
    }
    Ok(())
}

fn close(open: &mut [Node], root: &mut Option<Node>, ended: Node) -> Result<(), String> {
    let begins = ended.whole.start;
    match open.last_mut() {
        Some(inner) => inner.children.push(ended),
        None if root.is_some() => return Err(wrong("there is a second element", begins)),
        None => *root = Some(ended),
    }
    Ok(())
}

/// How far it is to behind `end`.
fn until(text: &str, end: &str, at: usize) -> Result<usize, String> {
    text.find(end).map(|found| found + end.len()).ok_or_else(|| wrong(&format!("`{end}` is missing"), at))
}

fn name_length(text: &str) -> usize {
    text.find(|c: char| c.is_whitespace() || "<>/=&\"'!?".contains(c)).unwrap_or(text.len())
}

/// An element's begin tag, and whether it is all of it.
fn begin(source: &str, at: usize, outer: &Scope) -> Result<(Node, bool), String> {
    let mut place = at + 1 + name_length(&source[at + 1..]);
    let (name, name_ends) = (&source[at + 1..place], place);
    if name.is_empty() {
        return Err(wrong("`<` begins no element", at));
    }
    let mut declared: BTreeMap<String, String> = BTreeMap::new();
    let empty = loop {
        let rest = &source[place..];
        let trimmed = rest.trim_start();
        let spaces = rest.len() - trimmed.len();
        if trimmed.starts_with('>') {
            place += spaces + 1;
            break false;
        }
        if trimmed.starts_with("/>") {
            place += spaces + 2;
            break true;
        }
        let read = if spaces == 0 { None } else { attribute(trimmed) };
        let Some((key, value, length)) = read else {
            return Err(wrong(&format!("the tag of `{name}` is not as it must be"), place));
        };
        if let Some(prefix) = key.strip_prefix("xmlns").filter(|rest| rest.is_empty() || rest.starts_with(':')) {
            declared.insert(prefix.trim_start_matches(':').to_owned(), unescape(value, place)?);
        }
        place += spaces + length;
    };
    let declares: Vec<String> = declared.keys().cloned().collect();
    let scope = if declared.is_empty() {
        Rc::clone(outer)
    } else {
        let mut all = BTreeMap::clone(outer);
        all.extend(declared);
        Rc::new(all)
    };
    let (prefix, local) = name.split_once(':').unwrap_or(("", name));
    let namespace = match scope.get(prefix) {
        Some(namespace) => namespace.clone(),
        None if prefix.is_empty() => String::new(),
        None => return Err(wrong(&format!("the prefix `{prefix}` is not declared"), at)),
    };
    let begun = Node {
        name: name.to_owned(),
        local: local.to_owned(),
        namespace,
        scope,
        declares,
        children: Vec::new(),
        text: String::new(),
        whole: at..place,
        inner: place..place,
        name_ends,
    };
    Ok((begun, empty))
}

/// Name and value of `name = "value"`, and how long that is.
fn attribute(text: &str) -> Option<(&str, &str, usize)> {
    let key = &text[..name_length(text)];
    let value = text[key.len()..].trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|sign| ['"', '\''].contains(sign))?;
    let end = value[1..].find([quote, '<']).filter(|end| value[1 + end..].starts_with(quote))?;
    let length = text.len() - value.len() + end + 2;
    (!key.is_empty()).then(|| (key, &value[1..=end], length))
}

fn unescape(text: &str, at: usize) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let end = after.find(|c: char| c == ';' || c == '&' || c.is_whitespace()).unwrap_or(after.len());
        let known = after[end..].starts_with(';').then(|| entity(&after[..end])).flatten();
        let Some(known) = known else {
            return Err(wrong(&format!("`&{}` is no entity that is known", &after[..end]), at));
        };
        plain.push(known);
        rest = &after[end + 1..];
    }
    plain.push_str(rest);
    Ok(plain)
}

fn entity(name: &str) -> Option<char> {
    let point = match (name.strip_prefix("#x"), name.strip_prefix('#')) {
        (Some(digits), _) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(digits, 16).ok()?,
        (None, Some(digits)) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
        (None, None) => match name {
            "lt" => '<'.into(),
            "gt" => '>'.into(),
            "amp" => '&'.into(),
            "quot" => '"'.into(),
            "apos" => '\''.into(),
            _ => return None,
        },
        _ => return None,
    };
    char::from_u32(point)
}

fn wrong(what: &str, at: usize) -> String {
    format!("it is not XML that is read here: {what}, at byte {at}")
}

/// Text as XML has it, in content and in attributes. What XML has no way to say is replaced.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\r' => f.write_str("&#13;")?,
                '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                    f.write_char('\u{fffd}')?;
                }
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// An element to be written, for a body. It is XML when it is shown.
///
/// ```
/// use jackfield::soap::Element;
///
/// let order = Element::new("Order").namespace("urn:orders").field("id", 7).child(Element::new("note").text("a < b"));
/// assert_eq!(order.to_string(), r#"<Order xmlns="urn:orders"><id>7</id><note>a &lt; b</note></Order>"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an element is XML when it is shown"]
pub struct Element {
    name: String,
    namespace: Option<String>,
    inner: String,
}

impl Element {
    /// An element of this name, which is not checked.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), namespace: None, inner: String::new() }
    }

    /// Declares the namespace of it and of what is in it.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Adds text.
    pub fn text(mut self, text: impl fmt::Display) -> Self {
        self.inner.push_str(&Escaped(&text.to_string()).to_string());
        self
    }

    /// Adds an element that holds this text.
    pub fn field(self, name: impl Into<String>, text: impl fmt::Display) -> Self {
        self.child(Self::new(name).text(text))
    }

    /// Adds an element.
    pub fn child(mut self, element: Self) -> Self {
        self.inner.push_str(&element.to_string());
        self
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, namespace, inner } = self;
        write!(f, "<{name}")?;
        if let Some(namespace) = namespace {
            write!(f, " xmlns=\"{}\"", Escaped(namespace))?;
        }
        write!(f, ">{inner}</{name}>")
    }
}
