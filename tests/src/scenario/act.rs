//! What happens in a step: somebody outside does something. What follows is looked at elsewhere.

use serde_json::{Value, json};

use super::file::{Action, Announcement, Put, Request, Scenario, Send};
use super::play::Play;
use crate::host::post_hook;
use crate::{env, signing};

impl Scenario {
    /// The headers that the sender of a webhook signs it with.
    ///
    /// # Panics
    ///
    /// The scenario has no secret whose name ends in `-signing`.
    #[must_use]
    pub fn signed(&self, announced: &Announcement) -> Vec<(String, String)> {
        let secret = self.secrets.iter().find(|(name, _)| name.ends_with("-signing"));
        let (_, secret) = secret.expect("a scenario with a webhook has a secret that it is signed with");
        let Announcement { id, data, .. } = announced;
        let mut headers = signing::standard_webhooks(secret, id, env::unix_seconds(), data.as_bytes());
        headers.push(("content-type".into(), "application/json".into()));
        headers
    }
}

impl Play<'_> {
    /// Does it; gives what the host answered, if it was the host that was asked, and so started a run.
    pub(super) async fn act(&mut self, action: &Action) -> Option<Value> {
        match action {
            Action::Announce(announced) => Some(self.announce(announced).await),
            Action::Fire(trigger) => Some(self.ask(&format!("triggers/{trigger}/fire"), &json!({})).await),
            Action::Start(data) => Some(self.ask("runs", &json!({ "data": data })).await),
            Action::Put(put) => {
                self.put(put).await;
                None
            }
            Action::Send(send) => {
                self.send(send).await;
                None
            }
            Action::Sql(sql) => {
                self.outside.server(&sql.to).sql(&self.scenario.text(&sql.file)).await;
                None
            }
            Action::Request(request) => {
                self.request(request).await;
                None
            }
        }
    }

    async fn announce(&self, announced: &Announcement) -> Value {
        let Scenario { environment, integration, .. } = self.scenario;
        let url = self.host.hook(environment, integration, &announced.trigger).await;
        let answered = post_hook(&url, &self.scenario.signed(announced), announced.data.clone()).await;
        let (status, _, body) = answered.unwrap_or_else(|e| panic!("{}: the hook did not answer: {e:?}", announced.id));
        assert_eq!(status, 202, "{}: {body:#}", announced.id);
        body
    }

    /// What the API answers to somebody who starts a run by hand.
    async fn ask(&self, what: &str, body: &Value) -> Value {
        let Scenario { environment, integration, .. } = self.scenario;
        let path = format!("/v1/environments/{environment}/integrations/{integration}/{what}");
        let answered = self.host.api().post(&path, body).await;
        assert!(matches!(answered.status, 200..300), "{what}: {} {:#}", answered.status, answered.body);
        answered.body
    }

    async fn put(&self, put: &Put) {
        let server = self.outside.server(&put.to);
        if let Some(file) = &put.file {
            let name = put.name.as_deref().unwrap_or_else(|| last(file));
            server.put(name, &self.scenario.bytes(file)).await;
        }
        let folder = put.name.as_deref().filter(|_| put.file.is_none()).unwrap_or_default();
        for file in put.files.iter().flat_map(|pattern| self.scenario.matching(pattern)) {
            server.put(&format!("{folder}{}", last(&file)), &self.scenario.bytes(&file)).await;
        }
    }

    async fn send(&mut self, send: &Send) {
        let mut bodies: Vec<Vec<u8>> = Vec::new();
        if let Some(file) = &send.file {
            bodies.extend(self.scenario.text(file).lines().map(|line| line.as_bytes().to_vec()));
        }
        let files = send.files.iter().flat_map(|pattern| self.scenario.matching(pattern));
        bodies.extend(files.map(|file| self.scenario.bytes(&file)));
        let key = |body: &[u8]| {
            let value: Value = serde_json::from_slice(body).ok()?;
            value.pointer(send.key.as_deref()?)?.as_str().map(str::to_owned)
        };
        let messages: Vec<_> = bodies.iter().map(|body| (key(body), body.clone())).collect();
        self.outside.server(&send.to).send(&send.topic, &messages).await;
        self.sent.extend(bodies);
    }

    async fn request(&self, request: &Request) {
        let Request { to, method, path, file, content_type } = request;
        let url = format!("{}{path}", self.outside.url(to));
        let method = method.parse().unwrap_or_else(|e| panic!("`{method}` is no method: {e}"));
        let body = file.as_deref().map(|file| self.scenario.bytes(file)).unwrap_or_default();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client can be made");
        let sent = client.request(method, &url).header("content-type", content_type).body(body).send().await;
        let answer = sent.unwrap_or_else(|e| panic!("{url}: {e:?}"));
        let status = answer.status();
        let said = answer.text().await.unwrap_or_default();
        assert!(status.is_success(), "{url}: {status}: {said}");
    }
}

/// The last name of a path.
fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
