//! The manifest's own shape: which keys there are, what they may hold, and what must fit together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Problem;
use super::fields::{At, Complaints, Fields, Place, did_you_mean};
use super::node::{Node, Value};
use super::{listen, verify};
use crate::ids::{ComponentName, ConnectionName, TriggerName, shown};
use crate::limits::{LISTENERS, Limits};
use crate::release::verify::Piece;
use crate::release::{
    Build, Component, Cron, Durability, Interval, Language, Manifest, Misfire, Overlap, SourceTrigger, Trigger,
    TriggerKind, Verify, Webhook,
};
use crate::schedule::{self, Schedule};

pub(super) const ROOT: &[&str] = &["manifest_version", "integration", "connections", "trigger", "component"];
pub(super) const INTEGRATION: &[&str] = &["name", "description"];
pub(super) const CONNECTION: &[&str] = &["kind"];
pub(super) const WEBHOOK: &[&str] =
    &["name", "kind", "component", "verify", "respond", "id_header", "rate", "order_by", "on_dead_letter"];
pub(super) const CRON: &[&str] = &["name", "kind", "component", "schedule", "timezone", "misfire", "overlap"];
pub(super) const INTERVAL: &[&str] = &["name", "kind", "component", "every", "misfire", "overlap"];
pub(super) const EVENT: &[&str] =
    &["name", "kind", "component", "types", "sources", "attributes", "order_by", "on_dead_letter"];
pub(super) const MANUAL: &[&str] = &["name", "kind", "component"];
pub(super) const MISFIRE: &[&str] = &["all"];
pub(super) const VERIFY: &[&str] =
    &["scheme", "secret", "header", "algorithm", "encoding", "prefix", "signed", "timestamp"];
pub(super) const TIMESTAMP: &[&str] = &["header", "tolerance", "format"];
pub(super) const RATE: &[&str] = &["per_second", "burst"];
pub(super) const COMPONENT: &[&str] = &["source", "limits", "retry", "durability", "grants", "build"];
pub(super) const LIMITS: &[&str] = &[
    "memory",
    "cpu",
    "timeout",
    "concurrency",
    "event",
    "output",
    "http_body",
    "message",
    "email",
    "blob",
    "sql_rows",
    "sql_bytes",
    "log",
    "calls",
    "in_flight",
    "journal",
];
pub(super) const BUILD: &[&str] = &["command", "folder", "language", "watch"];

/// The triggers of the host itself; all others are of the connector of the connection they name.
const KINDS: [&str; 5] = ["webhook", "cron", "interval", "event", "manual"];
/// What the host reads of a trigger on a connection; the rest is its connector's.
const SOURCE: [&str; 6] = ["name", "kind", "component", "connection", "order_by", "on_dead_letter"];

pub(super) const DEFAULT_RATE_PER_SECOND: u32 = 50;
pub(super) const DEFAULT_BURST: u32 = 100;
pub(super) const DEFAULT_ZONE: &str = "UTC";
/// Runs of one trigger that a host may start at once when it comes back.
pub(super) const MOST_MISSED: u32 = 1_000;

const LONGEST_TEXT: usize = 4096;

/// Reads a whole manifest.
///
/// # Errors
///
/// Every problem, in the order of lines.
pub(super) fn manifest(root: &Node) -> Result<Manifest, Vec<Problem>> {
    let mut reader = Reader::default();
    let manifest = reader.manifest(root);
    let mut problems = reader.complaints.0;
    match manifest {
        Some(manifest) if problems.is_empty() => Ok(manifest),
        _ => {
            problems.sort_by_key(|problem| problem.line);
            Err(problems)
        }
    }
}

#[derive(Default)]
pub(super) struct Reader {
    pub(super) complaints: Complaints,
    /// As far as they could be read: what else refers to them.
    pub(super) connections: BTreeMap<String, Option<String>>,
    components: BTreeSet<String>,
}

impl Reader {
    fn manifest(&mut self, root: &Node) -> Option<Manifest> {
        let root = self.complaints.fields(&At { place: Place::top(), node: root }, ROOT)?;
        if let Some(version) = self.complaints.required(&root, "manifest_version", "manifest_version = 1")
            && !matches!(version.node.value, Value::Whole(1))
        {
            self.complaints.refuse(&version, "is not known to this version; write `manifest_version = 1`");
        }
        let integration = self.complaints.required(&root, "integration", "[integration]");
        let integration = integration.and_then(|at| self.complaints.fields(&at, INTEGRATION));
        let name = integration.as_ref().and_then(|fields| {
            let name = self.complaints.required(fields, "name", "name = \"orders-to-crm\"")?;
            self.complaints.parsed(&name)
        });
        let description = integration.as_ref().and_then(|fields| fields.get("description"));
        let description = description.and_then(|at| self.complaints.line(&at, LONGEST_TEXT)).unwrap_or_default();
        let connections = root.get("connections").map(|at| self.connections(&at)).unwrap_or_default();
        let components = self.complaints.required(&root, "component", "[component.sync]");
        let components = components.map(|at| self.components(&at)).unwrap_or_default();
        let triggers = root.get("trigger").map(|at| self.triggers(&at)).unwrap_or_default();
        Some(Manifest { name: name?, description, connections, triggers, components })
    }

    fn connections(&mut self, at: &At<'_>) -> BTreeMap<ConnectionName, String> {
        let mut connections = BTreeMap::new();
        let Some(table) = self.complaints.table(at) else { return connections };
        for (name, at) in table.all() {
            let parsed = self.key_name::<ConnectionName>(name, &at);
            let at = At {
                place: at.place.called(format!("connection `{}`", shown(name)), full_of("connections", name)),
                ..at
            };
            let fields = self.complaints.fields(&at, CONNECTION);
            let kind = fields.and_then(|fields| {
                let kind = self.complaints.required(&fields, "kind", "kind = \"http\"")?;
                let text = self.complaints.text(&kind)?;
                let plain = text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
                if plain && !text.is_empty() && text.len() <= 63 {
                    return Some(text.to_owned());
                }
                self.complaints.refuse(&kind, "is not a kind of connection; write one like `http`");
                None
            });
            self.connections.insert(name.to_owned(), kind.clone());
            if let (Some(name), Some(kind)) = (parsed, kind) {
                connections.insert(name, kind);
            }
        }
        connections
    }

    fn components(&mut self, at: &At<'_>) -> BTreeMap<ComponentName, Component> {
        let mut components = BTreeMap::new();
        let Some(table) = self.complaints.table(at) else { return components };
        for (name, at) in table.all() {
            self.components.insert(name.to_owned());
            let parsed = self.key_name::<ComponentName>(name, &at);
            let at =
                At { place: at.place.called(format!("component `{}`", shown(name)), full_of("component", name)), ..at };
            if let (Some(component), Some(name)) = (self.component(&at), parsed) {
                components.insert(name, component);
            }
        }
        if self.components.is_empty() {
            self.complaints.say(&at.place, "has none in it: an integration needs at least one, `[component.sync]`");
        }
        components
    }

    /// A key that is itself a name.
    fn key_name<T: std::str::FromStr<Err = crate::ids::BadName>>(&mut self, name: &str, at: &At<'_>) -> Option<T> {
        name.parse().map_err(|error| self.complaints.say(&at.place, format_args!("is refused: {error}"))).ok()
    }

    fn component(&mut self, at: &At<'_>) -> Option<Component> {
        let fields = self.complaints.fields(at, COMPONENT)?;
        let source = self.complaints.required(&fields, "source", "source = \"dist/sync.wasm\"");
        let source = source.and_then(|at| self.source(&at));
        let limits = fields.get("limits").map(|at| self.limits(&at)).unwrap_or_default();
        let retry = fields.get("retry").map(|at| super::retry::policy(&mut self.complaints, &at)).unwrap_or_default();
        let grants = fields.get("grants").map(|at| self.grants(&at)).unwrap_or_default();
        let build = fields.get("build").and_then(|at| self.build(&at));
        let durability = fields.get("durability");
        let durability = durability.and_then(|at| self.complaints.word(&at, &["durable", "relaxed"]));
        let durability = if durability == Some("relaxed") { Durability::Relaxed } else { Durability::Durable };
        Some(Component { source: source?, limits, retry, grants, build, durability })
    }

    fn source(&mut self, at: &At<'_>) -> Option<String> {
        if matches!(at.node.value, Value::Table(_)) {
            self.complaints.say(&at.place, "as `{ oci = … }` is not available yet: write the path of a file");
            return None;
        }
        let path = self.complaints.line(at, LONGEST_TEXT)?;
        if path.starts_with('/') {
            self.complaints.refuse(at, "must be relative to the manifest, like `dist/sync.wasm`");
            return None;
        }
        Some(path)
    }

    fn limits(&mut self, at: &At<'_>) -> Limits {
        let mut limits = Limits::default();
        let Some(fields) = self.complaints.fields(at, LIMITS) else { return limits };
        let (most, c) = (Limits::HARD, &mut self.complaints);
        let millisecond = Duration::from_millis(1);
        set(&mut limits.memory_bytes, &fields, "memory", |at| c.size(at, 64 * 1024..=most.memory_bytes));
        set(&mut limits.cpu, &fields, "cpu", |at| c.duration(at, millisecond..=most.cpu));
        set(&mut limits.timeout, &fields, "timeout", |at| c.duration(at, millisecond..=most.timeout));
        set(&mut limits.concurrency, &fields, "concurrency", |at| c.whole(at, 1..=most.concurrency));
        set(&mut limits.event_bytes, &fields, "event", |at| c.size(at, 0..=most.event_bytes));
        set(&mut limits.output_bytes, &fields, "output", |at| c.size(at, 0..=most.output_bytes));
        set(&mut limits.http_body_bytes, &fields, "http_body", |at| c.size(at, 0..=most.http_body_bytes));
        set(&mut limits.message_bytes, &fields, "message", |at| c.size(at, 0..=most.message_bytes));
        set(&mut limits.email_bytes, &fields, "email", |at| c.size(at, 0..=most.email_bytes));
        set(&mut limits.blob_bytes, &fields, "blob", |at| c.size(at, 0..=most.blob_bytes));
        set(&mut limits.sql_rows, &fields, "sql_rows", |at| c.whole(at, 1..=most.sql_rows));
        set(&mut limits.sql_bytes, &fields, "sql_bytes", |at| c.size(at, 1024..=most.sql_bytes));
        set(&mut limits.log_bytes, &fields, "log", |at| c.size(at, 0..=most.log_bytes));
        set(&mut limits.calls, &fields, "calls", |at| c.whole(at, 0..=most.calls));
        set(&mut limits.in_flight, &fields, "in_flight", |at| c.whole(at, 1..=most.in_flight));
        set(&mut limits.journal_bytes, &fields, "journal", |at| c.size(at, 64 * 1024..=most.journal_bytes));
        limits
    }

    fn build(&mut self, at: &At<'_>) -> Option<Build> {
        let fields = self.complaints.fields(at, BUILD)?;
        let command = self.complaints.required(&fields, "command", "command = \"cargo build --release\"");
        let command = command.and_then(|at| self.complaints.line(&at, LONGEST_TEXT));
        let watch = fields.get("watch").and_then(|at| self.complaints.list(&at)).unwrap_or_default();
        let watch = watch.iter().filter_map(|at| self.complaints.line(at, LONGEST_TEXT)).collect();
        let folder = fields.get("folder").and_then(|at| self.folder(&at));
        let words = Language::ALL.map(Language::label);
        let language = fields.get("language").and_then(|at| self.complaints.word(&at, &words));
        let language = language.and_then(|word| Language::ALL.into_iter().find(|language| language.label() == word));
        Some(Build { command: command?, folder, language, watch })
    }

    /// A folder of the project: below the manifest's, so that a build of one project stays in it.
    fn folder(&mut self, at: &At<'_>) -> Option<String> {
        let path = self.complaints.line(at, LONGEST_TEXT)?;
        if path.starts_with('/') || path.split('/').any(|part| part == "..") {
            self.complaints.refuse(at, "must lie below the manifest's folder, like `sync`");
            return None;
        }
        Some(path)
    }

    fn triggers(&mut self, at: &At<'_>) -> Vec<Trigger> {
        let items = self.complaints.list(at).unwrap_or_default();
        let mut names = BTreeSet::new();
        let triggers: Vec<Trigger> = items.iter().filter_map(|item| self.trigger(item, &mut names)).collect();
        let listening = triggers.iter().filter(|trigger| matches!(trigger.kind, TriggerKind::Event(_))).count();
        if listening > LISTENERS {
            let text = format_args!(
                "has {listening} of kind `event`; the most are {LISTENERS}: one can listen for several types"
            );
            self.complaints.say(&at.place, text);
        }
        triggers
    }

    fn trigger<'n>(&mut self, at: &At<'n>, names: &mut BTreeSet<&'n str>) -> Option<Trigger> {
        let at = self.named_trigger(at);
        let fields = self.complaints.table(&at)?;
        let kind = self.complaints.required(&fields, "kind", "kind = \"webhook\"");
        let kind = kind.and_then(|at| self.trigger_kind(&at, &fields))?;
        let known = match kind {
            "webhook" => WEBHOOK,
            "cron" => CRON,
            "interval" => INTERVAL,
            "event" => EVENT,
            "manual" => MANUAL,
            _ => &[],
        };
        let fields = if known.is_empty() { fields } else { self.complaints.fields(&at, known)? };
        let name = self.complaints.required(&fields, "name", "name = \"announced\"").and_then(|at| {
            let name: TriggerName = self.complaints.parsed(&at)?;
            if name.as_str() == "manual" && kind != "manual" {
                self.complaints.refuse(&at, "is how runs started by hand are called; take another name");
            }
            if let Some(text) = self.complaints.text(&at)
                && !names.insert(text)
            {
                self.complaints.refuse(&at, "is taken by another trigger; names are unique in an integration");
            }
            Some(name)
        });
        let component = self.complaints.required(&fields, "component", "component = \"sync\"").and_then(|at| {
            let name: ComponentName = self.complaints.parsed(&at)?;
            if !self.components.contains(name.as_str()) {
                let known: Vec<&str> = self.components.iter().map(String::as_str).collect();
                let hint = did_you_mean(name.as_str(), &known);
                self.complaints
                    .refuse(&at, format_args!("is not one of this manifest's components, {}{hint}", listed(&known)));
            }
            Some(name)
        });
        let kind = match kind {
            "webhook" => TriggerKind::Webhook(self.webhook(&fields)?),
            "cron" => TriggerKind::Cron(self.cron(&fields)?),
            "interval" => TriggerKind::Interval(self.interval(&fields)?),
            "event" => TriggerKind::Event(listen::read(&mut self.complaints, &fields)?),
            "manual" => TriggerKind::Manual,
            on => TriggerKind::Source(self.source_trigger(on, &fields)?),
        };
        let order = listen::order(&mut self.complaints, &fields);
        Some(Trigger { name: name?, component: component?, kind, order })
    }

    /// The trigger's place, spoken of by its name if it has one.
    fn named_trigger<'n>(&self, at: &At<'n>) -> At<'n> {
        let Value::Table(entries) = &at.node.value else { return at.clone() };
        let name = entries.iter().find(|entry| entry.key == "name").map(|entry| &entry.node.value);
        let Some(Value::Text(name)) = name else { return at.clone() };
        let place = at.place.called(format!("trigger `{}`", shown(name)), full_of("trigger", name));
        At { place, node: at.node }
    }

    /// A kind of the host's own, or any word beside a `connection`: whether its connector knows the word is looked at
    /// where the connectors are.
    fn trigger_kind<'n>(&mut self, at: &At<'n>, fields: &Fields<'n>) -> Option<&'n str> {
        let kind = self.complaints.text(at)?;
        if !KINDS.contains(&kind) && fields.get("connection").is_some() {
            let plain = kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            if !plain || kind.is_empty() || kind.len() > 32 {
                self.complaints.refuse(at, "is not a kind of trigger; write one like `kafka`");
                return None;
            }
            return Some(kind);
        }
        if !KINDS.contains(&kind) {
            let text = format_args!(
                "is not one of the host's own ({}); a trigger that hears from another system names its connection: \
                 `connection = \"…\"`{}",
                KINDS.join(", "),
                did_you_mean(kind, &KINDS)
            );
            self.complaints.refuse(at, text);
            return None;
        }
        Some(kind)
    }

    fn source_trigger(&mut self, kind: &str, fields: &Fields<'_>) -> Option<SourceTrigger> {
        let connection = self.complaints.required(fields, "connection", "connection = \"broker\"");
        let connection = connection.and_then(|at| self.declared(&at, None));
        let rest = fields.all().filter(|(key, _)| !SOURCE.contains(key));
        let settings = rest.map(|(key, at)| (key.to_owned(), at.node.to_json())).collect();
        Some(SourceTrigger { on: kind.to_owned(), connection: connection?, settings })
    }

    /// A connection that the manifest declares, of this kind if one is given.
    pub(super) fn declared(&mut self, at: &At<'_>, kind: Option<&str>) -> Option<ConnectionName> {
        let name: ConnectionName = self.complaints.parsed(at)?;
        match (self.connections.get(name.as_str()), kind) {
            (None, _) => {
                let known: Vec<&str> = self.connections.keys().map(String::as_str).collect();
                let hint = did_you_mean(name.as_str(), &known);
                let kind = kind.unwrap_or("…");
                let text =
                    format_args!("is not declared{hint}\nAdd it:\n  [connections]\n  {name} = {{ kind = \"{kind}\" }}");
                self.complaints.refuse(at, text);
                None
            }
            (Some(Some(other)), Some(kind)) if other != kind => {
                let text =
                    format_args!("is a connection of kind `{other}`; an {kind} grant needs one of kind `{kind}`");
                self.complaints.refuse(at, text);
                None
            }
            // Of an unreadable kind: that is complained of where it stands.
            (Some(_), _) => Some(name),
        }
    }

    fn webhook(&mut self, fields: &Fields<'_>) -> Option<Webhook> {
        let verify = fields.get("verify").map_or(Some(Verify::Token), |at| self.verify(&at));
        let respond = fields.get("respond").and_then(|at| self.complaints.flag(&at)).unwrap_or(false);
        let id_header = fields.get("id_header").and_then(|at| self.id_header(&at, verify.as_ref()));
        if let (Some(Verify::Hmac { layout, .. }), None) = (&verify, fields.get("id_header"))
            && layout.signed.has(&Piece::Id)
        {
            let text =
                "is missing: `signed` holds `{id}`, so write `id_header = \"x-request-id\"`, the header it is in";
            self.complaints.missing(fields, "id_header", text);
        }
        let (mut rate_per_second, mut burst) = (DEFAULT_RATE_PER_SECOND, DEFAULT_BURST);
        if let Some(rate) = fields.get("rate").and_then(|at| self.complaints.fields(&at, RATE)) {
            let c = &mut self.complaints;
            set(&mut rate_per_second, &rate, "per_second", |at| c.whole(at, 1..=100_000));
            set(&mut burst, &rate, "burst", |at| c.whole(at, 1..=1_000_000));
        }
        Some(Webhook { verify: verify?, id_header, respond, rate_per_second, burst })
    }

    fn cron(&mut self, fields: &Fields<'_>) -> Option<Cron> {
        let timezone = match fields.get("timezone") {
            None => Some(DEFAULT_ZONE.to_owned()),
            Some(at) => self
                .complaints
                .line(&at, LONGEST_TEXT)
                .and_then(|name| schedule::zone_name(&name).map_err(|why| self.complaints.refuse(&at, why)).ok()),
        };
        let expression = self.complaints.required(fields, "schedule", "schedule = \"*/5 * * * *\"").and_then(|at| {
            let expression = self.complaints.line(&at, LONGEST_TEXT)?;
            // If the zone is not known, the fields can still be looked at.
            let zone = timezone.as_deref().unwrap_or(DEFAULT_ZONE);
            Schedule::cron(&expression, zone).map_err(|why| self.complaints.refuse(&at, why)).ok()?;
            Some(expression)
        });
        let (misfire, overlap) = self.policy(fields);
        Some(Cron { schedule: expression?, timezone: timezone?, misfire, overlap })
    }

    fn interval(&mut self, fields: &Fields<'_>) -> Option<Interval> {
        let every = self.complaints.required(fields, "every", "every = \"15m\"");
        let every = every.and_then(|at| self.complaints.duration(&at, schedule::SHORTEST..=schedule::LONGEST));
        let (misfire, overlap) = self.policy(fields);
        Some(Interval { every: every?, misfire, overlap })
    }

    fn policy(&mut self, fields: &Fields<'_>) -> (Misfire, Overlap) {
        let (mut misfire, mut overlap) = (Misfire::default(), Overlap::default());
        set(&mut misfire, fields, "misfire", |at| self.misfire(at));
        set(&mut overlap, fields, "overlap", |at| {
            Some(match self.complaints.word(at, &["allow", "skip", "queue"])? {
                "allow" => Overlap::Allow,
                "queue" => Overlap::Queue,
                _ => Overlap::Skip,
            })
        });
        (misfire, overlap)
    }

    fn misfire(&mut self, at: &At<'_>) -> Option<Misfire> {
        if matches!(at.node.value, Value::Table(_)) {
            let fields = self.complaints.fields(at, MISFIRE)?;
            let all = self.complaints.required(&fields, "all", "misfire = { all = 10 }")?;
            return self.complaints.whole(&all, 1..=MOST_MISSED).map(Misfire::All);
        }
        match self.complaints.text(at)? {
            "skip" => Some(Misfire::Skip),
            "once" => Some(Misfire::Once),
            _ => {
                self.complaints.refuse(at, "is not known; write \"skip\", \"once\" or { all = 10 }");
                None
            }
        }
    }

    fn id_header(&mut self, at: &At<'_>, verify: Option<&Verify>) -> Option<String> {
        let name = verify::header(&mut self.complaints, at)?;
        if matches!(name.as_str(), "authorization" | "proxy-authorization" | "cookie") {
            self.complaints.refuse(at, "holds a credential and is never kept; take a header that holds an id");
        } else if let Some(verify) = verify.filter(|verify| verify.has_own_id()) {
            let text =
                format_args!("is not for scheme `{}`, which has a header of its own: remove it", verify.scheme());
            self.complaints.say(&at.place, text);
        } else {
            return Some(name);
        }
        None
    }

    fn verify(&mut self, at: &At<'_>) -> Option<Verify> {
        verify::read(&mut self.complaints, at)
    }
}

/// Reads an optional key into `slot`, which keeps its default if the key is not there.
fn set<T>(slot: &mut T, fields: &Fields<'_>, key: &str, read: impl FnOnce(&At<'_>) -> Option<T>) {
    if let Some(value) = fields.get(key).and_then(|at| read(&at)) {
        *slot = value;
    }
}

fn full_of(table: &str, name: &str) -> String {
    format!("{table}.{}", shown(name))
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "of which there are none".into() } else { names.join(", ") }
}
