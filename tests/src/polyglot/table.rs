//! The table: what works in which language, made of the case files; and the part of a page that is made by a program.

use std::fmt::Write as _;

use super::case::Case;
use super::language::Language;

/// What each case shows, and whether it is so in each language; then what does not work, and why.
#[must_use]
pub fn works(cases: &[Case], languages: &[Language]) -> String {
    let mut table = String::from("| what the cases show |");
    for language in languages {
        let _ = write!(table, " {} |", language.title);
    }
    let _ = write!(table, "\n| --- |{}\n", " --- |".repeat(languages.len()));
    for case in cases {
        let _ = write!(table, "| [{}](../tests/polyglot/{}.toml) |", case.about, case.name);
        for language in languages {
            let otherwise = case.steps.iter().any(|step| step.except.contains_key(language.name));
            let word = match (case.except.contains_key(language.name), otherwise) {
                (true, _) => "no",
                (_, true) => "differs",
                _ => "yes",
            };
            let _ = write!(table, " {word} |");
        }
        table.push('\n');
    }
    for language in languages {
        let reasons: Vec<_> = cases
            .iter()
            .flat_map(|case| case.exceptions().into_iter().map(move |(of, reason)| (case, of, reason)))
            .filter(|(_, of, _)| *of == language.name)
            .collect();
        if reasons.is_empty() {
            continue;
        }
        let _ = write!(table, "\nIn {}:\n\n", language.title);
        for (case, _, reason) in reasons {
            let _ = writeln!(table, "- {} ([{}](../tests/polyglot/{}.toml))", reason, case.name, case.name);
        }
    }
    table
}

/// The part of a page between `<!-- name -->` and `<!-- end of name -->`.
///
/// # Panics
///
/// The page has no such part.
#[must_use]
pub fn part<'a>(page: &'a str, name: &str) -> &'a str {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let after = page.split_once(&begin).unwrap_or_else(|| panic!("there is no {begin:?}")).1;
    after.split_once(&end).unwrap_or_else(|| panic!("there is no {end:?}")).0
}

/// The page with another text in that part.
#[must_use]
pub fn with_part(page: &str, name: &str, text: &str) -> String {
    let old = part(page, name);
    page.replacen(&format!("<!-- {name} -->\n{old}"), &format!("<!-- {name} -->\n\n{}\n\n", text.trim()), 1)
}
