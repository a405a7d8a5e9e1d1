//! The settings of an s3 connection and of its trigger, as checked.
//!
//! Not here: secrets' values, which come only when the connection is opened.

use std::time::Duration;

use globset::GlobMatcher;
use jackfield_core::ports::connector::SettingProblem;
use serde_json::{Map, Value};
use url::Url;

use crate::address::{self, Origin};
use crate::settings::{Reader, glob};

const TIMEOUT: Duration = Duration::from_secs(60);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST_CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// Who asks; the secret key is the secret of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) access_key: String,
    pub(super) secret: String,
}

/// See the module; whoever holds one need not check again.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// What the bucket's name is put behind, or before: without a slash at its end.
    pub(super) endpoint: Url,
    pub(super) region: String,
    pub(super) bucket: String,
    /// Everything is below it: empty, or with a slash at its end.
    pub(super) prefix: String,
    pub(super) keys: Keys,
    /// The bucket is part of the path, not of the host's name.
    pub(super) path_style: bool,
    /// More authorities to trust, PEM text.
    pub(super) ca: Option<String>,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    /// The most requests at once.
    pub(super) concurrency: u16,
}

impl Settings {
    /// Reads settings as an operator wrote them.
    ///
    /// # Errors
    ///
    /// Every problem found.
    pub(super) fn read(map: &Map<String, Value>) -> Result<Self, Vec<SettingProblem>> {
        let mut reader = Reader::new(map);
        let own = reader.text("endpoint");
        let region = region(&mut reader, own.is_some());
        let endpoint = match own {
            Some(text) => endpoint(&mut reader, text),
            None => Url::parse(&format!("https://s3.{region}.amazonaws.com")).ok(),
        };
        let bucket = bucket(&mut reader);
        let prefix = prefix(&mut reader);
        let keys = keys(&mut reader);
        // A certificate for all buckets does not cover names with dots.
        let dots = bucket.as_ref().is_some_and(|bucket| bucket.contains('.'));
        let path_style = reader.flag("path_style").unwrap_or(own.is_some() || dots);
        let ca = reader.ca();
        let timeout = reader.duration("timeout", TIMEOUT, LONGEST_TIMEOUT);
        let connect_timeout = reader.duration("connect_timeout", CONNECT_TIMEOUT, LONGEST_CONNECT_TIMEOUT);
        let concurrency = reader.whole("concurrency", 16, 1..=256);
        let problems = reader.finish();
        match (endpoint, bucket, keys) {
            (Some(endpoint), Some(bucket), Some(keys)) if problems.is_empty() => Ok(Self {
                endpoint,
                region,
                bucket,
                prefix,
                keys,
                path_style,
                ca,
                timeout,
                connect_timeout,
                concurrency,
            }),
            _ => Err(problems),
        }
    }

    /// Where requests about the bucket go, without a slash at the end.
    pub(super) fn bucket_url(&self) -> String {
        let endpoint = self.endpoint.as_str().trim_end_matches('/');
        if self.path_style {
            return endpoint.to_owned();
        }
        endpoint.replacen("://", &format!("://{}.", self.bucket), 1)
    }

    /// The host and the port that are dialed, and whether with TLS.
    pub(super) fn server(&self) -> (String, u16, bool) {
        let host = self.endpoint.host_str().unwrap_or_default();
        let host = if self.path_style { host.to_owned() } else { format!("{}.{host}", self.bucket) };
        let port = self.endpoint.port_or_known_default().unwrap_or(443);
        (host, port, self.endpoint.scheme() == "https")
    }
}

fn region(reader: &mut Reader<'_>, own_endpoint: bool) -> String {
    const USUAL: &str = "us-east-1";
    let text = match reader.text("region") {
        Some(text) => text,
        None if own_endpoint => return USUAL.into(),
        None => {
            let problem = "is missing; for example `eu-central-1`, or set `endpoint` if it is not Amazon's";
            reader.problem("region", problem);
            return USUAL.into();
        }
    };
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        reader.problem("region", format!("`{text}` is no region; for example `eu-central-1`"));
        return USUAL.into();
    }
    text.into()
}

fn endpoint(reader: &mut Reader<'_>, text: &str) -> Option<Url> {
    const KEY: &str = "endpoint";
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(e) => {
            reader.problem(KEY, format!("`{text}` is not an absolute URL ({e}); for example https://s3.example.com"));
            return None;
        }
    };
    // Not shown: it may hold a password.
    if !url.username().is_empty() || url.password().is_some() {
        reader.problem(KEY, "holds a user name or password; put them under `credential`, the secret key as a secret");
        return None;
    }
    if let Err(problem) = address::check_url(&url, Origin::Operator) {
        reader.problem(KEY, problem);
        return None;
    }
    if url.query().is_some() || url.fragment().is_some() || !matches!(url.path(), "" | "/") {
        reader.problem(KEY, "has a path, a query or a fragment; write the host alone, the bucket under `bucket`");
        return None;
    }
    Some(url)
}

fn bucket(reader: &mut Reader<'_>) -> Option<String> {
    let text = reader.required("bucket", "`invoices`")?;
    // Source: Amazon's "General purpose bucket naming rules"; others are laxer about capitals and `_`.
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if !(3..=63).contains(&text.len()) || !plain || !ends(text.chars().next()) || !ends(text.chars().last()) {
        let problem = format!("`{text}` is no name of a bucket: 3 to 63 letters, digits, `-` and `.`");
        reader.problem("bucket", problem);
        return None;
    }
    if text.contains("..") {
        reader.problem("bucket", format!("`{text}` is no name of a bucket: it has two dots in a row"));
        return None;
    }
    Some(text.to_owned())
}

fn prefix(reader: &mut Reader<'_>) -> String {
    let text = reader.text("prefix").unwrap_or_default().trim_end_matches('/');
    if text.is_empty() {
        return String::new();
    }
    let bad = text.len() > 512
        || text.chars().any(char::is_control)
        || text.split('/').any(|part| matches!(part, "" | "." | ".."));
    if bad {
        reader.problem("prefix", format!("`{text}` is no prefix such as `invoices/2026/`, of at most 512 bytes"));
        return String::new();
    }
    format!("{text}/")
}

fn keys(reader: &mut Reader<'_>) -> Option<Keys> {
    let before = reader.problems();
    let keys = reader.table("credential", |reader| {
        let access_key = reader.required("access_key", "`AKIAIOSFODNN7EXAMPLE`").map(str::to_owned);
        let plain = |text: &String| text.bytes().all(|b| b.is_ascii_graphic() && b != b'/' && b != b',');
        if access_key.as_ref().is_some_and(|key| !plain(key)) {
            reader.problem("access_key", "holds a character that no access key has");
        }
        let secret = reader.required("secret", "`s3-secret-key`, the name of a secret").map(str::to_owned);
        Some(Keys { access_key: access_key?, secret: secret? })
    });
    if keys.is_none() && reader.problems() == before {
        // A machine's own credential is for the machine, not for whoever may set connections.
        let problem = "is missing; for example { access_key = \"AKIA…\", secret = \"s3-secret-key\" }. The credentials of \
                       this machine are never used";
        reader.problem("credential", problem);
    }
    keys
}

/// What a manifest says of a trigger.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Below the connection's prefix.
    pub(super) prefix: String,
    /// Of names below `prefix`.
    pub(super) pattern: GlobMatcher,
    pub(super) every: Duration,
    /// Also what is there before the first look.
    pub(super) all: bool,
}

impl Wanted {
    /// Reads the keys of a trigger beside name, kind, component and connection.
    ///
    /// # Errors
    ///
    /// Every problem found.
    pub(super) fn read(map: &Map<String, Value>) -> Result<Self, Vec<SettingProblem>> {
        let mut reader = Reader::new(map);
        let prefix = reader.text("prefix").unwrap_or_default();
        if prefix.chars().any(char::is_control) || prefix.starts_with('/') || prefix.len() > 512 {
            reader.problem("prefix", "is no beginning of names such as `incoming/`, of at most 512 bytes");
        }
        let pattern = match glob(reader.text("pattern").unwrap_or("**")) {
            Ok(pattern) => Some(pattern),
            Err(problem) => {
                reader.problem("pattern", problem);
                None
            }
        };
        let every = reader.duration("every", Duration::from_secs(30), Duration::from_secs(86_400));
        let all = match reader.text("from") {
            None | Some("now") => false,
            Some("all") => true,
            Some(other) => {
                let problem =
                    format!("`{other}` is not known; `now` (what comes from now on), or `all` (what is there, too)");
                reader.problem("from", problem);
                false
            }
        };
        let problems = reader.finish_alone();
        match pattern {
            Some(pattern) if problems.is_empty() => Ok(Self { prefix: prefix.to_owned(), pattern, every, all }),
            _ => Err(problems),
        }
    }
}
