//! The token endpoint: one question (RFC 6749, section 4.4, client credentials), and what its answers mean.
//!
//! Never follows a redirect, reads no more than a small answer, and repeats nothing that it was told but
//! words of the standard. Not here: when it is asked.

use std::fmt;
use std::time::Duration;

use ::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use ::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use jackfield_core::ports::http::HttpFailure;
use jackfield_core::redact::Redactor;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use tokio::time::Instant;
use url::{Url, form_urlencoded};

use super::super::IDLE;
use super::super::body::{self, BodyError, Coding, Deadlines};
use super::super::client::Client;
use super::super::link::{VERSION, as_uri};
use super::setting::{ClientAuth, OAuth2Setting};
use super::{NoToken, Result, Token};

/// The longest a request for a token takes, whatever the connection's `timeout`.
const LONGEST: Duration = Duration::from_secs(30);
/// The largest answer.
const ANSWER_BYTES: u64 = 64 * 1024;
/// The longest token.
const TOKEN_BYTES: usize = 16 * 1024;
/// How long a token is kept whose life is not told: an answer 401 ends it sooner.
const UNTOLD: Duration = Duration::from_secs(3600);
/// The longest a token is kept, whatever is told.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);
/// The most of its own words that is shown to an operator.
const SHOWN_CHARS: usize = 200;

/// See the module. Shown as its scheme, host and path.
pub(in super::super) struct Endpoint {
    url: Url,
    client: Client,
    authorization: Option<HeaderValue>,
    /// The form; it holds the secret if that is not in the header.
    form: SecretString,
    /// By name, for what is said to a person.
    secret_name: String,
    secret: SecretString,
    scopes: String,
    limit: Duration,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A query may hold anything.
        write!(f, "{}{}", self.url.origin().ascii_serialization(), self.url.path())
    }
}

impl Endpoint {
    /// Asked through `client`, for at most `limit`.
    pub(in super::super) fn new(
        setting: &OAuth2Setting,
        secret: &SecretString,
        client: Client,
        limit: Duration,
    ) -> Self {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !setting.scopes.is_empty() {
            form.append_pair("scope", &setting.scopes);
        }
        for (name, value) in &setting.more {
            form.append_pair(name, value);
        }
        let authorization = match setting.auth {
            ClientAuth::Basic => Some(basic(&setting.client_id, secret)),
            ClientAuth::Body => {
                form.append_pair("client_id", &setting.client_id);
                form.append_pair("client_secret", secret.expose_secret());
                None
            }
        };
        Self {
            url: setting.token_url.clone(),
            client,
            authorization,
            form: form.finish().into(),
            secret_name: setting.secret.clone(),
            secret: secret.clone(),
            scopes: setting.scopes.clone(),
            limit: limit.min(LONGEST),
        }
    }

    /// Where it is.
    pub(in super::super) fn url(&self) -> &Url {
        &self.url
    }

    /// Asks once.
    ///
    /// # Errors
    ///
    /// No usable answer came, or it was no.
    pub(super) async fn ask(&self) -> Result<Token> {
        let asked = Instant::now();
        let deadline = asked + self.limit;
        let response = self.client.exchange(self.request()?, deadline).await.map_err(|e| self.failed(&e))?;
        let (head, body) = response.into_parts();
        let coding = Coding::of(&head.headers);
        let read = body::read(body, coding, ANSWER_BYTES, Deadlines { total: deadline, idle: IDLE }).await;
        let status = head.status;
        let body = match read {
            Ok(body) => body,
            // What it means shows in the status already.
            Err(_) if !status.is_success() => Bytes::new(),
            Err(BodyError::TooLarge) => {
                return Err(self.lasting(&format!("its answer is larger than {} KiB", ANSWER_BYTES / 1024)));
            }
            Err(BodyError::Broken(why) | BodyError::TimedOut(why)) => return Err(self.passing(&why)),
        };
        // Numbers too large for a number are kept out of the way of the rest: see `seconds`.
        let answer = serde_json::from_slice::<Map<String, Value>>(&body).ok();
        match answer {
            Some(answer) if status.is_success() && answer.contains_key("access_token") => self.token(&answer, asked),
            answer => Err(self.refusal(status, &head.headers, answer.as_ref())),
        }
    }

    fn request(&self) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::new(Full::new(Bytes::from(self.form.expose_secret().to_owned())));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = as_uri(&self.url).map_err(|e| self.failed(&e))?;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(USER_AGENT, HeaderValue::from_static(VERSION));
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }

    /// Reads an answer with a token.
    fn token(&self, answer: &Map<String, Value>, asked: Instant) -> Result<Token> {
        let token = answer.get("access_token").and_then(Value::as_str).unwrap_or_default();
        // Source: RFC 6749, appendix A.12; without the space, which would end it in a header.
        if token.is_empty() || token.len() > TOKEN_BYTES || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(self.lasting("its answer holds no access token that can be put into a header"));
        }
        let kind = answer.get("token_type").and_then(Value::as_str).unwrap_or("bearer");
        if !kind.eq_ignore_ascii_case("bearer") {
            return Err(self.lasting("its token is not of type `Bearer`, the only one that is understood here"));
        }
        let told = seconds(answer.get("expires_in")).map(|life| life.min(LONGEST_LIFE));
        let mut header = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| self.lasting("its access token cannot be put into a header"))?;
        header.set_sensitive(true);
        let redactor = Redactor::new([self.secret.expose_secret(), token]);
        let scopes = match answer.get("scope").and_then(Value::as_str).unwrap_or(&self.scopes) {
            "" => String::new(),
            scopes => format!(", scopes `{}`", shown(&redactor, scopes)),
        };
        let described = match told {
            Some(life) => format!("expires in {}s{scopes}", life.as_secs()),
            None => format!("it is not told when it expires{scopes}"),
        };
        Ok(Token::new(header, redactor, described, asked, told.unwrap_or(UNTOLD)))
    }

    /// What an answer without a token means. Source: RFC 6749, section 5.2.
    fn refusal(&self, status: StatusCode, headers: &HeaderMap, answer: Option<&Map<String, Value>>) -> NoToken {
        let text = |key: &str| answer.and_then(|answer| answer.get(key)?.as_str());
        let error = text("error");
        let secret = &self.secret_name;
        let mut none = match (status.as_u16(), error) {
            (429 | 408 | 500.., _) | (_, Some("temporarily_unavailable" | "server_error")) => {
                self.passing(&format!("it answered {}", status.as_u16()))
            }
            (_, Some("invalid_client")) | (401, _) => self.lasting(&format!(
                "it does not accept the client (invalid_client): check `client_id`, the secret `{secret}` and `auth`"
            )),
            (_, Some("invalid_scope")) => self.lasting("it does not grant these `scopes` (invalid_scope)"),
            (_, Some("unauthorized_client")) => {
                self.lasting("this client may not use client credentials (unauthorized_client)")
            }
            (_, Some("unsupported_grant_type")) => {
                self.lasting("it gives no tokens for client credentials (unsupported_grant_type)")
            }
            (_, Some("invalid_target")) => self.lasting("it knows no such `audience` or `resource` (invalid_target)"),
            (_, Some("invalid_request" | "invalid_grant")) => {
                self.lasting("it does not accept the request: check `scopes`, `audience`, `resource` and `auth`")
            }
            (300..=399, _) => {
                let problem = format!(
                    "it answered {}, a redirect, which is not followed: set `token_url` to where \
                     it leads",
                    status.as_u16()
                );
                self.lasting(&problem)
            }
            (200..=299, _) => self.lasting("its answer is no JSON with an `access_token`; is `token_url` right?"),
            (other, _) => self.lasting(&format!("it answered {other}; is `token_url` right?")),
        };
        none.retry_after =
            headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.trim().parse().ok()).map(Duration::from_secs);
        let redactor = Redactor::new([self.secret.expose_secret()]);
        none.said = text("error_description").or(error).map(|said| shown(&redactor, said));
        none
    }

    fn failed(&self, failure: &HttpFailure) -> NoToken {
        match failure {
            HttpFailure::Denied(why) | HttpFailure::Invalid(why) => self.lasting(why),
            other => self.passing(&other.to_string()),
        }
    }

    fn passing(&self, why: &str) -> NoToken {
        NoToken::passing(format!("no access token from {self}: {why}"))
    }

    fn lasting(&self, why: &str) -> NoToken {
        NoToken::lasting(format!("no access token from {self}: {why}"))
    }
}

/// Both parts are encoded as in a form before they are put together. Source: RFC 6749, section 2.3.1.
fn basic(client_id: &str, secret: &SecretString) -> HeaderValue {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let both = format!("{}:{}", encoded(client_id), encoded(secret.expose_secret()));
    let mut header =
        HeaderValue::try_from(format!("Basic {}", STANDARD.encode(both))).expect("base64 is of visible characters");
    header.set_sensitive(true);
    header
}

/// A positive number of whole seconds, also as text. Anything else says nothing: some endpoints write 0
/// for a token without an end.
fn seconds(told: Option<&Value>) -> Option<Duration> {
    let seconds = match told? {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        _ => return None,
    };
    // More than any clock counts is as good as the longest.
    (seconds >= 1.0).then(|| Duration::try_from_secs_f64(seconds.trunc()).unwrap_or(LONGEST_LIFE))
}

/// Words of the endpoint's, safe to show in a line.
fn shown(redactor: &Redactor, text: &str) -> String {
    redactor.text(text).chars().filter(|c| !c.is_control()).take(SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn how_long_a_token_lives_is_read_with_care() {
        #[track_caller]
        fn check(told: Value, expected: Option<u64>) {
            assert_eq!(seconds(Some(&told)), expected.map(Duration::from_secs), "{told}");
        }
        check(json!(3600), Some(3600));
        check(json!("3600"), Some(3600));
        check(json!(" 3600 "), Some(3600));
        check(json!(3599.9), Some(3599));
        check(json!(1), Some(1));
        for untold in [
            json!(0),
            json!(-1),
            json!("-3600"),
            json!("soon"),
            json!(""),
            json!(null),
            json!([3600]),
            json!("NaN"),
            json!(0.5),
        ] {
            check(untold, None);
        }
        check(json!(u64::MAX), Some(LONGEST_LIFE.as_secs()));
        check(json!("1e300"), Some(LONGEST_LIFE.as_secs()));
        check(json!("inf"), Some(LONGEST_LIFE.as_secs()));
        assert_eq!(seconds(None), None);
    }

    /// The example of RFC 6749, section 2.3.1, and what must be encoded first.
    #[test]
    fn the_client_shows_itself_as_the_standard_says() {
        assert_eq!(
            basic("s6BhdRkqt3", &SecretString::from("7Fjfp0ZBr1KtDRbnfVdmIw")),
            "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3"
        );
        let odd = basic("a:b c", &SecretString::from("p%d/é"));
        assert_eq!(odd, format!("Basic {}", STANDARD.encode("a%3Ab+c:p%25d%2F%C3%A9")));
    }
}
