//! From a request to an event: plain webhooks, those of known senders, and CloudEvents in binary and structured mode.
//!
//! The body stays the bytes it was. The one exception is what its sender declares to be an envelope, a
//! structured CloudEvent, whose attributes are read. Under a signature scheme only the signed body
//! counts: `ce-*` headers are not signed, so whoever replays a request could give it another id.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use jackfield_core::event::{Attributes, Event};
use jackfield_core::ids::{Scope, TriggerName, shown};
use jackfield_core::release::{Verify, Webhook};
use serde::Deserialize as _;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::verify::{Proof, is_id};

/// The `type` of a request that names none.
const TYPE: &str = "jackfield.webhook";
/// The longest attribute of a CloudEvent, in bytes.
const ATTRIBUTE_BYTES: usize = 1024;
/// Extension attributes of a CloudEvent.
const EXTENSIONS: usize = 64;

/// Headers that are never stored: credentials, signatures, and what concerns the connection alone.
const NOT_STORED: [&str; 21] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
    "webhook-signature",
    "svix-signature",
    "x-hub-signature",
    "x-hub-signature-256",
    "stripe-signature",
    "x-slack-signature",
    "x-shopify-hmac-sha256",
    "x-signature",
    "signature",
    "signature-input",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The request says it is a CloudEvent and is none. The text says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a CloudEvent: {0}")]
pub struct BadCloudEvent(String);

/// Makes the event, and says whether its id identifies it.
///
/// # Errors
///
/// [`BadCloudEvent`]
pub fn event(
    scope: &Scope,
    trigger: &TriggerName,
    webhook: &Webhook,
    proof: Proof,
    parts: &Parts,
    path: &str,
    body: Bytes,
) -> Result<(Event, bool), BadCloudEvent> {
    let content_type = text(&parts.headers, "content-type");
    let meta = meta(parts, path, &webhook.verify);
    let structured = content_type.as_deref().is_some_and(is_structured);
    let may_be_structured =
        matches!(webhook.verify, Verify::Token | Verify::StandardWebhooks { .. } | Verify::Hmac { .. });
    if structured && may_be_structured {
        let mut event = read_structured(&body)?;
        event.meta = meta;
        return Ok((event, true));
    }
    if matches!(webhook.verify, Verify::Token) && parts.headers.contains_key("ce-specversion") {
        let mut event = read_binary(&parts.headers)?;
        event.content_type = content_type;
        event.meta = meta;
        event.data = body;
        return Ok((event, true));
    }
    let (id, event_type) = match proof {
        Proof::Github(delivery) => (Some(delivery.id), format!("com.github.{}", delivery.event)),
        Proof::Known(id) => (Some(id), TYPE.to_owned()),
        Proof::Token => (named(webhook, parts), TYPE.to_owned()),
        Proof::Signed(digest) => (named(webhook, parts).or(digest), TYPE.to_owned()),
    };
    let dedupe = id.is_some();
    let event = Event {
        id: id.unwrap_or_else(|| Uuid::now_v7().to_string()),
        source: format!("/hooks/{}/{trigger}", scope.integration),
        event_type,
        subject: None,
        time: None,
        content_type,
        schema: None,
        extensions: Vec::new(),
        meta,
        data: body,
    };
    Ok((event, dedupe))
}

/// The id in the header that the trigger names.
fn named(webhook: &Webhook, parts: &Parts) -> Option<String> {
    let named = webhook.id_header.as_deref().and_then(|name| text(&parts.headers, name));
    named.filter(|id| is_id(id))
}

/// Method, path below the hook and query, then the headers in lower case.
fn meta(parts: &Parts, path: &str, verify: &Verify) -> Attributes {
    let signature = match verify {
        Verify::Hmac { layout, .. } => layout.header.as_str(),
        _ => "",
    };
    let mut meta: Attributes = vec![("method".into(), parts.method.as_str().into()), ("path".into(), path.into())];
    if let Some(query) = parts.uri.query() {
        meta.push(("query".into(), query.into()));
    }
    for (name, value) in &parts.headers {
        let name = name.as_str();
        // A header cannot pass for one of the three above.
        if !NOT_STORED.contains(&name) && name != signature && !["method", "path", "query"].contains(&name) {
            meta.push((name.into(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        }
    }
    meta
}

/// A header's text; none if it is absent, there twice, or not text.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().map(str::to_owned),
        _ => None,
    }
}

fn is_structured(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or("").trim();
    essence.eq_ignore_ascii_case("application/cloudevents+json")
}

/// Reads `ce-*` headers (HTTP binding, binary mode); values are percent-encoded.
fn read_binary(headers: &HeaderMap) -> Result<Event, BadCloudEvent> {
    let mut draft = Draft::default();
    for name in headers.keys() {
        let Some(attribute) = name.as_str().strip_prefix("ce-") else { continue };
        let value = text(headers, name.as_str())
            .and_then(|value| percent_decoded(&value))
            .ok_or_else(|| bad(format!("the header ce-{attribute} is repeated or not text")))?;
        draft.set(attribute, value)?;
    }
    draft.event(Bytes::new())
}

/// Reads a JSON envelope (JSON format, structured mode). The data is cut out as it is written.
fn read_structured(body: &[u8]) -> Result<Event, BadCloudEvent> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let members = Members::deserialize(&mut json).and_then(|members| json.end().map(|()| members));
    let members = members.map_err(|e| bad(format!("the envelope does not read: {e}")))?;
    let mut draft = Draft::default();
    let (mut data, mut base64) = (None, None);
    for (name, raw) in &members.0 {
        match name.as_str() {
            "data" => data = Some(raw.get()),
            "data_base64" => base64 = Some(raw.get()),
            _ => match serde_json::from_str(raw.get()) {
                Ok(serde_json::Value::Null) => {}
                Ok(serde_json::Value::String(value)) => draft.set(name, value)?,
                Ok(serde_json::Value::Bool(value)) => draft.set(name, value.to_string())?,
                Ok(serde_json::Value::Number(value)) if value.is_i64() => draft.set(name, value.to_string())?,
                _ => return Err(bad(format!("`{}` is no attribute value", shown(name)))),
            },
        }
    }
    let is_json = draft.content_type.as_deref().is_none_or(is_json);
    let data = match (data.filter(|data| *data != "null"), base64) {
        (Some(_), Some(_)) => return Err(bad("it has both data and data_base64".into())),
        (None, None) => Bytes::new(),
        (None, Some(raw)) => {
            let text: String = serde_json::from_str(raw).map_err(|_| bad("data_base64 is not text".into()))?;
            BASE64_STANDARD.decode(text).map_err(|_| bad("data_base64 is not base64".into()))?.into()
        }
        (Some(raw), None) => match serde_json::from_str::<String>(raw) {
            // Text of another media type is written as a JSON string.
            Ok(text) if !is_json => text.into(),
            _ => Bytes::copy_from_slice(raw.as_bytes()),
        },
    };
    if !data.is_empty() && draft.content_type.is_none() {
        draft.content_type = Some("application/json".into());
    }
    draft.event(data)
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

/// The members of an object, each as it is written. One that is there twice would be read by somebody
/// else as the other, so it is refused.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members: Vec<(String, Box<RawValue>)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    if members.len() > EXTENSIONS + 16 || members.iter().any(|(known, _)| *known == name) {
                        return Err(serde::de::Error::custom("too many members, or one of them twice"));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[derive(Default)]
struct Draft {
    specversion: Option<String>,
    id: Option<String>,
    source: Option<String>,
    event_type: Option<String>,
    subject: Option<String>,
    time: Option<String>,
    content_type: Option<String>,
    schema: Option<String>,
    extensions: Attributes,
}

impl Draft {
    fn set(&mut self, name: &str, value: String) -> Result<(), BadCloudEvent> {
        let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !plain || name.len() > 64 {
            return Err(bad(format!("`{}` is no attribute name: lowercase letters and digits", shown(name))));
        }
        if value.is_empty() || value.len() > ATTRIBUTE_BYTES || value.chars().any(char::is_control) {
            return Err(bad(format!(
                "`{name}` is empty, longer than {ATTRIBUTE_BYTES} bytes or has control characters"
            )));
        }
        let place = match name {
            "specversion" => &mut self.specversion,
            "id" => &mut self.id,
            "source" => &mut self.source,
            "type" => &mut self.event_type,
            "subject" => &mut self.subject,
            "time" => &mut self.time,
            "datacontenttype" => &mut self.content_type,
            "dataschema" => &mut self.schema,
            _ if self.extensions.len() >= EXTENSIONS => return Err(bad("it has too many extensions".into())),
            _ => {
                self.extensions.push((name.to_owned(), value));
                return Ok(());
            }
        };
        *place = Some(value);
        Ok(())
    }

    fn event(self, data: Bytes) -> Result<Event, BadCloudEvent> {
        if self.specversion.as_deref() != Some("1.0") {
            return Err(bad("`specversion` must be 1.0".into()));
        }
        let needed = |value: Option<String>, name: &str| value.ok_or_else(|| bad(format!("`{name}` is missing")));
        Ok(Event {
            id: needed(self.id, "id")?,
            source: needed(self.source, "source")?,
            event_type: needed(self.event_type, "type")?,
            subject: self.subject,
            time: self.time,
            content_type: self.content_type,
            schema: self.schema,
            extensions: self.extensions,
            meta: Vec::new(),
            data,
        })
    }
}

fn bad(text: String) -> BadCloudEvent {
    BadCloudEvent(text)
}

fn percent_decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let hex = text.get(at + 1..at + 3)?;
            if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                return None;
            }
            out.push(u8::from_str_radix(hex, 16).ok()?);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::super::verify::Delivery;
    use super::*;
    use http::Request;

    fn webhook(verify: Verify, id_header: Option<&str>) -> Webhook {
        let id_header = id_header.map(str::to_owned);
        Webhook { verify, id_header, respond: false, rate_per_second: 10, burst: 10 }
    }

    fn made(
        webhook: &Webhook,
        proof: Proof,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<(Event, bool), BadCloudEvent> {
        let mut request = Request::post("/hooks/secret-token/rest?a=1&b=2");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let scope = Scope { environment: "dev".parse().unwrap(), integration: "crm".parse().unwrap() };
        event(&scope, &"announced".parse().unwrap(), webhook, proof, &parts, "/rest", Bytes::from(body.to_owned()))
    }

    fn by_token(headers: &[(&str, &str)], body: &str) -> Result<(Event, bool), BadCloudEvent> {
        made(&webhook(Verify::Token, None), Proof::Token, headers, body)
    }

    #[test]
    fn a_plain_request() {
        let (event, dedupe) = by_token(&[("content-type", "application/json")], "{}").unwrap();
        assert!(!dedupe);
        assert_eq!(event.source, "/hooks/crm/announced");
        assert_eq!(event.event_type, "jackfield.webhook");
        assert_eq!(event.content_type.as_deref(), Some("application/json"));
        assert_eq!(event.data, "{}");
        assert_ne!(event.id, by_token(&[], "{}").unwrap().0.id);
        let meta = |name: &str| event.meta.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        assert_eq!([meta("method"), meta("path"), meta("query")], [Some("POST"), Some("/rest"), Some("a=1&b=2")]);
    }

    #[test]
    fn credentials_and_signatures_are_not_stored() {
        let secret = [
            ("authorization", "Bearer s3cret"),
            ("cookie", "s3cret"),
            ("proxy-authorization", "s3cret"),
            ("webhook-signature", "v1,s3cret"),
            ("x-hub-signature-256", "sha256=s3cret"),
            ("x-hub-signature", "sha1=s3cret"),
        ];
        let (event, _) = by_token(&[&secret[..], &[("X-Kept", "yes"), ("method", "spoof")]].concat(), "").unwrap();
        assert!(!format!("{event:?}").contains("s3cret"), "{event:?}");
        assert!(!format!("{event:?}").contains("secret-token"), "the hook's token is a credential too");
        assert!(event.meta.contains(&("x-kept".into(), "yes".into())));
        assert_eq!(event.meta.iter().filter(|(name, _)| name == "method").count(), 1);
    }

    #[test]
    fn a_header_can_name_the_event() {
        let hook = webhook(Verify::Token, Some("x-request-id"));
        let (event, dedupe) = made(&hook, Proof::Token, &[("x-request-id", "r-1")], "").unwrap();
        assert_eq!((event.id.as_str(), dedupe), ("r-1", true));
        for none in [&[][..], &[("x-request-id", "")], &[("x-request-id", "a"), ("x-request-id", "b")]] {
            assert!(!made(&hook, Proof::Token, none, "").unwrap().1, "{none:?}");
        }
    }

    #[test]
    fn signed_requests_are_known_by_their_own_id() {
        let secret = || "s".parse().unwrap();
        let proof = Proof::Known("msg_1".into());
        let (event, dedupe) =
            made(&webhook(Verify::StandardWebhooks { secret: secret() }, None), proof, &[], "x").unwrap();
        assert_eq!((event.id.as_str(), event.event_type.as_str(), dedupe), ("msg_1", "jackfield.webhook", true));

        let proof = Proof::Github(Delivery { id: "d-1".into(), event: "issues".into() });
        let (event, dedupe) = made(&webhook(Verify::Github { secret: secret() }, None), proof, &[], "x").unwrap();
        assert_eq!((event.id.as_str(), event.event_type.as_str(), dedupe), ("d-1", "com.github.issues", true));
    }

    const BINARY: [(&str, &str); 6] = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/crm"),
        ("ce-type", "order.made"),
        ("ce-subject", "%F0%9F%90%A6 1"),
        ("ce-traceid", "t"),
    ];

    #[test]
    fn a_cloud_event_in_binary_mode() {
        let (event, dedupe) = by_token(&BINARY, "\u{1}").unwrap();
        assert!(dedupe);
        assert_eq!([&*event.id, &*event.source, &*event.event_type], ["1", "/crm", "order.made"]);
        assert_eq!(event.subject.as_deref(), Some("🐦 1"));
        assert_eq!(event.extensions, [("traceid".to_owned(), "t".to_owned())]);
        assert_eq!(event.data, "\u{1}");
        for broken in [
            &BINARY[..3],
            &[("ce-specversion", "0.3"), BINARY[1], BINARY[2], BINARY[3]],
            &[BINARY[0], BINARY[1], BINARY[1], BINARY[2], BINARY[3]],
            &[BINARY[0], ("ce-id", "%zz"), BINARY[2], BINARY[3]],
            &[BINARY[0], ("ce-id", "%00"), BINARY[2], BINARY[3]],
            &[BINARY[0], ("ce-id", ""), BINARY[2], BINARY[3]],
        ] {
            assert!(by_token(broken, "").is_err(), "{broken:?}");
        }
    }

    #[test]
    fn threat_041_an_unsigned_header_gives_a_signed_request_no_other_id() {
        let hook = webhook(Verify::StandardWebhooks { secret: "s".parse().unwrap() }, None);
        let (event, _) = made(&hook, Proof::Known("msg_1".into()), &BINARY, "x").unwrap();
        assert_eq!([&*event.id, &*event.source], ["msg_1", "/hooks/crm/announced"]);
    }

    fn structured(body: &str) -> Result<Event, BadCloudEvent> {
        by_token(&[("content-type", "application/cloudevents+json; charset=utf-8")], body).map(|(event, _)| event)
    }

    #[test]
    fn a_cloud_event_in_structured_mode_keeps_its_data_byte_for_byte() {
        let event = structured(
            r#"{"specversion":"1.0","id":"1","source":"/crm","type":"t","n":7,"on":true,"none":null,
                "data": {"b" : 1.50, "a": "\u00e9"} }"#,
        )
        .unwrap();
        assert_eq!(event.data, r#"{"b" : 1.50, "a": "\u00e9"}"#);
        assert_eq!(event.content_type.as_deref(), Some("application/json"));
        assert_eq!(event.extensions, [("n".into(), "7".into()), ("on".into(), "true".to_owned())]);

        let head = r#""specversion":"1.0","id":"1","source":"/crm","type":"t""#;
        let text = structured(&format!(r#"{{{head},"datacontenttype":"text/plain","data":"é\n"}}"#)).unwrap();
        assert_eq!(text.data, "é\n");
        let bytes = structured(&format!(r#"{{{head},"datacontenttype":"a/b","data_base64":"AAEC"}}"#)).unwrap();
        assert_eq!(&bytes.data[..], [0, 1, 2]);
        assert!(structured(&format!("{{{head}}}")).unwrap().data.is_empty());
    }

    #[test]
    fn a_broken_envelope_is_refused() {
        let head = r#""specversion":"1.0","id":"1","source":"/crm","type":"t""#;
        for body in [
            String::new(),
            "[]".into(),
            "{}".into(),
            format!("{{{head}}} x"),
            format!("{{{head},\"id\":\"2\"}}"),
            format!("{{{head},\"data\":1,\"data_base64\":\"\"}}"),
            format!("{{{head},\"data_base64\":\"!\"}}"),
            format!("{{{head},\"Upper\":\"x\"}}"),
            format!("{{{head},\"list\":[1]}}"),
            format!("{{{head},\"subject\":\"a\\nb\"}}"),
            format!("{{{head},\"data\":{}}}", "[".repeat(10_000)),
            format!("{{\"specversion\":\"1.0\",\"id\":\"{}\",\"source\":\"/\",\"type\":\"t\"}}", "x".repeat(2_000)),
        ] {
            assert!(structured(&body).is_err(), "{}", &body[..body.len().min(200)]);
        }
    }

    /// A body that looks like an upload, parsed or not, stays bytes: no path, no file, no field is read from it.
    #[test]
    fn threat_042_bodies_are_opaque() {
        let disguised = r#"{"files":{"file":{"filepath":"/etc/passwd","originalFilename":"x"}},"data":{"a":1}}"#;
        for content_type in [
            "multipart/form-data; boundary=x",
            "application/json",
            "application/x-www-form-urlencoded",
            "application/cloudevents-batch+json",
            "APPLICATION/JSON; charset=utf-7",
            "text/html",
            "",
        ] {
            let (event, _) = by_token(&[("content-type", content_type)], disguised).unwrap();
            assert_eq!(event.data, disguised, "{content_type}");
            assert_eq!(event.content_type.as_deref(), Some(content_type));
            assert!(event.extensions.is_empty());
        }
    }
}
