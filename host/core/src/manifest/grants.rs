//! What a manifest grants: what a component may do, down to the operation.
//!
//! Not here: what the grants mean; see [`crate::grant`].

use url::Url;

use super::fields::{At, Fields};
use super::listen;
use super::read::Reader;
use crate::grant::{
    BlobGrant, Capability, EmailGrant, Grants, HttpGrant, HttpTarget, KvGrant, MessagingAction, MessagingGrant,
    PathPattern, Recipient, SqlGrant, TablePattern,
};
use crate::ids::{ConnectionName, shown};
use crate::limits::{BLOB_NAME_BYTES, KV_KEY_BYTES};
use crate::ports::sql::Verb;

pub(super) const GRANTS: &[&str] = &["http", "kv", "config", "events", "sql", "messaging", "blob", "email", "deny"];
pub(super) const HTTP: &[&str] = &["connection", "url", "methods", "paths", "redirects", "in_doubt"];
pub(super) const KV: &[&str] = &["prefix", "access"];
pub(super) const SQL: &[&str] = &["connection", "verbs", "tables", "functions", "in_doubt"];
pub(super) const MESSAGING: &[&str] = &["connection", "actions", "topics"];
pub(super) const BLOB: &[&str] = &["connection", "prefix", "access"];
pub(super) const EMAIL: &[&str] = &["connection", "recipients", "senders"];

impl Reader {
    pub(super) fn grants(&mut self, at: &At<'_>) -> Grants {
        let mut grants = Grants::default();
        let Some(fields) = self.complaints.fields(at, GRANTS) else { return grants };
        let list =
            |reader: &mut Self, key| fields.get(key).and_then(|at| reader.complaints.list(&at)).unwrap_or_default();
        grants.http = list(self, "http").iter().filter_map(|at| self.http_grant(at)).collect();
        grants.kv = list(self, "kv").iter().filter_map(|at| self.kv_grant(at)).collect();
        grants.config = list(self, "config").iter().filter_map(|at| self.complaints.parsed(at)).collect();
        grants.events =
            list(self, "events").iter().filter_map(|at| listen::granted(&mut self.complaints, at)).collect();
        grants.sql = list(self, "sql").iter().filter_map(|at| self.sql_grant(at)).collect();
        grants.messaging = list(self, "messaging").iter().filter_map(|at| self.messaging_grant(at)).collect();
        grants.blob = list(self, "blob").iter().filter_map(|at| self.blob_grant(at)).collect();
        grants.email = list(self, "email").iter().filter_map(|at| self.email_grant(at)).collect();
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
            (Some(connection), None) => self.declared(&connection, Some("http")).map(HttpTarget::Connection),
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
        let prefix = prefix.and_then(|at| self.prefix(&at, "a key", KV_KEY_BYTES));
        let access = fields.get("access").and_then(|at| self.complaints.word(&at, &["read", "read-write"]));
        Some(KvGrant { prefix: prefix?, write: access != Some("read") })
    }

    fn prefix(&mut self, at: &At<'_>, of: &str, most: usize) -> Option<String> {
        let prefix = self.complaints.text(at)?;
        if prefix.len() > most {
            self.complaints.say(&at.place, format_args!("is longer than {of} can be, {most} bytes"));
            return None;
        }
        Some(prefix.to_owned())
    }

    /// A list that must be there and not be empty, each item read by `read`.
    fn filled<T>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        example: &str,
        read: impl Fn(&mut Self, &At<'_>) -> Option<T>,
    ) -> Vec<T> {
        let items = self.complaints.required(fields, key, example);
        let items = items.and_then(|at| self.complaints.filled_list(&at)).unwrap_or_default();
        items.iter().filter_map(|at| read(self, at)).collect()
    }

    /// The connection of a grant: of any kind, since several may serve a capability.
    fn on_connection(&mut self, fields: &Fields<'_>, example: &str) -> Option<ConnectionName> {
        let connection = self.complaints.required(fields, "connection", example);
        connection.and_then(|at| self.declared(&at, None))
    }

    fn sql_grant(&mut self, at: &At<'_>) -> Option<SqlGrant> {
        let fields = self.complaints.fields(at, SQL)?;
        let connection = self.on_connection(&fields, "connection = \"ledger\"");
        let words = Verb::ALL.map(Verb::label);
        let verbs = self.filled(&fields, "verbs", "verbs = [\"select\"]", |reader, at| {
            let word = reader.complaints.word(at, &words)?;
            Verb::ALL.into_iter().find(|verb| verb.label() == word)
        });
        let functions = fields.get("functions").and_then(|at| self.complaints.list(&at)).unwrap_or_default();
        let functions: Vec<TablePattern> = functions.iter().filter_map(|at| self.complaints.parsed(at)).collect();
        let tables = self.complaints.required(&fields, "tables", "tables = [\"orders\"]");
        // Functions alone may be granted.
        let tables = tables.and_then(|at| match functions.is_empty() {
            true => self.complaints.filled_list(&at),
            false => self.complaints.list(&at),
        });
        let tables = tables.unwrap_or_default();
        let tables = tables.iter().filter_map(|at| self.complaints.parsed(at)).collect();
        let in_doubt = fields.get("in_doubt").and_then(|at| self.complaints.word(&at, &["park", "retry"]));
        let retry_in_doubt = in_doubt == Some("retry");
        Some(SqlGrant { connection: connection?, verbs, tables, functions, retry_in_doubt })
    }

    fn messaging_grant(&mut self, at: &At<'_>) -> Option<MessagingGrant> {
        let fields = self.complaints.fields(at, MESSAGING)?;
        let connection = self.on_connection(&fields, "connection = \"broker\"");
        let words = MessagingAction::ALL.map(MessagingAction::label);
        let actions = self.filled(&fields, "actions", "actions = [\"publish\"]", |reader, at| {
            let word = reader.complaints.word(at, &words)?;
            MessagingAction::ALL.into_iter().find(|action| action.label() == word)
        });
        let topics = self.filled(&fields, "topics", "topics = [\"orders\"]", |reader, at| reader.complaints.parsed(at));
        Some(MessagingGrant { connection: connection?, actions, topics })
    }

    fn blob_grant(&mut self, at: &At<'_>) -> Option<BlobGrant> {
        let fields = self.complaints.fields(at, BLOB)?;
        let connection = self.on_connection(&fields, "connection = \"invoices\"");
        let prefix = self.complaints.required(&fields, "prefix", "prefix = \"2026/\"");
        let prefix = prefix.and_then(|at| self.prefix(&at, "a name", BLOB_NAME_BYTES));
        let access = fields.get("access").and_then(|at| self.complaints.word(&at, &["read", "read-write"]));
        Some(BlobGrant { connection: connection?, prefix: prefix?, write: access != Some("read") })
    }

    fn email_grant(&mut self, at: &At<'_>) -> Option<EmailGrant> {
        let fields = self.complaints.fields(at, EMAIL)?;
        let connection = self.on_connection(&fields, "connection = \"mail\"");
        let recipients = self.filled(&fields, "recipients", "recipients = [\"@example.com\"]", |reader, at| {
            reader.complaints.parsed::<Recipient>(at)
        });
        let senders = fields.get("senders").and_then(|at| self.complaints.list(&at)).unwrap_or_default();
        let senders = senders.iter().filter_map(|at| self.complaints.parsed(at)).collect();
        Some(EmailGrant { connection: connection?, recipients, senders })
    }
}
