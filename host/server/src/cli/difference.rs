//! What a person sees of the difference between two versions: one screen, the powers before the rest.
//!
//! Not here: what differs; the API says so.

use super::screen::{safe, size};
use crate::api::difference::{Change, Code, ComponentDifference, Difference, Power, Setting, TriggerDifference};

/// The width of the words on the left.
const HEAD: usize = 18;
/// The most lines of one kind; `--json` shows all.
const MOST: usize = 20;
/// The hex digits of a digest that are shown.
const DIGITS: usize = 8;

/// The lines on the screen, without a heading. No line says that nothing differs.
pub(super) fn lines(difference: &Difference) -> Vec<String> {
    let mut sheet = Sheet::default();
    for part in &difference.components {
        component(&mut sheet, part);
    }
    sheet.put("triggers", difference.triggers.iter().map(trigger).collect());
    sheet.put("connections", difference.connections.iter().map(connection).collect());
    sheet.put("description", difference.description.iter().map(changed).collect());
    sheet.0
}

/// Lines with words on the left.
#[derive(Default)]
pub(super) struct Sheet(pub(super) Vec<String>);

impl Sheet {
    /// Adds lines that belong to the same words on the left; nothing if there are none.
    pub(super) fn put(&mut self, head: &str, lines: Vec<String>) {
        let more = lines.len().saturating_sub(MOST);
        for (place, line) in lines.into_iter().take(MOST).enumerate() {
            let head = if place == 0 { head } else { "" };
            self.0.push(format!("  {head:<HEAD$}{line}").trim_end().to_owned());
        }
        if more > 0 {
            self.0.push(format!("  {:<HEAD$}… and {more} more (--json shows all)", ""));
        }
    }
}

fn component(sheet: &mut Sheet, part: &ComponentDifference) {
    let new = part.change == Change::Added;
    sheet.put(&format!("component {}", safe(&part.name)), vec![code(part)]);
    let also: Vec<String> = part.imports_also.iter().map(|name| safe(name)).collect();
    if !new && !also.is_empty() {
        sheet.put("imports also", vec![also.join(", ")]);
    }
    // All that a first version may do is new: marking each would mark nothing.
    sheet.put(if new { "may" } else { "may now also" }, powers(&part.may_also, if new { "" } else { "← new" }));
    sheet.put("may still", powers(&part.may_still, ""));
    sheet.put("no longer", powers(&part.no_longer, ""));
    for (head, capabilities) in [("denied", &part.denied), ("not denied now", &part.denied_no_longer)] {
        if !capabilities.is_empty() {
            sheet.put(head, vec![capabilities.iter().map(|name| safe(name)).collect::<Vec<_>>().join(", ")]);
        }
    }
    let section = |setting: &Setting| setting.key.split_once('.').map(|(section, _)| section.to_owned());
    for head in ["limits", "retry", "build"] {
        let of = part.settings.iter().filter(|setting| section(setting).as_deref() == Some(head));
        let texts: Vec<String> = of.map(|setting| changed_key(setting, Some(head))).collect();
        if !texts.is_empty() {
            sheet.put(head, vec![texts.join("   ")]);
        }
    }
    if !new {
        let rest = part.settings.iter().filter(|setting| section(setting).is_none());
        for setting in rest {
            sheet.put(&safe(&setting.key), vec![changed(setting)]);
        }
    }
}

fn code(part: &ComponentDifference) -> String {
    let words = |code: &Code| {
        let size = code.size.map(size).unwrap_or_default();
        let producers: Vec<String> = code.producers.iter().map(|name| safe(name)).collect();
        [size, producers.join(", ")].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("   ")
    };
    let line = match (&part.code_before, &part.code_after) {
        (Some(before), Some(after)) => {
            format!("{} → {}   {}", digest(&before.digest), digest(&after.digest), words(after))
        }
        (None, Some(after)) => format!("{}   {}", digest(&after.digest), words(after)),
        (Some(_) | None, None) if part.change == Change::Removed => String::new(),
        _ => "same code".into(),
    };
    match part.change {
        Change::Added => format!("added     {line}"),
        Change::Removed => "removed".into(),
        Change::Changed => line,
    }
}

/// `sha256:9f2c41aa…`
pub(super) fn digest(text: &str) -> String {
    let shown: String = safe(text).chars().take("sha256:".len() + DIGITS).collect();
    format!("{shown}…")
}

/// Powers in columns; those that differ in their verb alone are one line.
fn powers(list: &[Power], mark: &str) -> Vec<String> {
    let mut rows: Vec<[String; 5]> = Vec::new();
    for power in list {
        let target = power.target.as_deref().map(safe).unwrap_or_default();
        let what = if power.what.is_empty() { "everything".into() } else { safe(&power.what) };
        let with = power.with.iter().map(|text| safe(text)).collect::<Vec<_>>().join(", ");
        let row = [safe(&power.capability), target, safe(&power.verb), what, with];
        match rows.last_mut() {
            Some([capability, target, verbs, what, with])
                if (&*capability, &*target, &*what, &*with) == (&row[0], &row[1], &row[3], &row[4]) =>
            {
                *verbs = format!("{verbs}, {}", row[2]);
            }
            _ => rows.push(row),
        }
    }
    let mut columns = columns(rows);
    if !mark.is_empty() {
        let widest = columns.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        for line in &mut columns {
            let gap = widest - line.chars().count();
            line.push_str(&format!("{:gap$}   {mark}", ""));
        }
    }
    columns
}

/// Cells below each other; a column of which all cells are empty takes no room.
fn columns<const N: usize>(rows: Vec<[String; N]>) -> Vec<String> {
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: [String; N]| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths).filter(|(_, width)| *width > 0) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        line.trim_end().to_owned()
    };
    rows.into_iter().map(line).collect()
}

fn trigger(trigger: &TriggerDifference) -> String {
    let (name, kind) = (safe(&trigger.name), safe(&trigger.kind));
    match trigger.change {
        Change::Removed => format!("{name}  removed"),
        Change::Added => {
            let told = trigger.settings.iter().filter(|setting| !["kind", "component"].contains(&setting.key.as_str()));
            let told: Vec<String> = told.map(|setting| changed_key(setting, None)).collect();
            format!("{name}  added, {kind}   {}", told.join("   ")).trim_end().to_owned()
        }
        Change::Changed => {
            let told: Vec<String> = trigger.settings.iter().map(|setting| changed_key(setting, None)).collect();
            format!("{name}  {}", told.join("   "))
        }
    }
}

fn connection(setting: &Setting) -> String {
    let name = safe(&setting.key);
    match (&setting.from, &setting.to) {
        (None, Some(kind)) => format!("{name}  added, {}", safe(kind)),
        (_, None) => format!("{name}  removed"),
        _ => format!("{name}  {}", changed(setting)),
    }
}

/// `timeout 30s → 60s`, the key without the section it stands in.
fn changed_key(setting: &Setting, section: Option<&str>) -> String {
    let key = section.and_then(|section| setting.key.strip_prefix(section)?.strip_prefix('.'));
    let key = safe(key.unwrap_or(&setting.key));
    match (&setting.from, &setting.to) {
        (None, Some(to)) => format!("{key} {}", safe(to)),
        _ => format!("{key} {}", changed(setting)),
    }
}

fn changed(setting: &Setting) -> String {
    let value = |value: &Option<String>| value.as_deref().map_or_else(|| "not set".into(), safe);
    format!("{} → {}", value(&setting.from), value(&setting.to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn power(capability: &str, target: Option<&str>, verb: &str, what: &str) -> Value {
        json!({ "capability": capability, "target": target, "verb": verb, "what": what, "with": [] })
    }

    fn setting(key: &str, from: Option<&str>, to: Option<&str>) -> Value {
        json!({ "key": key, "from": from, "to": to })
    }

    fn part(change: &str, fields: Value) -> Value {
        let mut part = json!({
            "name": "sync", "change": change, "code_before": null, "code_after": null, "imports_also": [], "may_also": [],
            "may_still": [], "no_longer": [], "denied": [], "denied_no_longer": [], "settings": [],
        });
        for (key, value) in fields.as_object().unwrap() {
            part[key] = value.clone();
        }
        part
    }

    fn code(digit: &str) -> Value {
        json!({ "digest": format!("sha256:{}", digit.repeat(64)), "size": 13_000_000,
                "producers": ["typescript", "sdk 0.1.0"] })
    }

    #[track_caller]
    fn check(components: Value, triggers: Value, connections: Value, expected: &str) {
        let difference = json!({
            "from": 3, "to": 4, "components": components, "triggers": triggers, "connections": connections,
            "description": null,
        });
        let difference: Difference = serde_json::from_value(difference).unwrap();
        assert_eq!(lines(&difference).join("\n"), expected.trim_matches('\n'));
    }

    #[test]
    fn a_version_that_asks_for_more() {
        let sync = part(
            "changed",
            json!({
                "code_before": code("9"), "code_after": code("4"), "imports_also": ["kv"],
                "may_also": [
                    power("http", Some("github"), "GET", "/repos/*/*/issues/*/comments"),
                    power("http", Some("github"), "POST", "/repos/*/*/issues/*/comments"),
                    power("kv", None, "read and write", ""),
                ],
                "no_longer": [power("config", None, "read", "team")],
                "settings": [
                    setting("limits.timeout", Some("30s"), Some("60s")), setting("limits.memory", Some("1GiB"), Some("64MiB")),
                    setting("retry.attempts", None, Some("3")), setting("source", Some("a.wasm"), Some("b.wasm")),
                ],
            }),
        );
        let triggers = json!([
            { "name": "sweep", "change": "changed", "kind": "cron", "settings": [setting("schedule", Some("*/5"), Some("*/2"))] },
            { "name": "heard", "change": "added", "kind": "webhook",
              "settings": [setting("kind", None, Some("webhook")), setting("respond", None, Some("true"))] },
            { "name": "gone", "change": "removed", "kind": "manual", "settings": [] },
        ]);
        let connections = json!([setting("slack", None, Some("http")), setting("jira", Some("http"), None)]);
        check(
            json!([sync]),
            triggers,
            connections,
            "
  component sync    sha256:99999999… → sha256:44444444…   13.0 MB   typescript, sdk 0.1.0
  imports also      kv
  may now also      http  github  GET, POST       /repos/*/*/issues/*/comments   ← new
                    kv            read and write  everything                     ← new
  no longer         config  read  team
  limits            timeout 30s → 60s   memory 1GiB → 64MiB
  retry             attempts 3
  source            a.wasm → b.wasm
  triggers          sweep  schedule */5 → */2
                    heard  added, webhook   respond true
                    gone  removed
  connections       slack  added, http
                    jira  removed",
        );
    }

    #[test]
    fn components_come_and_go() {
        let added = part("added", json!({ "code_after": code("4"), "may_also": [power("kv", None, "read", "seen/")] }));
        let mut removed =
            part("removed", json!({ "code_before": code("9"), "no_longer": [power("kv", None, "read", "a/")] }));
        removed["name"] = json!("old");
        check(
            json!([added, removed]),
            json!([]),
            json!([]),
            "
  component sync    added     sha256:44444444…   13.0 MB   typescript, sdk 0.1.0
  may               kv  read  seen/
  component old     removed
  no longer         kv  read  a/",
        );
    }

    #[test]
    fn what_is_narrowed_is_not_called_new() {
        let narrowed = json!({
            "may_still": [power("kv", None, "read", "seen/")], "no_longer": [power("kv", None, "read and write", "seen/")],
            "denied": ["http"],
        });
        check(
            json!([part("changed", narrowed)]),
            json!([]),
            json!([]),
            "
  component sync    same code
  may still         kv  read  seen/
  no longer         kv  read and write  seen/
  denied            http",
        );
    }

    #[test]
    fn one_screen_and_nothing_that_drives_a_terminal() {
        let many: Vec<Value> = (0..30).map(|n| power("config", None, "read", &format!("\u{1b}[2J{n}"))).collect();
        let difference = json!({
            "from": null, "to": 1, "components": [part("changed", json!({ "may_also": many }))], "triggers": [],
            "connections": [], "description": null,
        });
        let shown = lines(&serde_json::from_value(difference).unwrap());
        assert_eq!(shown.len(), 1 + MOST + 1);
        assert!(shown.last().unwrap().contains("… and 10 more (--json shows all)"), "{shown:?}");
        assert!(!shown.concat().contains('\u{1b}'));
    }

    #[test]
    fn no_difference_is_no_line() {
        check(json!([]), json!([]), json!([]), "");
    }
}
