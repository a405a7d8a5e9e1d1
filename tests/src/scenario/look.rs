//! What the real servers hold after a step, against what is expected.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::expect::{
    ExpectedAttachment, ExpectedMail, ExpectedObjects, ExpectedRecords, ExpectedResource, ExpectedRows, Listed,
};
use super::file::Step;
use super::play::Play;
use super::server::Server;
use crate::servers::Smtp;
use crate::servers::kafka::Record;

impl Play<'_> {
    /// Looks at all that a step says of them.
    pub(super) async fn look(&mut self, step: &Step) {
        let expect = &step.expect;
        for rows in &expect.sql {
            self.look_at_rows(step, rows).await;
        }
        for records in &expect.topic {
            self.look_at_records(step, records).await;
        }
        for resource in &expect.fhir {
            self.look_at_resource(step, resource).await;
        }
        for objects in &expect.objects {
            self.look_at_objects(step, objects).await;
        }
        if let Some(mails) = &expect.mail {
            let new = self.listed(mails);
            self.mails.extend(new);
            self.look_at_mails(step).await;
        }
    }

    async fn look_at_rows(&self, step: &Step, rows: &ExpectedRows) {
        let file = |text: &str, ending| if text.ends_with(ending) { self.scenario.text(text) } else { text.to_owned() };
        let found = self.outside.server(&rows.of).sql(&file(&rows.query, ".sql")).await;
        let expected = file(&rows.equals, ".csv");
        let at = self.of(step, &format!("expect.sql: {}", rows.query));
        let (found, expected): (Vec<_>, Vec<_>) = (found.lines().collect(), expected.lines().collect());
        for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found, expected, "{at}: line {}", number + 1);
        }
        assert_eq!(found.len(), expected.len(), "{at}: so many lines");
    }

    async fn look_at_records(&self, step: &Step, records: &ExpectedRecords) {
        let at = self.of(step, &format!("expect.topic: {}", records.topic));
        let mut found = self.outside.server(&records.of).records(&records.topic).await;
        // A call in which the host was killed is made again: what it published may be there twice, and its key says so.
        let mut keys = BTreeSet::new();
        found.retain(|record| header(record, "jackfield-key").is_none_or(|key| keys.insert(key.to_owned())));
        for record in &found {
            let value: Value =
                record.value.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            let there = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
            if let Some(pointer) = &records.key {
                assert_eq!(record.key.as_deref(), there(pointer), "{at}: the key of {value}");
            }
            for (name, pointer) in &records.headers {
                assert_eq!(header(record, name), there(pointer), "{at}: the header `{name}` of {value}");
            }
        }
        let mut found: Vec<_> = found.into_iter().map(|record| plain(&record.value.unwrap_or_default())).collect();
        let mut expected: Vec<_> = self.scenario.text(&records.equals).lines().map(plain).collect();
        if !records.ordered {
            found.sort();
            expected.sort();
        }
        same(&at, &found, &expected);
    }

    async fn look_at_resource(&self, step: &Step, resource: &ExpectedResource) {
        let with_url = |(_, server): &(&str, &Server)| matches!(server, Server::Web);
        let only = || self.outside.servers().find(with_url).map(|(name, _)| name.to_owned());
        let name = resource.of.clone().or_else(only).expect("a scenario with `expect.fhir` has such a server");
        let path = self.outside.text(&resource.path, "expect.fhir.path");
        let at = self.of(step, &format!("expect.fhir: {path}"));
        let found = asked(&format!("{}/{path}", self.outside.url(&name)), &at).await;
        if let Some(json) = &resource.json {
            let expected = self.outside.fill(json, &at);
            assert!(has(&found, &expected), "{at}: {expected:#}\nis not in {found:#}");
        }
        if let Some(count) = resource.count {
            let entries = found["entry"].as_array().map_or(0, Vec::len) as u64;
            assert_eq!(found["total"].as_u64().unwrap_or(entries), count, "{at}: {found:#}");
        }
        if let Some(file) = &resource.equals {
            let mut resources = Vec::new();
            let mut page = Some(found);
            while let Some(found) = page {
                let entries = found["entry"].as_array().into_iter().flatten();
                resources.extend(entries.map(|entry| entry["resource"].clone()));
                let mut links = found["link"].as_array().into_iter().flatten();
                let next = links.find(|link| link["relation"] == "next").and_then(|link| link["url"].as_str());
                page = match next {
                    Some(url) => Some(asked(url, &at).await),
                    None => None,
                };
            }
            self.same_resources(&at, file, resources);
        }
    }

    /// Of each line of a file there is one resource that has it as a part, and there are no others.
    fn same_resources(&self, at: &str, file: &str, mut resources: Vec<Value>) {
        for (number, line) in self.scenario.text(file).lines().enumerate() {
            let at = format!("{at}: line {} of {file}", number + 1);
            let expected: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{at}: {e}"));
            let place = resources.iter().position(|found| has(found, &expected));
            resources.swap_remove(place.unwrap_or_else(|| panic!("{at}: {line}\nis not in {resources:#?}")));
        }
        assert!(resources.is_empty(), "{at}: there are more: {resources:#?}");
    }

    async fn look_at_objects(&self, step: &Step, objects: &ExpectedObjects) {
        let at = self.of(step, &format!("expect.objects: {}", objects.prefix));
        let mut found = self.outside.server(&objects.of).names().await;
        found.retain(|name| name.starts_with(&objects.prefix));
        let mut expected = self.listed(&objects.equals);
        expected.sort();
        same(&at, &found, &expected);
    }

    /// All mails that came so far are those that must have come.
    async fn look_at_mails(&self, step: &Step) {
        let at = self.of(step, "expect.mail");
        let smtp = self.smtp();
        let mut found = Vec::new();
        for mail in smtp.all().await {
            let addresses = ["To", "Cc", "Bcc"].into_iter().flat_map(|key| mail[key].as_array().into_iter().flatten());
            let to: Vec<_> = addresses.filter_map(|address| address["Address"].as_str()).collect();
            let subject = mail["Subject"].as_str().unwrap_or_default();
            found.push((to.join(", "), subject.to_owned(), mail["ID"].as_str().unwrap_or_default().to_owned()));
        }
        let wanted = |mail: &ExpectedMail| (self.outside.text(&mail.to, &at), self.outside.text(&mail.subject, &at));
        let heads = |list: Vec<(String, String)>| {
            let mut heads: Vec<_> = list.iter().map(|(to, subject)| format!("{to}: {subject}")).collect();
            heads.sort();
            heads
        };
        let came = found.iter().map(|(to, subject, _)| (to.clone(), subject.clone())).collect();
        same(&at, &heads(came), &heads(self.mails.iter().map(wanted).collect()));
        for mail in &self.mails {
            let (to, subject) = wanted(mail);
            let place = found.iter().position(|(its_to, its, _)| *its_to == to && *its == subject);
            let (.., id) = found.swap_remove(place.expect("each was found above"));
            self.look_at_mail(&format!("{at}: {subject}"), smtp, &id, mail).await;
        }
    }

    /// The mail server.
    pub(super) fn smtp(&self) -> &Smtp {
        let smtp = self.outside.servers().find_map(|(_, server)| match server {
            Server::Smtp(smtp) => Some(smtp.as_ref()),
            _ => None,
        });
        smtp.expect("a scenario with mails has a server of the kind `smtp`")
    }

    async fn look_at_mail(&self, at: &str, smtp: &Smtp, id: &str, expected: &ExpectedMail) {
        let mail = smtp.message(id).await;
        for (key, parts) in [("Text", &expected.text_contains), ("HTML", &expected.html_contains)] {
            let text = mail[key].as_str().unwrap_or_default().replace("\r\n", "\n");
            for part in parts.iter().map(|part| self.outside.text(part, at)) {
                assert!(text.contains(&part), "{at}: its {key} has no {part:?}:\n{text}");
            }
        }
        let Some(attachments) = &expected.attachments else { return };
        let files = ["Attachments", "Inline"].into_iter().flat_map(|key| mail[key].as_array().into_iter().flatten());
        let files: Vec<&Value> = files.collect();
        let mut names: Vec<_> = files.iter().map(|file| file["FileName"].as_str().unwrap_or_default()).collect();
        let mut wanted: Vec<_> = attachments.iter().map(|file| file.name.as_str()).collect();
        names.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(names, wanted, "{at}: its attachments");
        for ExpectedAttachment { name, equals, content_id } in attachments {
            let file = files.iter().find(|file| file["FileName"] == name.as_str()).expect("each was found above");
            if let Some(content_id) = content_id {
                assert_eq!(file["ContentID"], content_id.as_str(), "{at}: {name}");
            }
            if let Some(equals) = equals {
                let data = smtp.attachment(id, file["PartID"].as_str().unwrap_or_default()).await;
                assert!(data == self.scenario.bytes(equals), "{at}: {name} is not {equals}, but {} bytes", data.len());
            }
        }
    }

    /// A list, from its file if it is in one.
    fn listed<T: DeserializeOwned + Clone>(&self, list: &Listed<T>) -> Vec<T> {
        match list {
            Listed::These(list) => list.clone(),
            Listed::File(file) => serde_json::from_slice(&self.scenario.bytes(file))
                .unwrap_or_else(|e| panic!("{}: {e}", self.scenario.folder.join(file).display())),
        }
    }
}

/// A header of a record; its value has no comma.
fn header<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    record.headers.split(',').find_map(|header| header.strip_prefix(name)?.strip_prefix(':'))
}

/// What an address answers, as JSON.
async fn asked(url: &str, at: &str) -> Value {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client can be made");
    let text = client.get(url).send().await.unwrap_or_else(|e| panic!("{at}: {e:?}")).text().await.unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{at}: {text}"))
}

/// JSON so that equal values are equal text (RFC 8785); other text as it is.
fn plain(text: &str) -> String {
    let value: Option<Value> = serde_json::from_str(text).ok();
    value.and_then(|value| serde_json_canonicalizer::to_string(&value).ok()).unwrap_or_else(|| text.to_owned())
}

/// Compares two lists, and tells the first place in which they differ.
#[track_caller]
fn same(at: &str, found: &[String], expected: &[String]) {
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected, "{at}");
    }
    let more = if found.len() > expected.len() { &found[expected.len()..] } else { &expected[found.len()..] };
    assert_eq!(found.len(), expected.len(), "{at}: so many; beyond what is the same: {more:#?}");
}

/// Whether a value has another in it: the members of its objects, the elements of its lists in any order.
fn has(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            expected.iter().all(|(key, value)| found.get(key).is_some_and(|found| has(found, value)))
        }
        (Value::Array(found), Value::Array(expected)) => {
            expected.iter().all(|value| found.iter().any(|found| has(found, value)))
        }
        _ => found == expected,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_header_is_found_by_its_whole_name() {
        let headers = "docnum:42,content-type:application/json,jackfield-key:ABC-0".to_owned();
        let record = Record { partition: 0, offset: 0, timestamp_ms: 0, headers, key: None, value: None };
        assert_eq!(header(&record, "docnum"), Some("42"));
        assert_eq!(header(&record, "jackfield-key"), Some("ABC-0"));
        assert_eq!(header(&record, "doc"), None);
        assert_eq!(header(&record, "key"), None);
    }

    #[test]
    fn a_value_has_its_parts() {
        let found = json!({ "a": [1, { "b": 2, "c": 3 }], "d": "x" });
        for (expected, there) in [
            (json!({}), true),
            (json!({ "d": "x", "a": [{ "c": 3 }] }), true),
            (json!({ "a": [{ "b": 2 }, 1] }), true),
            (json!({ "a": [2] }), false),
            (json!({ "e": null }), false),
            (json!({ "d": "X" }), false),
        ] {
            assert_eq!(has(&found, &expected), there, "{expected}");
        }
    }
}
