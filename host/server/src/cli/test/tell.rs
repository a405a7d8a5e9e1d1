//! What is told of fixtures: a line each, and what differs of those that fail.

use std::path::Path;
use std::time::Duration;

use jackfield_core::recording::RecordedLine;
use jackfield_core::recording::fixture::play::Verdict;
use jackfield_core::recording::fixture::{Difference, Line};
use serde_json::{Value, json};

use super::super::error::CliError;
use super::super::screen::{Screen, safe, span};
use super::Tested;

/// Lines of the log that are shown of a fixture that fails.
const LOG_LINES: usize = 5;
/// What takes longer to be ready is worth a word.
const WORTH_A_WORD: Duration = Duration::from_secs(1);

/// Tells of all, and gives the exit code: 1 if one failed, 2 if one could not be read.
pub(super) fn all(tests: &[Tested], ready: Duration, verbose: bool, screen: &Screen) -> Result<(), CliError> {
    let passed = tests.iter().filter(|test| test.passed()).count();
    let unread = tests.iter().filter(|test| test.result.is_err()).count();
    let failed = tests.len() - passed - unread;
    let told = json!({
        "passed": passed, "failed": failed, "unread": unread, "ready_ms": millis(ready),
        "fixtures": tests.iter().map(Tested::json).collect::<Vec<_>>(),
    });
    if !screen.answer(&told) {
        let width = tests.iter().map(|test| test.name().chars().count()).max().unwrap_or_default();
        for test in tests {
            one(test, width, verbose, screen);
        }
        let mut parts = vec![format!("{passed} passed")];
        parts.extend((failed > 0).then(|| format!("{failed} failed")));
        parts.extend((unread > 0).then(|| format!("{unread} could not be read")));
        let words = if ready >= WORTH_A_WORD { format!("    (ready after {})", span(ready)) } else { String::new() };
        screen.line(format!("{}{words}", parts.join(", ")));
    }
    match (unread, failed) {
        (0, 0) => Ok(()),
        (0, _) => Err(CliError::silent(1)),
        _ => Err(CliError::silent(2)),
    }
}

fn one(test: &Tested, width: usize, verbose: bool, screen: &Screen) {
    let name = test.name();
    let took = format!("{:.0} ms", test.took.as_secs_f64() * 1e3);
    match &test.result {
        Err(bad) => {
            screen.wrong(format!("{name:<width$}   is no fixture"));
            screen.line(format!("    {}", safe(&bad.to_string())));
        }
        Ok(verdict) if verdict.differences.is_empty() => {
            screen.done(format!("{name:<width$}   {took}"));
            if verbose {
                logged(&verdict.log, usize::MAX, screen);
            }
        }
        Ok(verdict) => failed(&name, width, verdict, verbose, screen),
    }
}

fn failed(name: &str, width: usize, verdict: &Verdict, verbose: bool, screen: &Screen) {
    for (at, difference) in verdict.differences.iter().enumerate() {
        let title = safe(&difference.title);
        if at == 0 {
            screen.wrong(format!("{name:<width$}   {title}"));
        } else {
            screen.line(format!("    {title}"));
        }
        details(difference, screen);
    }
    logged(&verdict.log, if verbose { usize::MAX } else { LOG_LINES }, screen);
}

/// The lines of a difference: `-` is what the fixture says, `+` what came.
fn details(difference: &Difference, screen: &Screen) {
    for line in &difference.lines {
        screen.line(match line {
            Line::About(text) => format!("      {}", safe(text)),
            Line::Expected(text) => Screen::bad(&format!("    - {}", safe(text))),
            Line::Actual(text) => Screen::good(&format!("    + {}", safe(text))),
        });
    }
}

fn logged(log: &[RecordedLine], most: usize, screen: &Screen) {
    for line in &log[log.len().saturating_sub(most)..] {
        screen.line(Screen::dim(&format!("    log  {:<5}  {}", line.level, safe(&line.message))));
    }
}

impl Tested {
    fn passed(&self) -> bool {
        self.result.as_ref().is_ok_and(|verdict| verdict.differences.is_empty())
    }

    fn name(&self) -> String {
        safe(&shown(&self.file))
    }

    fn json(&self) -> Value {
        let file = self.file.display().to_string();
        match &self.result {
            Err(bad) => json!({ "file": file, "passed": false, "problem": bad.to_string() }),
            Ok(verdict) => json!({
                "file": file,
                "passed": verdict.differences.is_empty(),
                "took_ms": millis(self.took),
                "differences": verdict.differences,
                "outcome": verdict.outcome,
                "calls": verdict.calls,
                "log": verdict.log,
            }),
        }
    }
}

fn shown(file: &Path) -> String {
    file.display().to_string()
}

/// To a tenth.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e4).round() / 10.0
}
