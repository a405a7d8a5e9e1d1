//! The settings of a credential of type `oauth2`.
//!
//! Not here: the secret's value.

use serde_json::Value;
use url::Url;

use crate::address::{self, Origin};
use crate::settings::Reader;

/// As in the settings; whoever holds one need not check again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct OAuth2Setting {
    pub(super) token_url: Url,
    pub(super) client_id: String,
    /// The client's secret, by name.
    pub(in super::super) secret: String,
    /// Separated by spaces; may be empty.
    pub(super) scopes: String,
    pub(super) auth: ClientAuth,
    /// Other parameters of the request: `audience`, `resource`.
    pub(super) more: Vec<(&'static str, String)>,
}

/// How the client shows who it is. Source: RFC 6749, section 2.3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientAuth {
    Basic,
    Body,
}

impl OAuth2Setting {
    /// Reads what stands beside `type = "oauth2"`.
    pub(in super::super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let token_url = token_url(reader);
        let client_id = reader.required("client_id", "`jackfield`").map(str::to_owned);
        if client_id.as_ref().is_some_and(|id| id.chars().any(char::is_control)) {
            reader.problem("client_id", "holds a control character");
        }
        let secret = reader.required("secret", "`crm-client-secret`, the name of a secret").map(str::to_owned);
        let scopes = scopes(reader);
        let auth = match reader.text("auth") {
            None | Some("basic") => ClientAuth::Basic,
            Some("body") => ClientAuth::Body,
            Some(other) => {
                let problem = format!("`{other}` is not known; `basic` (a header, the default) or `body` (the form)");
                reader.problem("auth", problem);
                ClientAuth::Basic
            }
        };
        let mut more = Vec::new();
        for key in ["audience", "resource"] {
            let value = reader.text(key).filter(|value| !value.is_empty());
            more.extend(value.map(|value| (key, value.to_owned())));
        }
        Some(Self { token_url: token_url?, client_id: client_id?, secret: secret?, scopes, auth, more })
    }
}

fn token_url(reader: &mut Reader<'_>) -> Option<Url> {
    const KEY: &str = "token_url";
    let text = reader.required(KEY, "`https://login.example.com/oauth/token`")?;
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(e) => {
            reader.problem(KEY, format!("is not an absolute URL ({e}); for example https://login.example.com/token"));
            return None;
        }
    };
    // Not shown: it may hold a password.
    if !url.username().is_empty() || url.password().is_some() {
        reader.problem(KEY, "holds a user name or password; they are `client_id` and, as a secret, `secret`");
        return None;
    }
    if url.fragment().is_some() {
        reader.problem(KEY, "has a fragment");
        return None;
    }
    if let Err(problem) = address::check_url(&url, Origin::Operator) {
        reader.problem(KEY, problem);
        return None;
    }
    Some(url)
}

/// A list, or text with spaces between. Source: RFC 6749, section 3.3.
fn scopes(reader: &mut Reader<'_>) -> String {
    const KEY: &str = "scopes";
    let words: Option<Vec<&str>> = match reader.value(KEY) {
        None => return String::new(),
        Some(Value::String(text)) => Some(text.split(' ').filter(|word| !word.is_empty()).collect()),
        Some(Value::Array(list)) => list.iter().map(Value::as_str).collect(),
        Some(_) => None,
    };
    let fits =
        |word: &&str| !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~'));
    match words {
        Some(words) if words.iter().all(fits) => words.join(" "),
        Some(_) => {
            reader.problem(KEY, "holds a scope that is none: visible characters, no spaces, quotes or backslashes");
            String::new()
        }
        None => {
            reader.problem(KEY, "should be a list of scopes, or text with spaces between them");
            String::new()
        }
    }
}
