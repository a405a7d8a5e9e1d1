//! A client of the admin API.

use reqwest::{Method, RequestBuilder, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use super::Common;
use super::credentials;
use super::error::CliError;

/// The host that is asked if nothing says another.
pub(super) const DEFAULT_HOST: &str = "http://127.0.0.1:8081";

/// What stands for the host of `jackfield dev` in the project here.
const DEV: &str = "dev";

/// See the module.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<SecretString>,
}

impl Client {
    /// For the host and the token of `common`, else those that `login` kept.
    pub(super) fn new(common: &Common) -> Result<Self, CliError> {
        let kept = credentials::load();
        let here = || super::dev::host::known(std::path::Path::new("."));
        match common.host.as_deref() {
            Some(DEV) => {
                let (base, token) = here().ok_or_else(|| {
                    CliError::input("--host dev: no `jackfield dev` runs for the project in this folder")
                })?;
                return Self::with(&base, Some(token));
            }
            // Without a login there is no other host that could be meant.
            None if kept.is_none() && common.token.is_none() => {
                if let Some((base, token)) = here() {
                    return Self::with(&base, Some(token));
                }
            }
            _ => {}
        }
        let base = common.host.clone().or_else(|| kept.as_ref().map(|kept| kept.host.clone()));
        let token = match &common.token {
            Some(token) => Some(token.clone().into()),
            // A token goes to the host that gave it, and to no other.
            None => kept.filter(|kept| base.as_ref() == Some(&kept.host)).map(|kept| kept.token),
        };
        Self::with(base.as_deref().unwrap_or(DEFAULT_HOST), token)
    }

    /// For a host and a token.
    pub(super) fn with(base: &str, token: Option<SecretString>) -> Result<Self, CliError> {
        let base: Url = base.parse().map_err(|e| CliError::input(format!("--host {base}: {e}")))?;
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err(CliError::input(format!("--host {base}: write http://… or https://…")));
        }
        let http = reqwest::Client::builder()
            .user_agent(concat!("jackfield/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| CliError::host(e.to_string()))?;
        Ok(Self { http, base, token })
    }

    /// The host, as given.
    pub(super) fn host(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    /// A request below `/v1`, each part of the path encoded.
    pub(super) fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        }
    }

    /// Sends it; an answer of 400 or above is an error.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, CliError> {
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = response.status().as_u16();
        if status < 400 {
            return Ok(response);
        }
        Err(CliError::api(status, response.json().await.unwrap_or(Value::Null)))
    }

    /// Sends it and reads the answer.
    pub(super) async fn json(&self, request: RequestBuilder) -> Result<Value, CliError> {
        let response = self.send(request).await?;
        response.json().await.map_err(|e| CliError::host(format!("the host's answer does not read: {e}")))
    }

    /// Asks for a resource.
    pub(super) async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value, CliError> {
        self.json(self.request(Method::GET, path).query(query)).await
    }

    /// Sends a body.
    pub(super) async fn post(&self, path: &[&str], body: &Value) -> Result<Value, CliError> {
        self.json(self.request(Method::POST, path).json(body)).await
    }

    /// Sets a resource.
    pub(super) async fn put(&self, path: &[&str], body: &Value) -> Result<Value, CliError> {
        self.json(self.request(Method::PUT, path).json(body)).await
    }

    /// Removes a resource.
    pub(super) async fn delete(&self, path: &[&str]) -> Result<(), CliError> {
        self.send(self.request(Method::DELETE, path)).await.map(drop)
    }

    fn unreachable(&self, error: &reqwest::Error) -> CliError {
        let host = self.host();
        if error.is_connect() {
            return CliError::host(format!(
                "no host answers at {host}\n  jackfield serve                   starts one\n  \
                 --host URL or JACKFIELD_HOST      names another"
            ));
        }
        CliError::host(format!("{host} did not answer: {error}"))
    }
}
