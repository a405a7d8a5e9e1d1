//! Writes a manifest in the form it is read in: what is at its default is left out.

use serde_json::{Map, Value, json};

use super::read::{DEFAULT_BURST, DEFAULT_RATE_PER_SECOND, DEFAULT_ZONE};
use super::units::{show_duration, show_size};
use crate::grant::{BlobGrant, EmailGrant, Grants, HttpTarget, MessagingGrant, Recipient, SqlGrant, TablePattern};
use crate::limits::Limits;
use crate::listen::Listen;
use crate::release::verify::{Algorithm, Choice as _, Encoding, SignedText, SignedTime, TimeFormat};
use crate::release::{Component, Durability, Language, Manifest, Misfire, Overlap, Trigger, TriggerKind, Verify};

/// The manifest in the form it is written in, as JSON: [`super::parse_json`] reads it back unchanged.
#[must_use]
pub fn to_json(manifest: &Manifest) -> Value {
    let mut integration = Table::default();
    integration.put("name", manifest.name.as_str());
    integration.put_unless(manifest.description.is_empty(), "description", manifest.description.as_str());
    let connections: Map<String, Value> =
        manifest.connections.iter().map(|(name, kind)| (name.to_string(), json!({ "kind": kind }))).collect();
    let components: Map<String, Value> =
        manifest.components.iter().map(|(name, component)| (name.to_string(), self::component(component))).collect();
    let triggers: Vec<Value> = manifest.triggers.iter().map(trigger).collect();
    let mut root = Table::default();
    root.put("manifest_version", 1);
    root.put("integration", integration);
    root.put_unless(connections.is_empty(), "connections", connections);
    root.put_unless(triggers.is_empty(), "trigger", triggers);
    root.put("component", components);
    root.into()
}

#[derive(Default)]
struct Table(Map<String, Value>);

impl Table {
    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.into(), value.into());
    }

    fn put_unless(&mut self, left_out: bool, key: &str, value: impl Into<Value>) {
        if !left_out {
            self.put(key, value);
        }
    }

    /// Puts what differs from its default.
    fn put_changed<T: PartialEq + Copy, V: Into<Value>>(&mut self, key: &str, pair: (T, T), show: impl Fn(T) -> V) {
        self.put_unless(pair.0 == pair.1, key, show(pair.0));
    }

    fn put_if(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    fn put_filled(&mut self, key: &str, table: Self) {
        self.put_unless(table.0.is_empty(), key, table);
    }
}

impl From<Table> for Value {
    fn from(table: Table) -> Self {
        Self::Object(table.0)
    }
}

fn component(component: &Component) -> Value {
    let mut out = settings(component, &Component::default());
    out.put_filled("grants", grants(&component.grants));
    out.into()
}

/// All of a component but its grants; of limits and retry policy what differs from `usual`.
pub(crate) fn component_settings(component: &Component, usual: &Component) -> Value {
    settings(component, usual).into()
}

fn settings(component: &Component, usual: &Component) -> Table {
    let mut out = Table::default();
    out.put("source", component.source.as_str());
    out.put_filled("limits", limits(&component.limits, &usual.limits));
    out.put_filled("retry", Table(super::retry::write(&component.retry, &usual.retry)));
    out.put_changed("durability", (component.durability, usual.durability), Durability::label);
    if let Some(build) = &component.build {
        let mut table = Table::default();
        table.put("command", build.command.as_str());
        table.put_if("folder", build.folder.as_deref());
        table.put_if("language", build.language.map(Language::label));
        table.put_unless(build.watch.is_empty(), "watch", build.watch.clone());
        out.put("build", table);
    }
    out
}

fn limits(limits: &Limits, usual: &Limits) -> Table {
    let mut out = Table::default();
    out.put_changed("memory", (limits.memory_bytes, usual.memory_bytes), show_size);
    out.put_changed("cpu", (limits.cpu, usual.cpu), show_duration);
    out.put_changed("timeout", (limits.timeout, usual.timeout), show_duration);
    out.put_changed("concurrency", (limits.concurrency, usual.concurrency), Value::from);
    out.put_changed("event", (limits.event_bytes, usual.event_bytes), show_size);
    out.put_changed("output", (limits.output_bytes, usual.output_bytes), show_size);
    out.put_changed("http_body", (limits.http_body_bytes, usual.http_body_bytes), show_size);
    out.put_changed("message", (limits.message_bytes, usual.message_bytes), show_size);
    out.put_changed("email", (limits.email_bytes, usual.email_bytes), show_size);
    out.put_changed("blob", (limits.blob_bytes, usual.blob_bytes), show_size);
    out.put_changed("sql_rows", (limits.sql_rows, usual.sql_rows), Value::from);
    out.put_changed("sql_bytes", (limits.sql_bytes, usual.sql_bytes), show_size);
    out.put_changed("log", (limits.log_bytes, usual.log_bytes), show_size);
    out.put_changed("calls", (limits.calls, usual.calls), Value::from);
    out.put_changed("in_flight", (limits.in_flight, usual.in_flight), Value::from);
    out.put_changed("journal", (limits.journal_bytes, usual.journal_bytes), show_size);
    out
}

fn grants(grants: &Grants) -> Table {
    let http: Vec<Value> = grants
        .http
        .iter()
        .map(|grant| {
            let mut out = Table::default();
            match &grant.target {
                HttpTarget::Connection(name) => out.put("connection", name.as_str()),
                HttpTarget::Url(url) => out.put("url", url.as_str()),
            }
            out.put("methods", grant.methods.clone());
            out.put("paths", grant.paths.iter().map(|path| path.as_str()).collect::<Vec<_>>());
            out.put_unless(grant.redirects == 0, "redirects", grant.redirects);
            out.put_unless(!grant.retry_in_doubt, "in_doubt", "retry");
            out.into()
        })
        .collect();
    let kv: Vec<Value> = grants
        .kv
        .iter()
        .map(|grant| {
            let mut out = Table::default();
            out.put("prefix", grant.prefix.as_str());
            out.put_unless(grant.write, "access", "read");
            out.into()
        })
        .collect();
    let mut out = Table::default();
    out.put_unless(http.is_empty(), "http", http);
    out.put_unless(kv.is_empty(), "kv", kv);
    let config: Vec<&str> = grants.config.iter().map(|name| name.as_str()).collect();
    out.put_unless(config.is_empty(), "config", config);
    let events: Vec<&str> = grants.events.iter().map(|types| types.as_str()).collect();
    out.put_unless(events.is_empty(), "events", events);
    let sql: Vec<Value> = grants.sql.iter().map(sql).collect();
    out.put_unless(sql.is_empty(), "sql", sql);
    let messaging: Vec<Value> = grants.messaging.iter().map(messaging).collect();
    out.put_unless(messaging.is_empty(), "messaging", messaging);
    let blob: Vec<Value> = grants.blob.iter().map(blob).collect();
    out.put_unless(blob.is_empty(), "blob", blob);
    let email: Vec<Value> = grants.email.iter().map(email).collect();
    out.put_unless(email.is_empty(), "email", email);
    let deny: Vec<&str> = grants.deny.iter().map(|capability| capability.name()).collect();
    out.put_unless(deny.is_empty(), "deny", deny);
    out
}

fn sql(grant: &SqlGrant) -> Value {
    let tables = |tables: &[TablePattern]| tables.iter().map(|table| table.as_str().into()).collect::<Vec<Value>>();
    let mut out = Table::default();
    out.put("connection", grant.connection.as_str());
    out.put("verbs", grant.verbs.iter().map(|verb| verb.label()).collect::<Vec<_>>());
    out.put("tables", tables(&grant.tables));
    out.put_unless(grant.functions.is_empty(), "functions", tables(&grant.functions));
    out.put_unless(!grant.retry_in_doubt, "in_doubt", "retry");
    out.into()
}

fn messaging(grant: &MessagingGrant) -> Value {
    let mut out = Table::default();
    out.put("connection", grant.connection.as_str());
    out.put("actions", grant.actions.iter().map(|action| action.label()).collect::<Vec<_>>());
    out.put("topics", grant.topics.iter().map(|topic| topic.as_str()).collect::<Vec<_>>());
    out.into()
}

fn blob(grant: &BlobGrant) -> Value {
    let mut out = Table::default();
    out.put("connection", grant.connection.as_str());
    out.put("prefix", grant.prefix.as_str());
    out.put_unless(grant.write, "access", "read");
    out.into()
}

fn email(grant: &EmailGrant) -> Value {
    let people = |people: &[Recipient]| people.iter().map(|who| who.as_str().into()).collect::<Vec<Value>>();
    let mut out = Table::default();
    out.put("connection", grant.connection.as_str());
    out.put("recipients", people(&grant.recipients));
    out.put_unless(grant.senders.is_empty(), "senders", people(&grant.senders));
    out.into()
}

fn trigger(trigger: &Trigger) -> Value {
    let mut out = Table::default();
    out.put("name", trigger.name.as_str());
    out.0.extend(listens(trigger).0);
    out.into()
}

/// All of a trigger but its name.
pub(crate) fn trigger_settings(trigger: &Trigger) -> Value {
    listens(trigger).into()
}

fn listens(trigger: &Trigger) -> Table {
    let mut out = Table::default();
    out.put("kind", trigger.kind.label());
    out.put("component", trigger.component.as_str());
    match &trigger.kind {
        TriggerKind::Cron(cron) => {
            out.put("schedule", cron.schedule.as_str());
            out.put_unless(cron.timezone == DEFAULT_ZONE, "timezone", cron.timezone.as_str());
        }
        TriggerKind::Interval(interval) => out.put("every", show_duration(interval.every)),
        TriggerKind::Event(listen) => out.0.extend(heard(listen).0),
        TriggerKind::Source(source) => {
            out.put("connection", source.connection.as_str());
            out.0.extend(source.settings.clone());
        }
        TriggerKind::Webhook(_) | TriggerKind::Manual => {}
    }
    if let Some((misfire, overlap)) = trigger.kind.policy() {
        out.put_changed("misfire", (misfire, Misfire::default()), |misfire| match misfire {
            Misfire::Skip => json!("skip"),
            Misfire::Once => json!("once"),
            Misfire::All(most) => json!({ "all": most }),
        });
        out.put_changed("overlap", (overlap, Overlap::default()), Overlap::label);
    }
    if let TriggerKind::Webhook(webhook) = &trigger.kind {
        out.put_unless(webhook.verify == Verify::Token, "verify", verify(&webhook.verify));
        out.put_unless(!webhook.respond, "respond", true);
        if let Some(header) = &webhook.id_header {
            out.put("id_header", header.as_str());
        }
        let mut rate = Table::default();
        rate.put_changed("per_second", (webhook.rate_per_second, DEFAULT_RATE_PER_SECOND), Value::from);
        rate.put_changed("burst", (webhook.burst, DEFAULT_BURST), Value::from);
        out.put_filled("rate", rate);
    }
    if let Some(order) = &trigger.order {
        out.put("order_by", order.by.as_str());
        out.put_unless(!order.block, "on_dead_letter", "block");
    }
    out
}

fn heard(listen: &Listen) -> Table {
    let mut out = Table::default();
    out.put("types", listen.types.iter().map(|pattern| pattern.as_str()).collect::<Vec<_>>());
    let sources: Vec<&str> = listen.sources.iter().map(|pattern| pattern.as_str()).collect();
    out.put_unless(sources.is_empty(), "sources", sources);
    let mut attributes = Table::default();
    for (name, pattern) in &listen.attributes {
        attributes.put(name, pattern.as_str());
    }
    out.put_filled("attributes", attributes);
    out
}

fn verify(verify: &Verify) -> Table {
    let mut out = Table::default();
    out.put("scheme", verify.scheme());
    if let Some(secret) = verify.secret() {
        out.put("secret", secret.as_str());
    }
    let Verify::Hmac { layout, .. } = verify else { return out };
    out.put("header", layout.header.as_str());
    out.put_changed("algorithm", (layout.algorithm, Algorithm::default()), Algorithm::word);
    out.put_changed("encoding", (layout.encoding, Encoding::default()), Encoding::word);
    out.put_unless(layout.prefix.is_empty(), "prefix", layout.prefix.as_str());
    out.put_unless(layout.signed == SignedText::default(), "signed", layout.signed.to_string());
    if let Some(time) = &layout.timestamp {
        let mut table = Table::default();
        table.put("header", time.header.as_str());
        table.put_changed("tolerance", (time.tolerance, SignedTime::TOLERANCE), show_duration);
        table.put_changed("format", (time.format, TimeFormat::default()), TimeFormat::word);
        out.put("timestamp", table);
    }
    out
}
