//! Why a command did not do what it was asked, and its exit code.

use serde_json::Value;

/// See the module.
#[derive(Debug)]
pub(super) struct CliError {
    /// 1 the run failed, 2 your input, 3 the host.
    pub(super) code: u8,
    /// For a person: what, where, and the way out. Empty if all was said.
    pub(super) text: String,
    /// What the API answered, for `--json`.
    pub(super) problem: Option<Value>,
}

impl CliError {
    /// Something the person gave is wrong.
    pub(super) fn input(text: impl Into<String>) -> Self {
        Self { code: 2, text: text.into(), problem: None }
    }

    /// The host or this machine did not do its part.
    pub(super) fn host(text: impl Into<String>) -> Self {
        Self { code: 3, text: text.into(), problem: None }
    }

    /// All was said already.
    pub(super) const fn silent(code: u8) -> Self {
        Self { code, text: String::new(), problem: None }
    }

    /// What the API answered, as problem+json.
    pub(super) fn api(status: u16, problem: Value) -> Self {
        let text_of = |key: &str| problem.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut text = text_of("detail");
        if text.is_empty() {
            text = format!("the host answered {status}");
        }
        if let Some(problems) = problem.get("problems").and_then(Value::as_array) {
            for problem in problems {
                let line = problem.get("line").and_then(Value::as_u64);
                let place = match (line, problem.get("key").and_then(Value::as_str)) {
                    (Some(line), _) => format!("jackfield.toml:{line}  "),
                    (None, Some(key)) if !key.is_empty() => format!("{key}: "),
                    _ => String::new(),
                };
                let said = problem.get("text").and_then(Value::as_str).unwrap_or_default();
                text.push_str("\n\n  ");
                text.push_str(&place);
                text.push_str(&said.replace('\n', "\n  "));
            }
        }
        match status {
            401 => text.push_str("\n  jackfield login                   swaps the set-up token for one of your own"),
            500.. if !text_of("id").is_empty() => {
                text.push_str(&format!("\n  the host's log has more under id {}", text_of("id")));
            }
            _ => {}
        }
        let code = if status >= 500 { 3 } else { 2 };
        Self { code, text, problem: Some(problem) }
    }
}
