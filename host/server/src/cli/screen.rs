//! What a person sees: tables, times, marks, progress. Colour only on a terminal, and never as the only
//! sign; what others wrote is shown without control characters.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use jackfield_core::clock::{Clock as _, SystemClock, Timestamp};
use serde_json::Value;

use super::error::CliError;

/// See the module.
pub(super) struct Screen {
    json: bool,
    terminal: bool,
}

const GREEN: anstyle::Style = anstyle::AnsiColor::Green.on_default();
const RED: anstyle::Style = anstyle::AnsiColor::Red.on_default();
const YELLOW: anstyle::Style = anstyle::AnsiColor::Yellow.on_default();
const DIM: anstyle::Style = anstyle::Style::new().dimmed();

/// Columns below which a table that is wrapped cannot be read.
const NARROW: u16 = 40;

impl Screen {
    /// A screen; with `json` only [`Screen::answer`] prints.
    pub(super) fn new(json: bool) -> Self {
        Self { json, terminal: std::io::stdout().is_terminal() }
    }

    /// Whether only JSON may be printed.
    pub(super) const fn is_json(&self) -> bool {
        self.json
    }

    /// Prints the API's answer if JSON was asked for; says whether it did.
    pub(super) fn answer(&self, value: &Value) -> bool {
        if self.json {
            let text = if self.terminal { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
            out(&text.unwrap_or_default());
        }
        self.json
    }

    /// A line.
    pub(super) fn line(&self, text: impl AsRef<str>) {
        if !self.json {
            out(text.as_ref());
        }
    }

    /// Something went as it should.
    pub(super) fn done(&self, text: impl AsRef<str>) {
        self.line(format!("{GREEN}✓{GREEN:#} {}", text.as_ref()));
    }

    /// Something is not as it should be.
    pub(super) fn wrong(&self, text: impl AsRef<str>) {
        self.line(format!("{RED}✗{RED:#} {}", text.as_ref()));
    }

    /// Something a person should know.
    pub(super) fn warning(&self, text: impl AsRef<str>) {
        self.line(format!("{YELLOW}!{YELLOW:#} {}", text.as_ref()));
    }

    /// Less important than its neighbours.
    pub(super) fn dim(text: &str) -> String {
        format!("{DIM}{text}{DIM:#}")
    }

    /// As it should be, within a line.
    pub(super) fn good(text: &str) -> String {
        format!("{GREEN}{text}{GREEN:#}")
    }

    /// Not as it should be, within a line.
    pub(super) fn bad(text: &str) -> String {
        format!("{RED}{text}{RED:#}")
    }

    /// A table; `empty` if there are no rows.
    pub(super) fn table(&self, heads: &[&str], rows: Vec<Vec<String>>, empty: &str) {
        if rows.is_empty() {
            self.line(empty);
            return;
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        if !self.terminal || table.width().is_some_and(|width| width < NARROW) {
            // For `grep` and `awk`, and for terminals that do not know how wide they are: nothing is wrapped.
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
        table.set_header(heads.iter().map(|head| head.to_uppercase()));
        for row in rows {
            table.add_row(row);
        }
        self.line(table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n"));
    }

    /// Says what goes on until the returned bar is dropped; nothing without a terminal.
    pub(super) fn progress(&self, text: impl Into<String>) -> Progress {
        let bar = if self.json || !std::io::stderr().is_terminal() {
            ProgressBar::hidden()
        } else {
            let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}").expect("the template is constant");
            let bar = ProgressBar::new_spinner().with_style(style).with_message(text.into());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        };
        Progress(bar)
    }

    /// Why the command did not do what it was asked: to standard error.
    pub(super) fn error(&self, error: &CliError) {
        if self.json
            && let Some(problem) = &error.problem
        {
            out(&problem.to_string());
        }
        if !error.text.is_empty() {
            let _ = writeln!(anstream::stderr(), "{RED}✗{RED:#} {}", safe_lines(&error.text));
        }
    }
}

/// An answer of the API as the type it is written from.
pub(super) fn read<T: serde::de::DeserializeOwned>(answer: &Value) -> Result<T, CliError> {
    T::deserialize(answer).map_err(|e| {
        CliError::host(format!("the host's answer does not read: {e}; are host and command line of one version?"))
    })
}

/// Asks on a terminal whether to go on. Without one nobody can be asked: then it must have been said
/// with `--yes`.
pub(super) fn agreed(yes: bool, question: &str) -> Result<bool, CliError> {
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        return Err(CliError::input("standard input is no terminal, so nobody can be asked: say --yes to go on"));
    }
    let _ = write!(anstream::stderr(), "{question} [y/N] ");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|e| CliError::input(format!("standard input: {e}")))?;
    Ok(["y", "yes"].contains(&line.trim().to_lowercase().as_str()))
}

/// Ends with its scope.
pub(super) struct Progress(ProgressBar);

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn out(text: &str) {
    // A reader that went away (`| head`) is no error.
    let _ = writeln!(anstream::stdout(), "{text}");
}

/// Text that others wrote, on one line: control characters are escaped.
pub(super) fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_reordering(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// As [`safe`], with the line breaks kept.
pub(super) fn safe_lines(text: &str) -> String {
    text.lines().map(safe).collect::<Vec<_>>().join("\n")
}

/// Characters that change the order in which a terminal shows others.
fn is_reordering(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// The text at `key`, fit to be shown; empty if there is none.
pub(super) fn text(value: &Value, key: &str) -> String {
    match value.get(key) {
        Some(Value::String(text)) => safe(text),
        Some(Value::Null) | None => String::new(),
        Some(other) => safe(&other.to_string()),
    }
}

/// The list at `key`, or the value itself if it is one.
pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    let list = if key.is_empty() { value.as_array() } else { value.get(key).and_then(Value::as_array) };
    list.map_or(&[], Vec::as_slice)
}

/// The texts of a list at `key`, joined.
pub(super) fn joined(value: &Value, key: &str) -> String {
    list(value, key).iter().filter_map(Value::as_str).map(safe).collect::<Vec<_>>().join(", ")
}

/// The data of an event or an output, on one line.
pub(super) fn payload(of: &Value) -> String {
    match (of.get("data"), of.get("data_text")) {
        (Some(data), _) if !data.is_null() => safe(&data.to_string()),
        (_, Some(Value::String(said))) => safe(said),
        _ => text(of, "data_base64"),
    }
}

/// How long ago the RFC 3339 time at `key` was, as people say it.
pub(super) fn ago(value: &Value, key: &str) -> String {
    let Some(at) = value.get(key).and_then(Value::as_str).and_then(|text| Timestamp::parse(text).ok()) else {
        return String::new();
    };
    since(at)
}

/// How long ago a moment was, as people say it.
pub(super) fn since(at: Timestamp) -> String {
    let now = SystemClock.now();
    if at > now { format!("in {}", span(at.since(now))) } else { format!("{} ago", span(now.since(at))) }
}

/// A moment as it stands before a line of a log: on a terminal the time of day where its reader is, else in full.
pub(super) fn moment(screen: &Screen, value: &Value, key: &str) -> String {
    let at = value.get(key).and_then(Value::as_str).and_then(|text| Timestamp::parse(text).ok());
    let local = at.filter(|_| screen.terminal).and_then(|at| jiff::Timestamp::from_millisecond(at.as_millis()).ok());
    match local {
        Some(at) => {
            let at = at.to_zoned(jiff::tz::TimeZone::system());
            format!("{:02}:{:02}:{:02}.{:03}", at.hour(), at.minute(), at.second(), at.millisecond())
        }
        None => text(value, key),
    }
}

/// The level at `key`, five characters wide; colour only says it again.
pub(super) fn level(value: &Value, key: &str) -> String {
    let word = text(value, key);
    let style = match word.as_str() {
        "error" => RED,
        "warn" => YELLOW,
        "info" => GREEN,
        _ => DIM,
    };
    format!("{style}{word:<5}{style:#}")
}

/// The attributes at `key`, dimmed, as `name=value`, each after two spaces; a value that would be read otherwise is
/// quoted. Nothing if there are none.
pub(super) fn attributes(value: &Value, key: &str) -> String {
    let one = |attribute: &Value| {
        let value = text(attribute, "value");
        let plain = !value.is_empty() && !value.contains([' ', '"', '=']);
        let value = if plain { value } else { format!("{value:?}") };
        format!("  {}={value}", text(attribute, "name"))
    };
    let all: String = list(value, key).iter().map(one).collect();
    if all.is_empty() { all } else { Screen::dim(&all) }
}

/// A span of time in its largest unit.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Bytes in their largest unit.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..=1_023 => format!("{bytes} B"),
        1_024..=1_048_575 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Threat row 87: what a guest, an event or an artifact says cannot drive a terminal.
    #[test]
    fn threat_087_nothing_shown_can_drive_the_terminal() {
        for hostile in ["\u{1b}[31mred", "a\r\nb", "nul\0", "\u{7}bell", "\u{9b}31m", "\u{202e}gnp.exe", "\u{8}\u{8}"] {
            let shown = safe(hostile);
            assert!(!shown.chars().any(|c| c.is_control() || is_reordering(c)), "{shown:?}");
            assert!(safe_lines(hostile).chars().all(|c| c == '\n' || !c.is_control()));
        }
        assert_eq!(safe("Größe → 3 µs"), "Größe → 3 µs");
    }

    #[test]
    fn spans_and_sizes_read_well() {
        assert_eq!(span(Duration::from_millis(41)), "41 ms");
        assert_eq!(span(Duration::from_secs(90)), "90 s");
        assert_eq!(span(Duration::from_secs(7_200)), "2 h");
        assert_eq!(size(200_000), "200.0 kB");
        assert_eq!(size(13_000_000), "13.0 MB");
    }
}
