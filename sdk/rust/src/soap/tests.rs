use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Case {
    name: String,
    status: u16,
    body: String,
    answer: Option<Expected>,
    fault: Option<ExpectedFault>,
    error: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct Expected {
    body: String,
    header: String,
    texts: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct ExpectedFault {
    code: String,
    reason: String,
    detail: String,
    retryable: bool,
    message: String,
}

fn cases() -> Vec<Case> {
    #[derive(Deserialize)]
    struct All {
        answers: Vec<Case>,
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/soap/answers.json");
    let all: All = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    all.answers
}

fn response(status: u16, body: &str) -> Response {
    Response::made(status, body, "POST crm /ws")
}

#[test]
fn every_answer_is_what_it_is_in_every_language() {
    let all = cases();
    assert!(all.len() > 10);
    for Case { name, status, body, answer: expected, fault, error, message } in all {
        let got = answer(response(status, &body), "POST crm /ws");
        if let Some(expected) = expected {
            let got = got.unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert_eq!((got.body.as_str(), got.header.as_str()), (&*expected.body, &*expected.header), "{name}");
            for (element, texts) in expected.texts {
                assert_eq!(got.texts(&element), texts, "{name}: {element}");
                assert_eq!(got.text(&element), texts.first().cloned(), "{name}: {element}");
            }
            continue;
        }
        let raised = got.unwrap_err();
        if let Some(ExpectedFault { code, reason, detail, retryable, message }) = fault {
            assert_eq!((raised.kind(), raised.name()), (ErrorKind::SoapFault, "soap-fault"), "{name}");
            assert_eq!(raised.fault(), Some(&Fault { code, reason, detail }), "{name}");
            assert_eq!((raised.message(), raised.is_retryable()), (&*message, retryable), "{name}");
        } else {
            assert_eq!(Some(raised.name()), error.as_deref(), "{name}");
            assert!(raised.message().starts_with(&message.unwrap_or_default()), "{name}: {raised}");
        }
    }
}

#[test]
fn an_envelope_is_sent_with_the_headers_of_its_version() {
    let order = Element::new("GetOrder").namespace("urn:orders").field("id", 7).field("name", "a<b>&\"c\"\r\0");
    let call = Http::default().soap("crm", "/ws").action("urn:\"get\"").header("<h/>").body(order);
    assert_eq!(
        call.envelope(),
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\">\
         <soap:Header><h/></soap:Header><soap:Body><GetOrder xmlns=\"urn:orders\"><id>7</id>\
         <name>a&lt;b&gt;&amp;&quot;c&quot;&#13;\u{fffd}</name></GetOrder></soap:Body></soap:Envelope>"
    );
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let plain = pair("content-type", "text/xml; charset=utf-8");
    assert_eq!(call.own_headers(), [plain.clone(), pair("soapaction", "\"urn:\\\"get\\\"\"")]);
    let later = Http::default().soap("crm", "/ws").version_12();
    assert_eq!(later.own_headers(), [pair("content-type", "application/soap+xml; charset=utf-8")]);
    let named = later.action("urn:get");
    let content_type = "application/soap+xml; charset=utf-8; action=\"urn:get\"";
    assert_eq!(named.own_headers(), [pair("content-type", content_type)]);
    assert!(named.envelope().contains("xmlns:soap=\"http://www.w3.org/2003/05/soap-envelope\""));
    assert_eq!(Http::default().soap("crm", "/ws").own_headers(), [plain, pair("soapaction", "\"\"")]);
}

#[test]
fn what_is_nested_too_deep_or_was_made_to_take_long_is_told_at_once() {
    for body in ["<a>".repeat(100_000), format!("<a {}", " ".repeat(100_000)), format!("<a {}", "b='' ".repeat(50_000))]
    {
        let error = answer(response(200, &body), "POST crm /ws").unwrap_err();
        assert_eq!(error.name(), "answer");
    }
}
