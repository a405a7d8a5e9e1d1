//! The fixture guest `probe`, deployed: it does what its event says.

use serde_json::{Value, json};

use crate::api::ENVIRONMENT;
use crate::env;
use crate::host::Host;
use crate::manifest::Manifest;
use crate::stubs::Stub;

/// The built component.
#[must_use]
pub fn wasm() -> Vec<u8> {
    env::guest("tests/guests/probe/dist/probe.wasm")
}

/// Deploys it with `manifest`, which may have changed anything but the component's name.
pub async fn deploy(host: &Host, manifest: &Manifest) -> Value {
    host.api().deploy(ENVIRONMENT, &manifest.text(), &[("probe", &wasm())]).await
}

/// Leads its connection `target` to a stub server, without a credential.
pub async fn connect(host: &Host, target: &Stub) {
    connect_with(host, json!({ "base_url": target.base() })).await;
}

/// Leads its connection `target` elsewhere.
pub async fn connect_with(host: &Host, settings: Value) {
    host.api().set_connection(ENVIRONMENT, "target", "http", settings).await;
}

/// Starts a run of it and waits for its end.
pub async fn run(host: &Host, steps: Value) -> Value {
    host.api().run_to_end(ENVIRONMENT, "probe", &steps).await
}

/// What each step answered, of a run that succeeded.
///
/// # Panics
///
/// It did not succeed.
#[must_use]
pub fn answers(run: &Value) -> &Vec<Value> {
    assert_eq!(run["state"], "succeeded", "{}", crate::api::Api::brief(run));
    run["output"]["data"].as_array().unwrap_or_else(|| panic!("no answers in {:#}", run["output"]))
}

/// A call of its connection, for a step.
#[must_use]
pub fn call(method: &str, url: &str) -> Value {
    json!({ "do": "call", "connection": "target", "method": method, "url": url })
}

/// The same, that fails the attempt unless it is answered with success.
#[must_use]
pub fn checked_call(method: &str, url: &str) -> Value {
    json!({ "do": "call", "connection": "target", "method": method, "url": url, "check": true })
}

/// A needle for the step `canary`: masked, so that the event itself does not hold it.
#[must_use]
pub fn needle(name: &str, text: &str) -> Value {
    const MASK: u8 = 0x5a;
    let masked: String = text.bytes().map(|byte| format!("{:02x}", byte ^ MASK)).collect();
    json!({ "name": name, "masked": masked, "mask": MASK })
}
