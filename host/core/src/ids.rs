//! Names and ids, each checked once, where it enters.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::clock::{Clock, Rng};

/// A name that broke the rule of names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a {what} name: use 1 to 63 lowercase letters, digits and `-`, starting with a letter")]
pub struct BadName {
    /// What it was to name.
    pub what: &'static str,
    /// The text as given, shortened and without control characters.
    pub given: String,
}

/// Text from outside, fit to be shown in an error: no control characters, at most 80 of them.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut out: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().count() > 80 {
        out.push('…');
    }
    out
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $what:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// Lowercase letters, digits and `-`, 1 to 63 bytes, starting with a letter: it becomes a
        /// metric label, a URL segment and a file name, so it is checked once, here.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(s: &str) -> Result<Self, BadName> {
                let starts_well = s.starts_with(|c: char| c.is_ascii_lowercase());
                let only_allowed = s.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
                if starts_well && only_allowed && s.len() <= 63 {
                    Ok(Self(s.into()))
                } else {
                    Err(BadName { what: $what, given: shown(s) })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(s: String) -> Result<Self, BadName> {
                s.parse()
            }
        }

        impl From<$name> for String {
            fn from(n: $name) -> String {
                n.0.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    )*};
}

names! {
    /// A named place an integration is released to, such as `dev` and `prod`.
    EnvironmentName, "environment";
    /// What is released: the name in `[integration]`.
    IntegrationName, "integration";
    /// A part of an integration: the name in `[component.<name>]`.
    ComponentName, "component";
    /// What starts runs: the `name` of a `[[trigger]]`.
    TriggerName, "trigger";
    /// A link to an outside system: by an integration's own name for it, or an environment's.
    ConnectionName, "connection";
    /// A stored secret of an environment.
    SecretName, "secret";
    /// A setting that guests may read.
    ConfigName, "setting";
    /// A token for the admin API.
    TokenName, "token";
}

/// An integration in an environment: the scope of kv, quotas, config and hooks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// The environment.
    pub environment: EnvironmentName,
    /// The integration.
    pub integration: IntegrationName,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.integration, self.environment)
    }
}

/// The number of an immutable release of an integration: 1, 2, 3 …
pub type VersionNumber = u32;

/// One run. Sorts by the time it was made; shown as 26 characters of Crockford's base 32.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(ulid::Ulid);

/// Text that is not a run id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a run id: 26 letters and digits, as `jackfield runs list` shows them")]
pub struct BadRunId(String);

impl RunId {
    /// A new id.
    #[must_use]
    pub fn new(clock: &dyn Clock, rng: &dyn Rng) -> Self {
        let mut random = [0; 16];
        rng.fill(&mut random[..10]);
        let millis = u64::try_from(clock.now().as_millis()).unwrap_or(0);
        Self(ulid::Ulid::from_parts(millis, u128::from_le_bytes(random)))
    }

    /// The 16 bytes it is stored as; their order is the order of ids.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.0.to_be_bytes()
    }

    /// The id stored as these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(ulid::Ulid(u128::from_be_bytes(bytes)))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for RunId {
    type Err = BadRunId;
    fn from_str(s: &str) -> Result<Self, BadRunId> {
        ulid::Ulid::from_string(s).map(Self).map_err(|_| BadRunId(shown(s)))
    }
}

impl TryFrom<String> for RunId {
    type Error = BadRunId;
    fn try_from(s: String) -> Result<Self, BadRunId> {
        s.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> String {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::fake::{FakeClock, FakeRng};

    #[track_caller]
    fn refused(name: &str) {
        assert!(name.parse::<ComponentName>().is_err(), "{name:?} was taken");
    }

    #[test]
    fn names_are_plain() {
        assert!("sync-2".parse::<ComponentName>().is_ok());
        assert!("a".repeat(63).parse::<ComponentName>().is_ok());
        for bad in ["", "2a", "-a", "A", "a_b", "a/b", "../a", "a\u{0}", "ä", "a.b", &"a".repeat(64)] {
            refused(bad);
        }
    }

    #[test]
    fn an_error_shows_no_control_characters() {
        let problem = "a\u{1b}[31m\r\n".parse::<ComponentName>().unwrap_err().to_string();
        assert!(!problem.chars().any(char::is_control), "{problem:?}");
    }

    #[test]
    fn run_ids_sort_by_time_and_survive_text_and_bytes() {
        let (clock, rng) = (FakeClock::default(), FakeRng::new(1));
        let first = RunId::new(&clock, &rng);
        clock.advance(std::time::Duration::from_millis(1));
        let second = RunId::new(&clock, &rng);
        assert!(first < second && first.to_string() < second.to_string() && first.to_bytes() < second.to_bytes());
        assert_eq!(first.to_string().parse::<RunId>().unwrap(), first);
        assert_eq!(RunId::from_bytes(first.to_bytes()), first);
    }
}
