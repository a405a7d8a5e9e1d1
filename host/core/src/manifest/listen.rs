//! What a manifest says of events: what a trigger listens for, how its runs are ordered, what may be made.
//!
//! Not here: the rest of a trigger, and what the patterns mean; see [`crate::listen`].

use std::collections::BTreeMap;

use super::fields::{At, Complaints, Fields};
use crate::ids::shown;
use crate::listen::{Listen, TypePattern, ValuePattern, check_extension, is_the_hosts};
use crate::order::{Order, OrderBy};

/// Patterns of one trigger, each kind.
const MOST: usize = 100;

/// Reads what a trigger of kind `event` listens for.
pub(super) fn read(complaints: &mut Complaints, fields: &Fields<'_>) -> Option<Listen> {
    let types = complaints.required(fields, "types", "types = [\"order.paid\"]");
    let types = types.and_then(|at| patterns(complaints, &at));
    let sources = match fields.get("sources") {
        Some(at) => patterns(complaints, &at),
        None => Some(Vec::new()),
    };
    let attributes = fields.get("attributes").map(|at| attributes(complaints, &at)).unwrap_or_default();
    Some(Listen { types: types?, sources: sources?, attributes })
}

fn patterns<T: std::str::FromStr<Err: std::fmt::Display>>(complaints: &mut Complaints, at: &At<'_>) -> Option<Vec<T>> {
    let items = complaints.filled_list(at)?;
    if items.len() > MOST {
        complaints.say(&at.place, format_args!("has {} entries; the most are {MOST}", items.len()));
        return None;
    }
    Some(items.iter().filter_map(|item| complaints.parsed(item)).collect())
}

fn attributes(complaints: &mut Complaints, at: &At<'_>) -> BTreeMap<String, ValuePattern> {
    let mut all = BTreeMap::new();
    let Some(table) = complaints.table(at) else { return all };
    for (name, at) in table.all() {
        let problem = match name {
            "subject" | "datacontenttype" | "dataschema" => None,
            "type" => Some("is what `types` is for".to_owned()),
            "source" => Some("is what `sources` is for".to_owned()),
            "id" | "time" | "specversion" => {
                Some("differs from event to event, or never: nothing to listen for".to_owned())
            }
            other => check_extension(other).err().map(|why| format!("is refused: {why}")),
        };
        match problem {
            Some(problem) => complaints.say(&at.place, problem),
            None => {
                if let Some(pattern) = complaints.parsed(&at) {
                    all.insert(name.to_owned(), pattern);
                }
            }
        }
    }
    all
}

/// Reads how a trigger's runs are ordered.
pub(super) fn order(complaints: &mut Complaints, fields: &Fields<'_>) -> Option<Order> {
    let dead = fields.get("on_dead_letter");
    let Some(by) = fields.get("order_by") else {
        if let Some(at) = dead {
            complaints.say(&at.place, "is about runs that are ordered: write `order_by` too, or remove it");
        }
        return None;
    };
    let by = complaints.parsed::<OrderBy>(&by);
    let block = dead.and_then(|at| complaints.word(&at, &["go-on", "block"]));
    Some(Order { by: by?, block: block == Some("block") })
}

/// Reads a type of events that a component may make.
pub(super) fn granted(complaints: &mut Complaints, at: &At<'_>) -> Option<TypePattern> {
    let pattern: TypePattern = complaints.parsed(at)?;
    if is_the_hosts(pattern.as_str()) {
        let text = format_args!(
            "`{}` cannot be granted: types that begin with `jackfield.` are the host's own",
            shown(pattern.as_str())
        );
        complaints.say(&at.place, text);
        return None;
    }
    Some(pattern)
}
