//! How a webhook request is known to be genuine, as the manifest says it.
//!
//! Not here: the check itself, which the webhook trigger makes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{SecretName, shown};
use crate::words::meant;

/// How a webhook request is known to be genuine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "kebab-case")]
pub enum Verify {
    /// By the random part of the URL alone.
    Token,
    /// Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    StandardWebhooks {
        /// The secret of the environment, `whsec_…`.
        secret: SecretName,
    },
    /// GitHub: `X-Hub-Signature-256`.
    Github {
        /// The secret of the environment.
        secret: SecretName,
    },
    /// Stripe: `Stripe-Signature`.
    Stripe {
        /// The secret of the environment, `whsec_…`.
        secret: SecretName,
    },
    /// Slack: `X-Slack-Signature`.
    Slack {
        /// The secret of the environment, the app's signing secret.
        secret: SecretName,
    },
    /// Shopify: `X-Shopify-Hmac-Sha256`.
    Shopify {
        /// The secret of the environment, the app's client secret.
        secret: SecretName,
    },
    /// An HMAC in a header, laid out in the sender's own way.
    Hmac {
        /// The secret of the environment.
        secret: SecretName,
        /// Where what stands.
        #[serde(flatten)]
        layout: HmacLayout,
    },
}

impl Verify {
    /// The words for `scheme`, in the order of the documentation.
    pub const SCHEMES: [&'static str; 7] =
        ["token", "standard-webhooks", "github", "stripe", "slack", "shopify", "hmac"];

    /// Its word in the manifest.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::StandardWebhooks { .. } => "standard-webhooks",
            Self::Github { .. } => "github",
            Self::Stripe { .. } => "stripe",
            Self::Slack { .. } => "slack",
            Self::Shopify { .. } => "shopify",
            Self::Hmac { .. } => "hmac",
        }
    }

    /// The secret it needs, if any.
    #[must_use]
    pub const fn secret(&self) -> Option<&SecretName> {
        match self {
            Self::Token => None,
            Self::StandardWebhooks { secret }
            | Self::Github { secret }
            | Self::Stripe { secret }
            | Self::Slack { secret }
            | Self::Shopify { secret }
            | Self::Hmac { secret, .. } => Some(secret),
        }
    }

    /// Whether the scheme itself says which header identifies an event.
    #[must_use]
    pub const fn has_own_id(&self) -> bool {
        matches!(self, Self::StandardWebhooks { .. } | Self::Github { .. } | Self::Shopify { .. })
    }
}

/// Where an HMAC stands in a request, and what it is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HmacLayout {
    /// The header with the signature, in lower case.
    pub header: String,
    /// The hash function.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// How the signature is written.
    #[serde(default)]
    pub encoding: Encoding,
    /// What stands before it, such as `sha256=`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// What is signed.
    #[serde(default)]
    pub signed: SignedText,
    /// The moment it was signed at; it has one exactly if `signed` holds `{timestamp}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<SignedTime>,
}

/// The moment a request was signed at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedTime {
    /// The header, in lower case.
    pub header: String,
    /// How far it may lie from now, in either direction.
    pub tolerance: Duration,
    /// How it is written.
    #[serde(default)]
    pub format: TimeFormat,
}

impl SignedTime {
    /// The `tolerance` of one that names none, and of every scheme with a timestamp.
    pub const TOLERANCE: Duration = Duration::from_secs(300);
}

/// A hash function under an HMAC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
    /// SHA-1: for senders that have nothing better. No forgery of an HMAC with it is known.
    Sha1,
}

/// How the bytes of a signature are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// Hexadecimal digits, of either case.
    #[default]
    Hex,
    /// Base64 with padding.
    Base64,
}

/// How a moment is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeFormat {
    /// Whole seconds since 1970.
    #[default]
    Unix,
    /// Whole milliseconds since 1970.
    UnixMillis,
    /// RFC 3339.
    Rfc3339,
}

/// A word of the manifest for each of a few choices.
pub trait Choice: Copy + PartialEq + Sized + 'static {
    /// All choices and their words, the default first.
    const ALL: &'static [(&'static str, Self)];

    /// Its word.
    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, choice)| *choice == self).map_or("", |(word, _)| word)
    }
}

impl Choice for Algorithm {
    const ALL: &'static [(&'static str, Self)] =
        &[("sha256", Self::Sha256), ("sha512", Self::Sha512), ("sha1", Self::Sha1)];
}

impl Choice for Encoding {
    const ALL: &'static [(&'static str, Self)] = &[("hex", Self::Hex), ("base64", Self::Base64)];
}

impl Choice for TimeFormat {
    const ALL: &'static [(&'static str, Self)] =
        &[("unix", Self::Unix), ("unix-millis", Self::UnixMillis), ("rfc3339", Self::Rfc3339)];
}

/// What is signed: text and places, such as `{timestamp}.{body}`. The body comes last, so that the same
/// signed text cannot be cut at another place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SignedText(Vec<Piece>);

/// A piece of [`SignedText`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// The value of the timestamp's header.
    Timestamp,
    /// The value of the trigger's `id_header`.
    Id,
    /// The body as received.
    Body,
}

const PLACES: [(&str, Piece); 3] = [("timestamp", Piece::Timestamp), ("id", Piece::Id), ("body", Piece::Body)];

/// The longest template, in bytes.
const LONGEST: usize = 128;

/// The text is no template of what is signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadSignedText(String);

impl SignedText {
    /// Its pieces, in order; the last is the body.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// Whether it holds this place.
    #[must_use]
    pub fn has(&self, place: &Piece) -> bool {
        self.0.contains(place)
    }
}

impl Default for SignedText {
    /// The body alone.
    fn default() -> Self {
        Self(vec![Piece::Body])
    }
}

impl FromStr for SignedText {
    type Err = BadSignedText;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |why: String| Err(BadSignedText(why));
        if text.len() > LONGEST || !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            return bad(format!("it is longer than {LONGEST} bytes or not plain ASCII"));
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(brace) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(brace);
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let Some((name, behind)) = from.strip_prefix('{').and_then(|from| from.split_once('}')) else {
                return bad("a brace has no partner; places are written `{body}`".into());
            };
            let Some((_, place)) = PLACES.iter().find(|(known, _)| *known == name) else {
                let hint = meant(name, PLACES.map(|(known, _)| known))
                    .map_or_else(String::new, |known| format!("; did you mean `{{{known}}}`?"));
                let name = shown(name);
                return bad(format!("`{{{name}}}` is no place; there are {{timestamp}}, {{id}} and {{body}}{hint}"));
            };
            if pieces.contains(place) {
                return bad(format!("`{{{name}}}` is there twice"));
            }
            pieces.push(place.clone());
            rest = behind;
        }
        if !rest.is_empty() || pieces.last() != Some(&Piece::Body) {
            return bad("`{body}` must be there and come last, such as `{timestamp}.{body}`".into());
        }
        let open = pieces.windows(2).any(|two| two[0] == Piece::Id && !matches!(two[1], Piece::Text(_)));
        if open {
            return bad("`{id}` needs some text behind it that ends it, such as `{id}.{body}`".into());
        }
        Ok(Self(pieces))
    }
}

impl fmt::Display for SignedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => f.write_str(text)?,
                Piece::Timestamp => f.write_str("{timestamp}")?,
                Piece::Id => f.write_str("{id}")?,
                Piece::Body => f.write_str("{body}")?,
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for SignedText {
    type Error = BadSignedText;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SignedText> for String {
    fn from(text: SignedText) -> Self {
        text.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_pieces_with_the_body_last() {
        let text = |text: &str| Piece::Text(text.into());
        for (template, pieces) in [
            ("{body}", vec![Piece::Body]),
            ("{timestamp}.{body}", vec![Piece::Timestamp, text("."), Piece::Body]),
            ("{timestamp}{body}", vec![Piece::Timestamp, Piece::Body]),
            ("v0:{timestamp}:{body}", vec![text("v0:"), Piece::Timestamp, text(":"), Piece::Body]),
            ("{id} {timestamp}|{body}", vec![Piece::Id, text(" "), Piece::Timestamp, text("|"), Piece::Body]),
        ] {
            let read: SignedText = template.parse().unwrap();
            assert_eq!((read.pieces(), read.to_string().as_str()), (&*pieces, template));
            assert_eq!(serde_json::to_value(&read).unwrap(), template);
        }
        for (bad, text) in [
            ("", "come last"),
            ("body", "come last"),
            ("{body}.{timestamp}", "come last"),
            ("{body} ", "come last"),
            ("{timestamp}", "come last"),
            ("{body}{body}", "twice"),
            ("{timestmap}.{body}", "did you mean `{timestamp}`?"),
            ("{x}{body}", "`{x}` is no place"),
            ("{{body}}", "is no place"),
            ("{body", "no partner"),
            ("}{body}", "no partner"),
            ("{id}{body}", "needs some text behind it"),
            ("{id}{timestamp}.{body}", "needs some text behind it"),
            ("é{body}", "plain ASCII"),
            (&"x".repeat(200), "longer than"),
        ] {
            let error = bad.parse::<SignedText>().unwrap_err().to_string();
            assert!(error.contains(text), "{bad}: {error}");
            assert!(serde_json::from_value::<SignedText>(bad.into()).is_err());
        }
    }
}
