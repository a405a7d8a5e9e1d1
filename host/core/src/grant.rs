//! Grants: what a component may do, down to the operation. What is not listed is denied.
//!
//! A check leaves proof behind (the grant that allowed it). Not here: whether a *connection's* own
//! address may be dialled; that is the connector's address policy.

mod outward;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::ids::{ConfigName, ConnectionName, shown};
use crate::listen::TypePattern;

pub use self::outward::{BlobGrant, EmailGrant, MessagingAction, MessagingGrant, Recipient, SqlGrant, TablePattern};

/// A WIT interface that needs a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// `jackfield:plugin/config`
    Config,
    /// `jackfield:plugin/kv`
    Kv,
    /// `jackfield:plugin/http` and `wasi:http/outgoing-handler`
    Http,
    /// `jackfield:plugin/events`
    Events,
    /// `jackfield:plugin/sql`
    Sql,
    /// `jackfield:plugin/messaging`
    Messaging,
    /// `jackfield:plugin/blob`
    Blob,
    /// `jackfield:plugin/email`
    Email,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Config, Self::Kv, Self::Http, Self::Events, Self::Sql, Self::Messaging, Self::Blob, Self::Email];

    /// Its name in a manifest's `grants` and in `wit/`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Kv => "kv",
            Self::Http => "http",
            Self::Events => "events",
            Self::Sql => "sql",
            Self::Messaging => "messaging",
            Self::Blob => "blob",
            Self::Email => "email",
        }
    }

    /// Manifest lines that would allow it, as an example to edit.
    #[must_use]
    pub const fn example(self) -> &'static str {
        match self {
            Self::Config => r#"config = ["repository"]"#,
            Self::Kv => r#"kv = [{ prefix = "seen/" }]"#,
            Self::Http => r#"http = [{ connection = "github", methods = ["GET"], paths = ["/repos/**"] }]"#,
            Self::Events => r#"events = ["order.paid"]"#,
            Self::Sql => r#"sql = [{ connection = "ledger", verbs = ["select"], tables = ["orders"] }]"#,
            Self::Messaging => r#"messaging = [{ connection = "broker", actions = ["publish"], topics = ["orders"] }]"#,
            Self::Blob => r#"blob = [{ connection = "invoices", prefix = "2026/", access = "read" }]"#,
            Self::Email => r#"email = [{ connection = "mail", recipients = ["@example.com"] }]"#,
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Capability {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|c| c.name() == s).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|c| c.name()).collect();
            format!("`{}` is not a capability; there are {}", shown(s), names.join(", "))
        })
    }
}

/// All that one component was granted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// HTTP calls.
    #[serde(default)]
    pub http: Vec<HttpGrant>,
    /// Keys.
    #[serde(default)]
    pub kv: Vec<KvGrant>,
    /// Settings.
    #[serde(default)]
    pub config: Vec<ConfigName>,
    /// Types of events it may make.
    #[serde(default)]
    pub events: Vec<TypePattern>,
    /// Statements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sql: Vec<SqlGrant>,
    /// Messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messaging: Vec<MessagingGrant>,
    /// Objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blob: Vec<BlobGrant>,
    /// Mail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub email: Vec<EmailGrant>,
    /// Capabilities it may import and not use: every call answers `access-denied`.
    #[serde(default)]
    pub deny: Vec<Capability>,
}

impl Grants {
    /// Whether a component may import `capability`, granted or denied.
    #[must_use]
    pub fn mentions(&self, capability: Capability) -> bool {
        self.deny.contains(&capability)
            || match capability {
                Capability::Config => !self.config.is_empty(),
                Capability::Kv => !self.kv.is_empty(),
                Capability::Http => !self.http.is_empty(),
                Capability::Events => !self.events.is_empty(),
                Capability::Sql => !self.sql.is_empty(),
                Capability::Messaging => !self.messaging.is_empty(),
                Capability::Blob => !self.blob.is_empty(),
                Capability::Email => !self.email.is_empty(),
            }
    }

    /// The grant that allows this call by connection, if one does. `path` is the path below the
    /// connection's base URL, normalised, starting with `/`, without query.
    #[must_use]
    pub fn http_by_connection(&self, connection: &ConnectionName, method: &str, path: &str) -> Option<&HttpGrant> {
        self.http.iter().find(|grant| {
            matches!(&grant.target, HttpTarget::Connection(name) if name == connection) && grant.allows(method, path)
        })
    }

    /// The grant without credential that allows this absolute URL, if one does.
    #[must_use]
    pub fn http_by_url(&self, url: &Url, method: &str) -> Option<&HttpGrant> {
        self.http.iter().find(|grant| match &grant.target {
            HttpTarget::Url(base) => below(base, url).is_some_and(|path| grant.allows(method, &path)),
            HttpTarget::Connection(_) => false,
        })
    }

    /// The connections that grants name, each once, by name.
    #[must_use]
    pub fn connections(&self) -> Vec<&ConnectionName> {
        let mut names: Vec<_> = self.served().into_iter().map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Each grant's connection, and the capability it has to serve.
    #[must_use]
    pub fn served(&self) -> Vec<(&ConnectionName, Capability)> {
        let http = self.http.iter().filter_map(|grant| match &grant.target {
            HttpTarget::Connection(name) => Some((name, Capability::Http)),
            HttpTarget::Url(_) => None,
        });
        http.chain(self.sql.iter().map(|grant| (&grant.connection, Capability::Sql)))
            .chain(self.messaging.iter().map(|grant| (&grant.connection, Capability::Messaging)))
            .chain(self.blob.iter().map(|grant| (&grant.connection, Capability::Blob)))
            .chain(self.email.iter().map(|grant| (&grant.connection, Capability::Email)))
            .collect()
    }

    /// Whether `key` may be read, or written if `write`.
    #[must_use]
    pub fn kv(&self, key: &str, write: bool) -> bool {
        self.kv.iter().any(|grant| key.starts_with(&grant.prefix) && (!write || grant.write))
    }

    /// Whether the setting may be read.
    #[must_use]
    pub fn config(&self, name: &str) -> bool {
        self.config.iter().any(|granted| granted.as_str() == name)
    }

    /// Whether an event of this type may be made.
    #[must_use]
    pub fn events(&self, event_type: &str) -> bool {
        self.events.iter().any(|granted| granted.matches(event_type))
    }
}

/// The part of `url`'s path below `base`, starting with `/`; none if `url` is not below `base`.
///
/// Scheme, host and port must be equal as parsed (so `api.example.com.evil.net` never matches
/// `api.example.com`), neither may name a user, and the base's path must be a prefix that ends at
/// a segment's end.
#[must_use]
pub fn below(base: &Url, url: &Url) -> Option<String> {
    let bare = |u: &Url| u.username().is_empty() && u.password().is_none();
    if !bare(base)
        || !bare(url)
        || base.scheme() != url.scheme()
        || base.host() != url.host()
        || base.port_or_known_default() != url.port_or_known_default()
    {
        return None;
    }
    let rest = url.path().strip_prefix(base.path().trim_end_matches('/'))?;
    match rest.as_bytes().first() {
        None => Some("/".into()),
        Some(b'/') => Some(rest.into()),
        Some(_) => None,
    }
}

/// What an http grant is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HttpTarget {
    /// A connection of the manifest, with its credential.
    Connection(ConnectionName),
    /// An absolute URL, without a credential.
    Url(Url),
}

/// Leave to make HTTP calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpGrant {
    /// Where to.
    pub target: HttpTarget,
    /// Methods, in capitals.
    pub methods: Vec<String>,
    /// Paths below the target.
    pub paths: Vec<PathPattern>,
    /// Redirects that may be followed, GET and HEAD only.
    #[serde(default)]
    pub redirects: u32,
    /// `in_doubt = "retry"`: a call in doubt is made again with the same key instead of parking the run.
    #[serde(default)]
    pub retry_in_doubt: bool,
}

impl HttpGrant {
    /// Whether it allows `method` on `path`.
    #[must_use]
    pub fn allows(&self, method: &str, path: &str) -> bool {
        self.methods.iter().any(|m| m == method) && self.paths.iter().any(|p| p.matches(path))
    }
}

/// Leave to use keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvGrant {
    /// Keys that start with this; empty for all.
    pub prefix: String,
    /// Whether it may write too.
    pub write: bool,
}

/// A pattern of paths: literal segments, `*` for one segment, `**` at any place for any number.
///
/// `*` does not match a segment with an encoded slash or backslash (`%2F`, `%5C`), since the other
/// side may take it for two; `**` does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern(String);

impl PathPattern {
    /// Whether `path` (normalised, starting with `/`, no query) matches.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        fn go(pattern: &[&str], path: &[&str]) -> bool {
            match pattern.split_first() {
                None => path.is_empty(),
                Some((&"**", rest)) => (0..=path.len()).any(|skip| go(rest, &path[skip..])),
                Some((want, rest)) => path.split_first().is_some_and(|(got, left)| {
                    let ok = if *want == "*" { !got.is_empty() && !hides_a_slash(got) } else { want == got };
                    ok && go(rest, left)
                }),
            }
        }
        let Some(path) = path.strip_prefix('/') else { return false };
        let pattern: Vec<&str> = self.0[1..].split('/').collect();
        let path: Vec<&str> = path.split('/').collect();
        go(&pattern, &path)
    }

    /// Whether every path that `other` matches is matched by this. A yes is certain; a no may be wrong
    /// for patterns that come to the same by different ways.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        fn go(wide: &[&str], narrow: &[&str]) -> bool {
            match wide.split_first() {
                None => narrow.is_empty(),
                Some((&"**", rest)) => (0..=narrow.len()).any(|skip| go(rest, &narrow[skip..])),
                Some((want, rest)) => narrow.split_first().is_some_and(|(got, left)| {
                    let ok = match *want {
                        "*" => !got.is_empty() && *got != "**" && !hides_a_slash(got),
                        literal => literal == *got,
                    };
                    ok && go(rest, left)
                }),
            }
        }
        let wide: Vec<&str> = self.0[1..].split('/').collect();
        let narrow: Vec<&str> = other.0[1..].split('/').collect();
        go(&wide, &narrow)
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn hides_a_slash(segment: &str) -> bool {
    let lower = segment.to_ascii_lowercase();
    lower.contains("%2f") || lower.contains("%5c")
}

impl FromStr for PathPattern {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let Some(rest) = s.strip_prefix('/') else {
            return Err(format!("path `{}` must start with `/`", shown(s)));
        };
        if s.len() > 1024 {
            return Err("a path pattern has at most 1,024 bytes".into());
        }
        let mut doubles = 0;
        for segment in rest.split('/') {
            match segment {
                "*" => {}
                "**" => doubles += 1,
                "." | ".." => return Err(format!("path `{}`: a pattern has no `.` or `..` segments", shown(s))),
                other if other.contains('*') => {
                    return Err(format!("path `{}`: `*` stands for a whole segment, `**` for any number", shown(s)));
                }
                other if other.contains(['?', '#', '\\']) || other.chars().any(|c| c.is_control() || c == ' ') => {
                    return Err(format!("path `{}`: a pattern is a path alone, percent-encoded", shown(s)));
                }
                _ => {}
            }
        }
        if doubles > 3 {
            return Err(format!("path `{}`: at most three `**`", shown(s)));
        }
        Ok(Self(s.into()))
    }
}

impl TryFrom<String> for PathPattern {
    type Error = String;
    fn try_from(s: String) -> Result<Self, String> {
        s.parse()
    }
}

impl From<PathPattern> for String {
    fn from(p: PathPattern) -> String {
        p.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn matches(pattern: &str, path: &str, expected: bool) {
        assert_eq!(pattern.parse::<PathPattern>().unwrap().matches(path), expected, "{pattern} {path}");
    }

    #[test]
    fn patterns() {
        matches("/repos/*/*/issues", "/repos/acme/app/issues", true);
        matches("/repos/*/*/issues", "/repos/acme/app/issues/1", false);
        matches("/repos/*/*/issues", "/repos/acme/issues", false);
        matches("/repos/*/*/issues", "/repos//app/issues", false);
        matches("/repos/*/*/issues", "/repos/a%2Fb/app/issues", false);
        matches("/api/now/table/**", "/api/now/table", true);
        matches("/api/now/table/**", "/api/now/table/x/y", true);
        matches("/api/now/table/**", "/api/now/tables", false);
        matches("/**/issues", "/a/b/issues", true);
        matches("/**", "/", true);
        matches("/a", "/a/", false);
        matches("/a", "a", false);
    }

    #[track_caller]
    fn covers(wide: &str, narrow: &str, expected: bool) {
        let [wide_, narrow_] = [wide, narrow].map(|text| text.parse::<PathPattern>().unwrap());
        assert_eq!(wide_.covers(&narrow_), expected, "{wide} {narrow}");
    }

    #[test]
    fn patterns_cover_others() {
        covers("/**", "/repos/*/issues", true);
        covers("/**", "/**", true);
        covers("/repos/**", "/repos", true);
        covers("/repos/*/issues", "/repos/acme/issues", true);
        covers("/repos/*/issues", "/repos/*/issues", true);
        covers("/repos/*", "/repos/**", false);
        covers("/repos/*/issues", "/repos/*/issues/*", false);
        covers("/repos/acme", "/repos/*", false);
        covers("/repos/*", "/repos/a%2Fb", false);
        covers("/a", "/b", false);
    }

    #[test]
    fn bad_patterns_are_refused() {
        for bad in ["", "a", "/a*b", "/../x", "/a?b", "/a b", "/a\\b", "/**/**/**/**"] {
            assert!(bad.parse::<PathPattern>().is_err(), "{bad:?}");
        }
    }

    #[track_caller]
    fn url_below(base: &str, url: &str, expected: Option<&str>) {
        let got = below(&base.parse().unwrap(), &url.parse().unwrap());
        assert_eq!(got.as_deref(), expected, "{base} {url}");
    }

    /// Threat row 34: a grant for one host is a grant for no other.
    #[test]
    fn threat_034_hosts_match_on_parsed_boundaries() {
        let base = "https://api.example.com/v1";
        url_below(base, "https://api.example.com/v1/x", Some("/x"));
        url_below(base, "https://API.EXAMPLE.COM:443/v1", Some("/"));
        for other in [
            "https://api.example.com.evil.net/v1/x",
            "https://evil-api.example.com/v1/x",
            "https://api.example.com:8443/v1/x",
            "http://api.example.com/v1/x",
            "https://api.example.com@evil.net/v1/x",
            "https://user@api.example.com/v1/x",
            "https://api.example.com/v10/x",
            "https://api.example.com/v1/../v2/x",
            "https://api.example.com/v1/%2e%2e/v2/x",
            "https://api.example.com./v1/x",
        ] {
            url_below(base, other, None);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        /// What a covered pattern matches, the covering one matches.
        #[test]
        fn covering_is_sound(
            wide in prop::collection::vec("[ab]|\\*|\\*\\*", 1..4),
            narrow in prop::collection::vec("[ab]|\\*|\\*\\*", 1..4),
            path in prop::collection::vec("[ab]", 1..5),
        ) {
            let pattern = |parts: &[String]| format!("/{}", parts.join("/")).parse::<PathPattern>().unwrap();
            let (wide, narrow, path) = (pattern(&wide), pattern(&narrow), format!("/{}", path.join("/")));
            prop_assert!(!(wide.covers(&narrow) && narrow.matches(&path) && !wide.matches(&path)), "{wide:?} {narrow:?} {path}");
        }

        /// The matcher agrees with a naive one that expands `**` by hand.
        #[test]
        fn matcher_equals_the_naive_one(pattern in prop::collection::vec("[ab]|\\*|\\*\\*", 1..5), path in prop::collection::vec("[ab]", 1..6)) {
            prop_assume!(pattern.iter().filter(|p| *p == "**").count() <= 3);
            fn naive(pattern: &[String], path: &[String]) -> bool {
                if pattern.is_empty() { return path.is_empty() }
                if pattern[0] == "**" {
                    return naive(&pattern[1..], path) || (!path.is_empty() && naive(pattern, &path[1..]));
                }
                !path.is_empty() && (pattern[0] == "*" || pattern[0] == path[0]) && naive(&pattern[1..], &path[1..])
            }
            let text = format!("/{}", pattern.join("/"));
            let got = text.parse::<PathPattern>().unwrap().matches(&format!("/{}", path.join("/")));
            prop_assert_eq!(got, naive(&pattern, &path));
        }
    }
}
