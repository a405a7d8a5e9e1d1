//! Grants of what is reached by connection alone: statements, messages, objects, mail.
//!
//! Not here: what a statement does to which table; the connector reads that by its database's own grammar.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{ConnectionName, shown};
use crate::listen::ValuePattern;
use crate::ports::sql::Verb;

/// Leave to run statements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlGrant {
    /// Where.
    pub connection: ConnectionName,
    /// What may be done.
    pub verbs: Vec<Verb>,
    /// To which tables.
    pub tables: Vec<TablePattern>,
    /// Functions that may be called beside those known to be harmless.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<TablePattern>,
    /// `in_doubt = "retry"`: a write in doubt is made again instead of parking the run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retry_in_doubt: bool,
}

/// A table, a schema's tables (`billing.*`), or those that begin alike (`billing.invoice_*`). Without a schema, it is about the
/// schema that the connection takes names without one from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TablePattern(String);

impl TablePattern {
    /// Whether it is about `name` (schema and name), where `schema` is the one of names without one.
    #[must_use]
    pub fn matches(&self, name: &str, schema: &str) -> bool {
        let (in_schema, of) = name.split_once('.').unwrap_or((schema, name));
        let (wanted, pattern) = self.0.split_once('.').unwrap_or((schema, &self.0));
        wanted == in_schema
            && match pattern.strip_suffix('*') {
                Some(beginning) => of.starts_with(beginning),
                None => pattern == of,
            }
    }

    /// Whether every name that `other` is about is matched by this. A yes is certain.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => {
                self.0.contains('.') == other.0.contains('.') && other.0.trim_end_matches('*').starts_with(beginning)
            }
            None => self == other,
        }
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TablePattern {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let parts: Vec<&str> = s.split('.').collect();
        let last = parts.len() - 1;
        let plain = |text: &str| !text.chars().any(|c| c.is_control() || matches!(c, '*' | '"' | ';'));
        let fits = parts.iter().enumerate().all(|(at, part)| {
            let bare = if at == last { part.strip_suffix('*').unwrap_or(part) } else { part };
            plain(bare) && (!bare.is_empty() || (at == last && !part.is_empty()))
        });
        if s.len() > 255 || parts.len() > 2 || !fits {
            return Err(format!(
                "`{}` is not a table: write `orders`, `billing.orders`, or `billing.*` for all of a schema",
                shown(s)
            ));
        }
        Ok(Self(s.into()))
    }
}

impl TryFrom<String> for TablePattern {
    type Error = String;
    fn try_from(s: String) -> Result<Self, String> {
        s.parse()
    }
}

impl From<TablePattern> for String {
    fn from(pattern: TablePattern) -> Self {
        pattern.0
    }
}

/// What may be done with messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessagingAction {
    /// Publish.
    Publish,
    /// Ask, and be answered.
    Request,
}

impl MessagingAction {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Publish, Self::Request];

    /// Its word, as in a manifest.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Request => "request",
        }
    }
}

/// Leave to send messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagingGrant {
    /// Where.
    pub connection: ConnectionName,
    /// What may be done.
    pub actions: Vec<MessagingAction>,
    /// Topics, whole or by their beginning: `orders.*`.
    pub topics: Vec<ValuePattern>,
}

/// Leave to use objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobGrant {
    /// Where.
    pub connection: ConnectionName,
    /// Names that start with this; empty for all.
    pub prefix: String,
    /// Whether it may write too.
    pub write: bool,
}

/// Leave to send mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailGrant {
    /// By which server.
    pub connection: ConnectionName,
    /// To whom.
    pub recipients: Vec<Recipient>,
    /// In whose name, beside the connection's own sender.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub senders: Vec<Recipient>,
}

/// Who may be written to: an address, everybody of a domain (`@example.com`), or everybody (`*`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Recipient(String);

impl Recipient {
    /// Whether it is about `address`, its domain in lower case. What is before the last `@` counts as it is written.
    #[must_use]
    pub fn matches(&self, address: &str) -> bool {
        match self.0.strip_prefix('@') {
            Some(domain) => address.rsplit_once('@').is_some_and(|(_, of)| of == domain),
            None => self.0 == "*" || self.0 == address,
        }
    }

    /// Whether every address that `other` is about is matched by this.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.0 == "*" || self == other || (!other.0.starts_with('@') && other.0 != "*" && self.matches(&other.0))
    }

    /// As written, the domain in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Recipient {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        if s == "*" {
            return Ok(Self(s.into()));
        }
        let bad = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';' | '*' | '"');
        match s.rsplit_once('@') {
            Some((local, domain))
                if s.len() <= 320 && !domain.is_empty() && !local.contains('@') && !s.contains(bad) =>
            {
                Ok(Self(format!("{local}@{}", domain.to_ascii_lowercase())))
            }
            _ => Err(format!(
                "`{}` is nobody to write to: write `ops@example.com`, `@example.com` for a whole domain, or `*` for everybody",
                shown(s)
            )),
        }
    }
}

impl TryFrom<String> for Recipient {
    type Error = String;
    fn try_from(s: String) -> Result<Self, String> {
        s.parse()
    }
}

impl From<Recipient> for String {
    fn from(recipient: Recipient) -> Self {
        recipient.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn table(pattern: &str, name: &str, expected: bool) {
        assert_eq!(pattern.parse::<TablePattern>().unwrap().matches(name, "public"), expected, "{pattern} {name}");
    }

    #[test]
    fn threat_040_tables_match_by_schema_and_name() {
        table("orders", "orders", true);
        table("orders", "public.orders", true);
        table("public.orders", "orders", true);
        table("orders", "billing.orders", false);
        table("billing.*", "billing.orders", true);
        table("billing.*", "public.orders", false);
        table("*", "public.orders", true);
        table("*", "pg_catalog.pg_authid", false);
        table("invoice_*", "invoice_2026", true);
        table("invoice_*", "invoice", false);
        for bad in ["", ".", "a.", ".a", "a.b.c", "*.a", "a*b", "a;b", "\"a\""] {
            assert!(bad.parse::<TablePattern>().is_err(), "{bad:?}");
        }
    }

    #[track_caller]
    fn covers(wide: &str, narrow: &str, expected: bool) {
        let [wide_, narrow_] = [wide, narrow].map(|text| text.parse::<TablePattern>().unwrap());
        assert_eq!(wide_.covers(&narrow_), expected, "{wide} {narrow}");
    }

    #[test]
    fn patterns_of_tables_cover_others() {
        covers("billing.*", "billing.orders", true);
        covers("billing.*", "billing.o*", true);
        covers("*", "orders", true);
        covers("*", "billing.orders", false);
        covers("orders", "orders", true);
        covers("orders", "order*", false);
    }

    #[track_caller]
    fn recipient(pattern: &str, address: &str, expected: bool) {
        assert_eq!(pattern.parse::<Recipient>().unwrap().matches(address), expected, "{pattern} {address}");
    }

    #[test]
    fn threat_039_recipients_match_on_the_whole_domain() {
        recipient("@example.com", "jane@example.com", true);
        recipient("@Example.com", "jane@example.com", true);
        recipient("@example.com", "jane@evil-example.com", false);
        recipient("@example.com", "jane@example.com.evil.net", false);
        recipient("@example.com", "jane@sub.example.com", false);
        recipient("ops@example.com", "ops@example.com", true);
        recipient("ops@example.com", "dev@example.com", false);
        recipient("*", "anybody@anywhere.net", true);
        for bad in ["", "example.com", "a@b@c", "a b@c", "<a@b>", "a@b,c@d", "@"] {
            assert!(bad.parse::<Recipient>().is_err(), "{bad:?}");
        }
    }
}
