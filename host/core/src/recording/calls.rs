//! A recorded call: what was asked and answered, as a person reads it, and the journal's records of it.
//!
//! What does not read back to the very same bytes is written as bytes. One arm per capability says
//! how its calls read.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use serde_json::{Value, json};

use super::text::{Data, Pair, attributes, pairs};
use super::{BadRecording, tree};
use crate::grant::Capability;
use crate::hatch::{HttpAsked, emit_label, encode_answer};
use crate::journal::{ArgumentHash, Class, Record, Verdict, What};
use crate::ports::blob::BlobAnswer;
use crate::ports::email::EmailAnswer;
use crate::ports::events::{Draft, EventsAnswer};
use crate::ports::http::{HttpAnswer, HttpError, HttpResponse};
use crate::ports::kv::{KvAnswer, KvCall};
use crate::ports::messaging::MessagingAnswer;
use crate::ports::sql::SqlAnswer;
use crate::redact::Redactor;

/// Text lines of a call in an error, at most, and characters of each.
const SHOWN_LINES: usize = 12;
const SHOWN_CHARACTERS: usize = 400;

/// One call. Members that are absent are the usual ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedCall {
    /// Its number, counted from 1 in the guest's own order.
    pub call: u32,
    /// The capability.
    pub capability: Capability,
    /// What it was, for a person. Counts only where there is no `request`.
    #[serde(default)]
    pub what: String,
    /// What repeating it would mean.
    #[serde(default = "read", skip_serializing_if = "is_read")]
    pub class: Class,
    /// What became of it.
    #[serde(default = "done", skip_serializing_if = "is_done")]
    pub verdict: Verdict,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub took_ms: u32,
    /// How often it was asked with other arguments before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u32,
    /// What was asked. Absent if it was not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Value>,
    /// The hash of what was asked, if `request` is not the whole of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_hash: Option<String>,
    /// What was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Value>,
    /// Why there was no response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
    /// The answer as the journal has it, if no person can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_base64: Option<String>,
}

/// How the calls of a capability are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    Kv,
    Events,
    Config,
    /// Calls on other connections: their requests are known by their hash alone.
    Other,
}

impl Kind {
    fn of(capability: Capability) -> Self {
        if capability == Capability::Http {
            Self::Http
        } else if capability == Capability::Kv {
            Self::Kv
        } else if capability == Capability::Events {
            Self::Events
        } else if capability == Capability::Config {
            Self::Config
        } else {
            Self::Other
        }
    }
}

const fn read() -> Class {
    Class::Read
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_read(class: &Class) -> bool {
    *class == Class::Read
}

const fn done() -> Verdict {
    Verdict::Done
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_done(verdict: &Verdict) -> bool {
    *verdict == Verdict::Done
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// An http request.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpRequestPart {
    method: String,
    /// By connection, with a path and query; else a whole `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connection: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Pair>,
    #[serde(flatten)]
    body: Data,
    /// The body was so large that only its size was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body_left_out_bytes: Option<u64>,
}

/// An http response.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpResponsePart {
    status: u16,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Pair>,
    #[serde(flatten)]
    body: Data,
}

/// The parts of a call, collected from its records.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) what: Option<What>,
    pub(super) hash: Option<ArgumentHash>,
    pub(super) class: Option<Class>,
    pub(super) generation: u32,
    pub(super) asked: Option<Vec<u8>>,
    pub(super) answered: Option<(Verdict, u32, Vec<u8>)>,
}

impl Parts {
    /// The call as it is written; none if there is no intent and no result.
    pub(super) fn call(self, call: u32, redactor: &Redactor) -> Option<RecordedCall> {
        let (what, hash) = (self.what?, self.hash?);
        let request = asked(&what, self.asked.as_deref(), redactor);
        let mut made = RecordedCall {
            call,
            capability: what.capability,
            what: redactor.text(&what.text).into_owned(),
            class: self.class.unwrap_or(Class::Read),
            verdict: Verdict::Done,
            took_ms: 0,
            generation: self.generation,
            request,
            request_hash: None,
            response: None,
            error: None,
            answer_base64: None,
        };
        // With a secret taken out it is another hash, and the right one: what is played holds none either.
        let known = made.asked().ok().flatten();
        let redacted = self.asked.as_deref().is_some_and(|asked| redactor.covers(asked));
        if known.is_none_or(|(_, of)| of != hash && !redacted) {
            made.request_hash = Some(data_encoding::HEXLOWER.encode(&hash.0));
        }
        if let Some((verdict, took_ms, answer)) = self.answered {
            made.verdict = verdict;
            made.took_ms = took_ms;
            made.answer(&answer, redactor);
        }
        Some(made)
    }
}

impl RecordedCall {
    /// Whether there is an answer.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.response.is_some() || self.error.is_some() || self.answer_base64.is_some()
    }

    fn answer(&mut self, answer: &[u8], redactor: &Redactor) {
        (self.response, self.error) = readable(self.capability, answer, redactor);
        let same = self.encoded_answer().ok().flatten().is_some_and(|again| again == answer);
        if !same && !redactor.covers(answer) {
            (self.response, self.error) = (None, None);
            self.answer_base64 = Some(BASE64_STANDARD.encode(answer));
        }
    }

    /// What it is and the hash of what is asked, if the request says so.
    pub(super) fn asked(&self) -> Result<Option<(String, ArgumentHash)>, BadRecording> {
        let Some(request) = &self.request else { return Ok(None) };
        Ok(match Kind::of(self.capability) {
            Kind::Http => {
                let asked = http_asked(request.clone())?;
                asked.hash().map(|hash| (asked.text(), hash))
            }
            Kind::Kv => {
                let call: KvCall = typed(request.clone())?;
                Some((call.label(), ArgumentHash::of([encode_answer(&call).as_slice()])))
            }
            Kind::Events => {
                let drafts: Vec<Draft> = typed(request.clone())?;
                Some((emit_label(&drafts), ArgumentHash::of([encode_answer(&drafts).as_slice()])))
            }
            Kind::Config => {
                let text = match (request.as_str(), request.get("get").and_then(Value::as_str)) {
                    (Some(text), _) => text.to_owned(),
                    (None, Some(name)) => format!("get {name}"),
                    (None, None) => return Err(BadRecording("a config request is `get-all` or a `get`".into())),
                };
                let hash = ArgumentHash::of([text.as_bytes()]);
                Some((text, hash))
            }
            Kind::Other => None,
        })
    }

    /// The answer as the journal has it.
    pub(super) fn encoded_answer(&self) -> Result<Option<Vec<u8>>, BadRecording> {
        match (&self.response, &self.error, &self.answer_base64) {
            (None, None, None) => Ok(None),
            (None, None, Some(text)) => {
                let bytes = BASE64_STANDARD.decode(text);
                bytes.map(Some).map_err(|_| BadRecording("`answer_base64` is not base64".into()))
            }
            (Some(_), None, None) | (None, Some(_), None) => self.read_answer(),
            _ => Err(BadRecording("give one of `response`, `error` and `answer_base64`, not several".into())),
        }
    }

    fn read_answer(&self) -> Result<Option<Vec<u8>>, BadRecording> {
        let wrapped = |response: &Option<Value>, error: &Option<Value>| match (response, error) {
            (Some(value), _) => json!({ "Ok": value }),
            (None, error) => json!({ "Err": error }),
        };
        Ok(Some(match Kind::of(self.capability) {
            Kind::Http => {
                let answer: HttpAnswer = match (&self.response, &self.error) {
                    (Some(response), _) => {
                        let part: HttpResponsePart = typed(response.clone())?;
                        let headers = attributes(&part.headers)?;
                        Ok(HttpResponse { status: part.status, headers, body: part.body.bytes()? })
                    }
                    (None, error) => Err(typed::<HttpError>(error.clone().unwrap_or_default())?),
                };
                encode_answer(&answer)
            }
            Kind::Kv => encode_answer(&typed::<KvAnswer>(wrapped(&self.response, &self.error))?),
            Kind::Events => encode_answer(&typed::<EventsAnswer>(wrapped(&self.response, &self.error))?),
            Kind::Config => encode_answer(&typed::<Vec<(String, String)>>(self.response.clone().unwrap_or_default())?),
            Kind::Other => {
                let answer = wrapped(&self.response, &self.error);
                match self.capability {
                    Capability::Sql => encode_answer(&typed::<SqlAnswer>(answer)?),
                    Capability::Messaging => encode_answer(&typed::<MessagingAnswer>(answer)?),
                    Capability::Blob => encode_answer(&typed::<BlobAnswer>(answer)?),
                    _ => encode_answer(&typed::<EmailAnswer>(answer)?),
                }
            }
        }))
    }

    /// The journal's records of it.
    pub(super) fn records(&self) -> Result<Vec<Record>, BadRecording> {
        let of = |e: BadRecording| BadRecording(format!("call {}: {e}", self.call));
        let (text, hash) = match (self.asked().map_err(of)?, &self.request_hash) {
            (asked, Some(hash)) => {
                let hash = data_encoding::HEXLOWER_PERMISSIVE.decode(hash.as_bytes()).ok();
                let hash = hash.and_then(|hash| hash.try_into().ok());
                let hash = hash.ok_or_else(|| of(BadRecording("`request_hash` is 64 hex digits".into())))?;
                (asked.map_or_else(|| self.what.clone(), |(text, _)| text), ArgumentHash(hash))
            }
            (Some(asked), None) => asked,
            (None, None) => return Err(of(BadRecording("it needs a `request`, or the hash of one".into()))),
        };
        let (what, call) = (What { capability: self.capability, text }, self.call);
        let mut records = Vec::new();
        if self.request.is_some()
            && let Some(request) = self.encoded_request().map_err(of)?
        {
            records.push(Record::Asked { call, request: ByteBuf::from(request) });
        }
        if !matches!(self.class, Class::Read | Class::Local) {
            let (what, generation, class) = (what.clone(), self.generation, self.class);
            records.push(Record::Intent { call, what, hash, generation, class });
        }
        if let Some(answer) = self.encoded_answer().map_err(of)? {
            records.push(Record::Result {
                call,
                what,
                hash,
                class: self.class,
                verdict: self.verdict,
                took_ms: self.took_ms,
                answer: ByteBuf::from(answer),
            });
        }
        Ok(records)
    }

    fn encoded_request(&self) -> Result<Option<Vec<u8>>, BadRecording> {
        let Some(request) = self.request.clone() else { return Ok(None) };
        Ok(match Kind::of(self.capability) {
            Kind::Http => Some(encode_answer(&http_asked(request)?)),
            Kind::Kv => Some(encode_answer(&typed::<KvCall>(request)?)),
            Kind::Events => Some(encode_answer(&typed::<Vec<Draft>>(request)?)),
            Kind::Config | Kind::Other => None,
        })
    }

    /// What was answered, in short.
    #[must_use]
    pub fn answer_in_short(&self) -> String {
        match (&self.response, &self.error) {
            (Some(response), _) => match (response.get("data"), response.get("data_text").and_then(Value::as_str)) {
                (Some(data), _) => data.to_string(),
                (None, Some(text)) => text.to_owned(),
                (None, None) if self.capability == Capability::Http => String::new(),
                (None, None) => response.to_string(),
            },
            (None, Some(error)) => match error.get("text").and_then(Value::as_str) {
                Some(text) => text.to_owned(),
                None => error.to_string(),
            },
            (None, None) => String::new(),
        }
    }
}

/// What was asked, as a person reads it.
fn asked(what: &What, asked: Option<&[u8]>, redactor: &Redactor) -> Option<Value> {
    match (what.capability, asked) {
        (Capability::Http, Some(bytes)) => {
            let asked: HttpAsked = rmp_serde::from_slice(bytes).ok()?;
            serde_json::to_value(http_part(&asked, redactor)).ok()
        }
        (Capability::Config, _) => Some(match what.text.strip_prefix("get ") {
            Some(name) => json!({ "get": name }),
            None => what.text.clone().into(),
        }),
        (_, Some(bytes)) => tree::json(bytes, redactor),
        (_, None) => None,
    }
}

fn http_part(asked: &HttpAsked, redactor: &Redactor) -> HttpRequestPart {
    let text = |text: &str| redactor.text(text).into_owned();
    let path = match &asked.query {
        Some(query) => format!("{}?{query}", asked.path),
        None => asked.path.clone(),
    };
    let by_url = asked.place.contains("://");
    let body = asked.body.as_ref().map_or(&[][..], |body| body.as_slice());
    HttpRequestPart {
        method: asked.method.clone(),
        connection: (!by_url).then(|| asked.place.clone()),
        path: (!by_url).then(|| text(&path)),
        url: by_url.then(|| text(&format!("{}{path}", asked.place))),
        headers: pairs(&asked.headers, redactor),
        body: Data::of(&redactor.bytes(body.to_vec().into())),
        body_left_out_bytes: (asked.body.is_none() && asked.body_bytes > 0).then_some(asked.body_bytes),
    }
}

fn http_asked(request: Value) -> Result<HttpAsked, BadRecording> {
    let part: HttpRequestPart = typed(request)?;
    let (place, rest) = match (&part.connection, &part.path, &part.url) {
        (Some(connection), Some(path), None) => (connection.clone(), path.clone()),
        (None, None, Some(url)) => {
            // As it was written: a parser would write it anew.
            let from = url.find("://").map_or(0, |at| at + 3);
            let end = url[from..].find('/').map_or(url.len(), |at| from + at);
            (url[..end].to_owned(), url[end..].to_owned())
        }
        _ => return Err(BadRecording("an http request has a `connection` and a `path`, or a `url`".into())),
    };
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
        None => (rest, None),
    };
    let body = part.body.bytes()?;
    Ok(HttpAsked {
        method: part.method,
        place,
        path,
        query,
        headers: attributes(&part.headers)?,
        body_bytes: part.body_left_out_bytes.unwrap_or(body.len() as u64),
        body: (!body.is_empty()).then(|| ByteBuf::from(Vec::from(body))),
    })
}

/// What was answered, as a person reads it: a response or an error.
fn readable(capability: Capability, answer: &[u8], redactor: &Redactor) -> (Option<Value>, Option<Value>) {
    if capability == Capability::Http {
        return match rmp_serde::from_slice::<HttpAnswer>(answer) {
            Ok(Ok(response)) => {
                let part = HttpResponsePart {
                    status: response.status,
                    headers: pairs(&response.headers, redactor),
                    body: Data::of(&redactor.bytes(response.body)),
                };
                (serde_json::to_value(part).ok(), None)
            }
            Ok(Err(error)) => (None, serde_json::to_value(error).ok()),
            Err(_) => (None, None),
        };
    }
    let Some(value) = tree::json(answer, redactor) else { return (None, None) };
    match &value {
        Value::Object(members) if members.len() == 1 => match (members.get("Ok"), members.get("Err")) {
            (Some(response), None) => (Some(response.clone()), None),
            (None, Some(error)) => (None, Some(error.clone())),
            _ => (Some(value), None),
        },
        _ => (Some(value), None),
    }
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, BadRecording> {
    serde_json::from_value(value).map_err(|e| BadRecording(e.to_string()))
}

/// An encoded request as lines of text, for an error that shows two of them; none if it does not read.
#[must_use]
pub fn shown(capability: Capability, request: &[u8]) -> Option<String> {
    let text = if capability == Capability::Http {
        let asked: HttpAsked = rmp_serde::from_slice(request).ok()?;
        let query = asked.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let mut lines = vec![format!("{}{query}", asked.text())];
        lines.extend(asked.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        match &asked.body {
            Some(body) => lines.push(String::from_utf8_lossy(body).into_owned()),
            None if asked.body_bytes > 0 => lines.push(format!("a body of {} bytes", asked.body_bytes)),
            None => {}
        }
        lines.join("\n")
    } else {
        tree::json(request, &Redactor::none())?.to_string()
    };
    let short = |line: &str| match line.char_indices().nth(SHOWN_CHARACTERS) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    };
    let mut lines: Vec<String> = text.lines().map(short).collect();
    if lines.len() > SHOWN_LINES {
        lines.truncate(SHOWN_LINES);
        lines.push("…".into());
    }
    Some(lines.join("\n"))
}
