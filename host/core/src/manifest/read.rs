//! The manifest's own shape: which keys there are, what they may hold, and what must fit together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use url::Url;

use super::Problem;
use super::fields::{At, Complaints, Fields, Place, did_you_mean};
use super::node::{Node, Value};
use super::{listen, verify};
use crate::grant::{Capability, Grants, HttpGrant, HttpTarget, KvGrant, PathPattern};
use crate::ids::{ComponentName, ConnectionName, TriggerName, shown};
use crate::limits::{KV_KEY_BYTES, LISTENERS, Limits};
use crate::release::verify::Piece;
use crate::release::{
    Build, Component, Cron, Durability, Interval, Language, Manifest, Misfire, Overlap, Trigger, TriggerKind, Verify,
    Webhook,
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
    "log",
    "calls",
    "in_flight",
    "journal",
];
pub(super) const GRANTS: &[&str] = &["http", "kv", "config", "events", "deny"];
pub(super) const HTTP: &[&str] = &["connection", "url", "methods", "paths", "redirects", "in_doubt"];
pub(super) const KV: &[&str] = &["prefix", "access"];
pub(super) const BUILD: &[&str] = &["command", "folder", "language", "watch"];

/// Trigger kinds of this version, and those that are to come.
const KINDS: [&str; 5] = ["webhook", "cron", "interval", "event", "manual"];
const KINDS_TO_COME: [&str; 8] = ["kafka", "nats", "amqp", "mqtt", "redis", "postgres", "file", "object"];

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
struct Reader {
    complaints: Complaints,
    /// As far as they could be read: what else refers to them.
    connections: BTreeMap<String, Option<String>>,
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

    fn grants(&mut self, at: &At<'_>) -> Grants {
        let mut grants = Grants::default();
        let Some(fields) = self.complaints.fields(at, GRANTS) else { return grants };
        let list =
            |reader: &mut Self, key| fields.get(key).and_then(|at| reader.complaints.list(&at)).unwrap_or_default();
        grants.http = list(self, "http").iter().filter_map(|at| self.http_grant(at)).collect();
        grants.kv = list(self, "kv").iter().filter_map(|at| self.kv_grant(at)).collect();
        grants.config = list(self, "config").iter().filter_map(|at| self.complaints.parsed(at)).collect();
        grants.events =
            list(self, "events").iter().filter_map(|at| listen::granted(&mut self.complaints, at)).collect();
        let granted = grants.clone();
        for at in list(self, "deny") {
            let Some(denied) = self.complaints.parsed::<Capability>(&at) else { continue };
            if granted.mentions(denied) {
                self.complaints.refuse(&at, "is granted as well: remove one of the two");
            }
            grants.deny.push(denied);
        }
        grants
    }

    fn http_grant(&mut self, at: &At<'_>) -> Option<HttpGrant> {
        let fields = self.complaints.fields(at, HTTP)?;
        let target = self.http_target(&fields);
        let methods = self.complaints.required(&fields, "methods", "methods = [\"GET\"]");
        let methods = methods.and_then(|at| self.complaints.filled_list(&at)).unwrap_or_default();
        let methods = methods.iter().filter_map(|at| self.method(at)).collect();
        let paths = self.complaints.required(&fields, "paths", "paths = [\"/repos/**\"]");
        let paths = paths.and_then(|at| self.complaints.filled_list(&at)).unwrap_or_default();
        let paths = paths.iter().filter_map(|at| self.complaints.parsed::<PathPattern>(at)).collect();
        let redirects = fields.get("redirects").and_then(|at| self.complaints.whole(&at, 0..=10)).unwrap_or_default();
        let in_doubt = fields.get("in_doubt").and_then(|at| self.complaints.word(&at, &["park", "retry"]));
        Some(HttpGrant { target: target?, methods, paths, redirects, retry_in_doubt: in_doubt == Some("retry") })
    }

    fn http_target(&mut self, fields: &Fields<'_>) -> Option<HttpTarget> {
        match (fields.get("connection"), fields.get("url")) {
            (Some(connection), None) => {
                let name: ConnectionName = self.complaints.parsed(&connection)?;
                match self.connections.get(name.as_str()) {
                    None => {
                        let known: Vec<&str> = self.connections.keys().map(String::as_str).collect();
                        let hint = did_you_mean(name.as_str(), &known);
                        self.complaints.refuse(
                            &connection,
                            format_args!(
                                "is not declared{hint}\nAdd it:\n  [connections]\n  {name} = {{ kind = \"http\" }}"
                            ),
                        );
                        return None;
                    }
                    Some(Some(kind)) if kind != "http" => {
                        self.complaints.refuse(
                            &connection,
                            format_args!("is a connection of kind `{kind}`; an http grant needs one of kind `http`"),
                        );
                        return None;
                    }
                    // Of an unreadable kind: that is complained of where it stands.
                    Some(_) => {}
                }
                Some(HttpTarget::Connection(name))
            }
            (None, Some(url)) => self.granted_url(&url).map(HttpTarget::Url),
            (Some(_), Some(url)) => {
                self.complaints.say(&url.place, "and `connection` are both there; a grant is about one of them");
                None
            }
            (None, None) => {
                self.complaints.say(
                    &fields.place,
                    "names nothing to call: write `connection = \"github\"`, or `url = \"https://…\"` to call without a credential",
                );
                None
            }
        }
    }

    fn granted_url(&mut self, at: &At<'_>) -> Option<Url> {
        let text = self.complaints.text(at)?;
        let wrong = match Url::parse(text) {
            Err(error) => format!("is not a URL ({error}); write one like `https://api.example.com`"),
            Ok(url) if !matches!(url.scheme(), "http" | "https") => "must start with `https://` or `http://`".into(),
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                // Not shown: it may hold a password.
                self.complaints.say(&at.place, "names a user: make a connection with a credential instead");
                return None;
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                "has a query or fragment; a grant is about scheme, host, port and path".into()
            }
            Ok(url) => return Some(url),
        };
        self.complaints.refuse(at, wrong);
        None
    }

    fn method(&mut self, at: &At<'_>) -> Option<String> {
        let method = self.complaints.text(at)?;
        let capitals = method.to_ascii_uppercase();
        let wrong = if method.is_empty() || !method.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-') {
            "is not an HTTP method; write one like `GET`".to_owned()
        } else if matches!(capitals.as_str(), "CONNECT" | "TRACE") {
            "cannot be granted".to_owned()
        } else if capitals != method {
            format!("must be in capitals: `{}`", shown(&capitals))
        } else if method.len() > 32 {
            "is longer than any HTTP method".to_owned()
        } else {
            return Some(capitals);
        };
        self.complaints.refuse(at, wrong);
        None
    }

    fn kv_grant(&mut self, at: &At<'_>) -> Option<KvGrant> {
        let fields = self.complaints.fields(at, KV)?;
        let prefix = self.complaints.required(&fields, "prefix", "prefix = \"seen/\"");
        let prefix = prefix.and_then(|at| {
            let prefix = self.complaints.text(&at)?;
            if prefix.len() > KV_KEY_BYTES {
                self.complaints.say(&at.place, format_args!("is longer than a key can be, {KV_KEY_BYTES} bytes"));
                return None;
            }
            Some(prefix.to_owned())
        });
        let access = fields.get("access").and_then(|at| self.complaints.word(&at, &["read", "read-write"]));
        Some(KvGrant { prefix: prefix?, write: access != Some("read") })
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
        let kind = kind.and_then(|at| self.trigger_kind(&at))?;
        let known = match kind {
            "webhook" => WEBHOOK,
            "cron" => CRON,
            "interval" => INTERVAL,
            "event" => EVENT,
            _ => MANUAL,
        };
        let fields = self.complaints.fields(&at, known)?;
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
            _ => TriggerKind::Manual,
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

    fn trigger_kind<'n>(&mut self, at: &At<'n>) -> Option<&'n str> {
        let kind = self.complaints.text(at)?;
        if KINDS_TO_COME.contains(&kind) {
            self.complaints
                .refuse(at, format_args!("is a kind that this version does not have yet; it has {}", KINDS.join(", ")));
            return None;
        }
        self.complaints.word(at, &KINDS)
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
