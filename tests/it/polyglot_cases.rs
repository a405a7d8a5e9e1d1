//! Every case of `tests/polyglot` in every language, and that none is forgotten.

use jackfield_tests::env;
use jackfield_tests::polyglot::play::play_all;
use jackfield_tests::polyglot::table::{part, with_part, works};
use jackfield_tests::polyglot::{Case, Language};
use jackfield_tests::reference;

/// Plays all cases, or those whose name begins with `JACKFIELD_CASE`.
async fn every_case(language: &str) {
    let mut cases = Case::all();
    if let Some(begin) = env::variable("JACKFIELD_CASE") {
        cases.retain(|case| case.name.starts_with(&begin));
    }
    assert!(!cases.is_empty(), "there is no case of that name");
    let problems = play_all(Language::of(language), cases).await;
    assert!(problems.is_empty(), "{} differences:\n{}", problems.len(), problems.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_in_rust() {
    every_case("rust").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_in_js() {
    every_case("js").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_in_python() {
    every_case("python").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_in_go() {
    every_case("go").await;
}

#[test]
fn every_language_with_a_guest_is_played() {
    let names: Vec<_> = Language::found().into_iter().map(|language| language.name).collect();
    assert_eq!(names, ["rust", "js", "python", "go"]);
    let known = |language: &String| names.contains(&language.as_str());
    for case in Case::all() {
        let steps = case.steps.iter().flat_map(|step| step.except.keys());
        let unknown: Vec<_> = case.except.keys().chain(steps).filter(|language| !known(language)).collect();
        assert!(unknown.is_empty(), "{}: exceptions of {unknown:?}", case.name);
    }
}

/// A capability that is added must be played: by a case, and by the guest of every language.
#[test]
fn every_function_of_the_contract_is_in_a_case_and_in_every_guest() {
    let (functions, names, cases) = (reference::functions(&reference::contract()), reference::names(), Case::all());
    assert!(functions.len() > 10, "{functions:?}");
    let covered: Vec<&String> = cases.iter().flat_map(|case| &case.covers).collect();
    for function in &covered {
        assert!(functions.contains(function), "a case covers {function}, which the contract does not have");
    }
    for function in &functions {
        assert!(covered.contains(&function), "no case of tests/polyglot covers {function}");
        let (interface, name) = function.split_once('.').unwrap();
        for language in Language::found() {
            let given = names.get(interface).and_then(|of| of.get(name)).and_then(|of| of.get(language.name));
            let given = given.unwrap_or_else(|| panic!("names.toml: {function} has no name in {}", language.name));
            let sources = language.sources();
            let used = given.iter().any(|name| sources.iter().any(|(_, text)| text.contains(name.last())));
            assert!(used, "{} never uses {function}", language.folder().display());
        }
    }
}

/// A guest plays the cases by their names: one that nobody asks for, or that it does not know, is a mistake.
#[test]
fn every_guest_knows_every_case() {
    for language in Language::found() {
        let sources: String = language.sources().into_iter().map(|(_, text)| text).collect();
        for case in Case::all().iter().filter(|case| case.example.is_none() && !case.except.contains_key(language.name))
        {
            let types = case.steps.iter().map(|step| step.event_type.as_deref().unwrap_or(&case.name));
            for name in types.map(|name| name.trim_start_matches("case.")) {
                let named = sources.contains(&format!("\"{name}\"")) || sources.contains(&format!("  {name}:"));
                assert!(named, "{} does not play `{name}`", language.folder().display());
            }
        }
    }
}

#[test]
fn the_page_of_languages_says_what_the_cases_say() {
    let file = env::repository("docs/languages.md");
    let page = std::fs::read_to_string(&file).unwrap();
    let new = with_part(&page, "cases", &works(&Case::all(), &Language::found()));
    committed("docs/languages.md", &page, &new);
    // The figures depend on the machine; that there are some of every language does not.
    let figures = part(&page, "figures");
    let head = figures.lines().find(|line| line.starts_with('|')).unwrap();
    for language in Language::found() {
        assert!(head.contains(language.title), "no figures of {}: `make bench`", language.title);
    }
}

#[test]
fn the_reference_is_what_contract_and_sdks_say() {
    let found = Language::found();
    let languages: Vec<_> = found.iter().map(|language| (language.name, language.title)).collect();
    let file = env::repository("docs/reference/README.md");
    let page = std::fs::read_to_string(&file).unwrap_or_default();
    committed("docs/reference/README.md", &page, &reference::page(&languages));
}

/// Fails if a generated page is not as it would be made now, and says how to have it.
#[track_caller]
fn committed(path: &str, old: &str, new: &str) {
    if old != new {
        let name = path.replace('/', "-");
        let file = std::env::temp_dir().join(format!("jackfield-{name}"));
        std::fs::write(&file, new).unwrap();
        panic!("{path} is out of date: look at what changed, then: cp {} {path}", file.display());
    }
}
