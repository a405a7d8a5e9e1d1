//! The reference: the contract's functions with what it says of them, and their names in each SDK.
//!
//! Generated, and committed: `docs/reference/README.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use wit_parser::{Docs, Interface, Resolve};

use crate::env;

/// How a function is written in an SDK.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Name {
    /// A function of the SDK, as a handler writes it: `cx.kv.get`.
    Function(String),
    /// Something else.
    Use {
        /// As a handler writes it.
        name: String,
        /// How it is used.
        #[serde(rename = "use")]
        how: String,
    },
}

impl Name {
    /// As a handler writes it, without what stands for the context: `get_many` of `cx.kv.get_many`.
    #[must_use]
    pub fn last(&self) -> &str {
        let (Self::Function(name) | Self::Use { name, .. }) = self;
        name.rsplit(['.', ':']).next().unwrap_or(name)
    }
}

/// Interface, function, language: names.
type Names = BTreeMap<String, BTreeMap<String, BTreeMap<String, Vec<Name>>>>;

/// The names of every function: `docs/reference/names.toml`.
///
/// # Panics
///
/// It does not read.
#[must_use]
pub fn names() -> Names {
    let file = env::repository("docs/reference/names.toml");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// The contract, parsed.
///
/// # Panics
///
/// It does not parse.
#[must_use]
pub fn contract() -> Resolve {
    let mut resolve = Resolve::default();
    resolve.push_dir(env::repository("wit")).expect("the contract parses");
    resolve
}

/// What a runtime asks for, and no handler.
const NOT_FOR_HANDLERS: &str = "program";

/// The interfaces that have functions for handlers, in the order of the world: what is imported, then what is exported.
fn interfaces(resolve: &Resolve) -> Vec<(&str, &Interface)> {
    const ORDER: [&str; 3] = ["handler", "run", "log"];
    let mut all: Vec<_> = resolve
        .interfaces
        .iter()
        .filter_map(|(_, interface)| Some((interface.name.as_deref()?, interface)))
        .filter(|(name, interface)| !interface.functions.is_empty() && *name != NOT_FOR_HANDLERS)
        .collect();
    all.sort_by_key(|(name, _)| (ORDER.iter().position(|known| known == name).unwrap_or(ORDER.len()), *name));
    all
}

/// Every function of the contract, such as `kv.get-many`.
#[must_use]
pub fn functions(resolve: &Resolve) -> Vec<String> {
    let all = interfaces(resolve).into_iter();
    all.flat_map(|(name, interface)| interface.functions.keys().map(move |f| format!("{name}.{f}"))).collect()
}

/// The page, for these languages (name in `names.toml`, and for people).
///
/// # Panics
///
/// A function has no name in one of them, or its signature is not in the SDK.
#[must_use]
pub fn page(languages: &[(&str, &str)]) -> String {
    let (resolve, names) = (contract(), names());
    let mut text = String::from(
        "# Reference\n\nEvery function that a handler can call, what the contract says of it, and how each SDK writes it. \
         Made of [`wit/`](../../wit), of the SDKs' signatures and of [`names.toml`](names.toml); `cargo test` says how to \
         make it anew. What of it works in which language is in [languages](../languages.md).\n\n",
    );
    for (name, interface) in interfaces(&resolve) {
        let functions = interface.functions.keys().map(|f| format!("[{f}](#{name}{f})"));
        let _ = writeln!(text, "- [{name}](#{name}): {}", functions.collect::<Vec<_>>().join(", "));
    }
    text.push_str("- [types](#types)\n");
    for (name, interface) in interfaces(&resolve) {
        let source = source(name);
        let _ = write!(text, "\n## {name}\n\n{}", prose(&interface.docs));
        for (function, about) in &interface.functions {
            let _ = write!(text, "\n### {name}.{function}\n\n{}\n", prose(&about.docs));
            let _ = writeln!(text, "```wit\n{}\n```\n", statement(&source, &format!("{function}: func")));
            for (language, title) in languages {
                let given = names.get(name).and_then(|of| of.get(function)).and_then(|of| of.get(*language));
                let given = given.unwrap_or_else(|| panic!("names.toml: {name}.{function} has no name in {language}"));
                let fence = if *language == "js" { "ts" } else { language };
                let lines: Vec<_> = given.iter().map(|given| shown(language, name, given)).collect();
                let _ = writeln!(text, "{title}:\n\n```{fence}\n{}\n```\n", lines.join("\n"));
            }
        }
        let types: Vec<_> = interface.types.keys().filter_map(|of| definition(&source, of)).collect();
        if !types.is_empty() {
            let _ = writeln!(text, "### Types of {name}\n\n```wit\n{}\n```", types.join("\n\n"));
        }
    }
    let types: Vec<_> = source("types").lines().skip(2).map(str::to_owned).collect();
    let _ = writeln!(text, "\n## types\n\n```wit\n{}\n```", types.join("\n"));
    // One empty line is enough anywhere.
    while text.contains("\n\n\n") {
        text = text.replace("\n\n\n", "\n\n");
    }
    text
}

fn source(interface: &str) -> String {
    let file = env::repository(&format!("wit/{interface}.wit"));
    std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

fn prose(docs: &Docs) -> String {
    docs.contents.as_deref().map(|text| format!("{}\n", text.trim())).unwrap_or_default()
}

/// From `begin` to the semicolon, on one line.
fn statement(source: &str, begin: &str) -> String {
    let at = source.find(begin).unwrap_or_else(|| panic!("`{begin}` is not in the contract"));
    let rest = &source[at..];
    let end = rest.find(';').unwrap_or(rest.len());
    rest[..end].split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A record, a variant or the like, as it is written, with what is said of it.
fn definition(source: &str, name: &str) -> Option<String> {
    let lines: Vec<&str> = source.lines().collect();
    let kinds = ["record", "variant", "enum", "flags", "resource"];
    let begin = lines.iter().position(|l| kinds.iter().any(|kind| l.trim() == format!("{kind} {name} {{")))?;
    let end = begin + lines[begin..].iter().position(|line| *line == "    }")?;
    let docs = lines[..begin].iter().rev().take_while(|line| line.trim().starts_with("///")).count();
    let body = lines[begin - docs..=end].iter().map(|line| line.strip_prefix("    ").unwrap_or(line));
    Some(body.collect::<Vec<_>>().join("\n"))
}

fn shown(language: &str, interface: &str, name: &Name) -> String {
    match name {
        Name::Use { how, .. } => how.clone(),
        Name::Function(path) => {
            let signature = signature(language, interface, name.last());
            let comment = if language == "python" { "#" } else { "//" };
            format!("{signature}  {comment} {path}")
        }
    }
}

/// The signature of a function of an SDK, on one line.
fn signature(language: &str, interface: &str, name: &str) -> String {
    let interface = if interface == "run" && language != "go" { "context" } else { interface };
    let (file, begins): (String, Vec<String>) = match language {
        "rust" => (format!("sdk/rust/src/{interface}.rs"), vec![format!("pub fn {name}<"), format!("pub fn {name}(")]),
        "js" => {
            let forms = ["async {}<", "async {}(", "async *{}(", "{}(", "{}<", "get {}("];
            (format!("sdk/js/src/{interface}.ts"), forms.map(|form| form.replace("{}", name)).into())
        }
        "python" => (format!("sdk/python/jackfield/_{interface}.py"), vec![format!("def {name}(")]),
        "go" => (format!("sdk/go/{interface}.go"), vec![format!(") {name}("), format!("func {name}(")]),
        other => panic!("no signatures are known of {other}"),
    };
    let text = std::fs::read_to_string(env::repository(&file)).unwrap_or_else(|e| panic!("{file}: {e}"));
    let lines: Vec<&str> = text.lines().collect();
    let found = lines.iter().position(|line| {
        let line = line.trim_start();
        if language == "go" {
            line.starts_with("func ") && begins.iter().any(|begin| line.contains(begin.as_str()))
        } else {
            begins.iter().any(|begin| line.starts_with(begin.as_str()))
        }
    });
    let found = found.unwrap_or_else(|| panic!("{file} has no function `{name}`"));
    // An overload tells less than what follows it.
    let found = if language == "python" { last_overload(&lines, found, name) } else { found };
    let mut signature = String::new();
    for line in &lines[found..] {
        let line = line.trim();
        let joined = if signature.is_empty() || signature.ends_with('(') || line.starts_with(')') { "" } else { " " };
        signature.push_str(joined);
        signature.push_str(line);
        let ended = match language {
            "python" => line.ends_with(':') || line.ends_with("..."),
            _ => line.ends_with('{') || line.ends_with(';'),
        };
        if ended {
            break;
        }
    }
    let plain = signature.trim_end_matches(['{', ':', ';', ' ']).trim_end_matches(": ...").replace(",)", ")");
    plain.trim_start_matches("pub ").trim_start_matches("async ").to_owned()
}

fn last_overload(lines: &[&str], first: usize, name: &str) -> usize {
    let begin = format!("def {name}(");
    let mut found = first;
    for (place, line) in lines.iter().enumerate().skip(first + 1) {
        match line.trim_start() {
            line if line.starts_with(&begin) => found = place,
            line if line.starts_with("@overload") => {}
            _ => break,
        }
    }
    found
}
