//! S50 … S55: what was released where.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::super::StoreError;
use super::super::registry::{Activation, Binding, Connection};
use super::{Death, Harness, name, scope};
use crate::artifact::{Digest, Inspection};
use crate::clock::Clock as _;
use crate::release::{Component, Manifest, Trigger, TriggerKind, Verify, Version, Webhook};

pub(super) fn inspection(bytes: &[u8]) -> Inspection {
    Inspection {
        digest: Digest::of(bytes),
        size: bytes.len() as u64,
        needs: Vec::new(),
        imports: Vec::new(),
        exports: vec!["jackfield:plugin/handler@0.1.0".into()],
        unknown_imports: Vec::new(),
        handles_events: true,
        handles_requests: false,
        producers: vec!["Rust".into()],
    }
}

pub(super) fn version(integration: &str, description: &str, artifact: &[u8]) -> Version {
    let component = Component {
        source: "handler.wasm".into(),
        limits: Default::default(),
        retry: Default::default(),
        grants: Default::default(),
        build: None,
        durability: Default::default(),
    };
    let webhook = Webhook {
        verify: Verify::Github { secret: name("hook-secret") },
        id_header: None,
        respond: false,
        rate_per_second: 10,
        burst: 20,
    };
    let kind = TriggerKind::Webhook(webhook);
    let trigger = Trigger { name: name("announced"), component: name("handler"), kind, order: None };
    Version {
        number: 0,
        manifest: Manifest {
            name: name(integration),
            description: description.into(),
            connections: BTreeMap::from([(name("github"), "http".into())]),
            triggers: vec![trigger],
            components: BTreeMap::from([(name("handler"), component)]),
        },
        artifacts: BTreeMap::from([(name("handler"), Digest::of(artifact))]),
    }
}

pub(super) async fn add(h: &dyn Harness, version: &Version) -> Result<u32, StoreError> {
    h.store().add_version(version.clone(), h.clock().now()).await
}

/// S50
pub async fn s50_a_version_is_immutable(h: &mut dyn Harness) {
    let first = version("demo", "first", b"one");
    let missing = add(h, &first).await;
    assert!(matches!(missing, Err(StoreError::Missing(_))), "{missing:?}");
    for bytes in [&b"one"[..], b"two"] {
        h.store().add_artifact(inspection(bytes), h.clock().now()).await.expect("added");
    }
    assert_eq!(h.store().artifact(Digest::of(b"one")).await, Ok(Some(inspection(b"one"))));
    assert_eq!(h.store().artifact(Digest::of(b"three")).await, Ok(None));
    assert_eq!(add(h, &first).await, Ok(1));
    assert_eq!(add(h, &first).await, Ok(1), "the same makes no new one");
    let second = version("demo", "first", b"two");
    assert_eq!(add(h, &second).await, Ok(2), "another artifact does");
    assert_eq!(add(h, &version("demo", "changed", b"two")).await, Ok(3), "another manifest does");
    assert_eq!(add(h, &first).await, Ok(4), "only the newest is compared");
    h.owner_is_gone(Death::Unmarked).await;
    assert_eq!(h.store().version(&name("demo"), 1).await, Ok(Version { number: 1, ..first }));
    assert_eq!(h.store().version(&name("demo"), 2).await, Ok(Version { number: 2, ..second }));
    for (integration, number) in [("demo", 5), ("other", 1)] {
        let missing = h.store().version(&name(integration), number).await;
        assert!(matches!(missing, Err(StoreError::Missing(_))), "{missing:?}");
    }
}

/// S51
pub async fn s51_numbers_are_per_integration(h: &mut dyn Harness) {
    h.store().add_artifact(inspection(b"one"), h.clock().now()).await.expect("added");
    let numbers = [("a", 1), ("a", 2), ("b", 1), ("a", 3), ("b", 2)];
    for (place, (integration, expected)) in numbers.into_iter().enumerate() {
        let description = format!("version {place}");
        assert_eq!(add(h, &version(integration, &description, b"one")).await, Ok(expected));
    }
}

/// S52
pub async fn s52_a_release_is_atomic(h: &mut dyn Harness) {
    h.store().add_artifact(inspection(b"one"), h.clock().now()).await.expect("added");
    let release = |environment: &str, number, hooks| {
        h.store().release(name(environment), name("demo"), number, hooks, "tester".into(), h.clock().now())
    };
    assert!(matches!(release("dev", 1, vec![]).await, Err(StoreError::Missing(_))));
    add(h, &version("demo", "first", b"one")).await.expect("added");
    add(h, &version("demo", "second", b"one")).await.expect("added");
    assert!(matches!(release("nowhere", 1, vec![]).await, Err(StoreError::Missing(_))));
    // A token that another hook has: nothing of the release stays.
    release("prod", 1, vec![(name("announced"), "token-1".into())]).await.expect("released");
    let taken = release("dev", 2, vec![(name("announced"), "token-1".into())]).await;
    assert!(matches!(taken, Err(StoreError::Conflict(_))), "{taken:?}");
    let active = |releases: Vec<super::super::registry::Release>| -> Vec<_> {
        releases.into_iter().map(|r| (r.environment.to_string(), r.version.number)).collect()
    };
    assert_eq!(active(h.store().releases().await.expect("listed")), [("prod".to_owned(), 1)]);
    release("dev", 2, vec![]).await.expect("released");
    release("prod", 2, vec![]).await.expect("released");
    release("prod", 1, vec![]).await.expect("rolled back");
    let expected = [("dev".to_owned(), 2), ("prod".to_owned(), 1)];
    assert_eq!(active(h.store().releases().await.expect("listed")), expected);
}

/// S53
pub async fn s53_a_hook_keeps_its_token(h: &mut dyn Harness) {
    h.store().add_artifact(inspection(b"one"), h.clock().now()).await.expect("added");
    add(h, &version("demo", "first", b"one")).await.expect("added");
    add(h, &version("demo", "second", b"one")).await.expect("added");
    let steps = [("dev", 1, "a"), ("dev", 2, "b"), ("prod", 1, "c"), ("dev", 1, "d")];
    for (environment, number, token) in steps {
        let hooks = vec![(name("announced"), token.to_owned())];
        h.store()
            .release(name(environment), name("demo"), number, hooks, "tester".into(), h.clock().now())
            .await
            .expect("released");
    }
    let hooks = h.store().hooks().await.expect("listed");
    let hooks: Vec<_> = hooks.into_iter().map(|hook| (hook.scope, hook.trigger.to_string(), hook.token)).collect();
    let expected = [
        (scope("dev", "demo"), "announced".to_owned(), "a".to_owned()),
        (scope("prod", "demo"), "announced".to_owned(), "c".to_owned()),
    ];
    assert_eq!(hooks, expected);
}

/// S54
pub async fn s54_dev_and_prod_exist(h: &mut dyn Harness) {
    assert_eq!(h.store().environments().await, Ok(vec![name("dev"), name("prod")]));
}

/// S55
pub async fn s55_what_was_active_is_kept(h: &mut dyn Harness) {
    let integration = name("demo");
    assert_eq!(h.store().versions(&integration, 9).await, Ok(Vec::new()));
    assert_eq!(h.store().activations(&integration, 9).await, Ok(Vec::new()));
    h.store().add_artifact(inspection(b"one"), h.clock().now()).await.expect("added");
    let mut added = Vec::new();
    for description in ["first", "second", "third"] {
        h.clock().advance(Duration::from_secs(1));
        add(h, &version("demo", description, b"one")).await.expect("added");
        added.push(h.clock().now());
    }
    add(h, &version("other", "another", b"one")).await.expect("added");
    let kept = h.store().versions(&integration, 2).await.expect("listed");
    let kept: Vec<_> = kept.into_iter().map(|k| (k.version.number, k.version.manifest.description, k.added)).collect();
    assert_eq!(kept, [(3, "third".to_owned(), added[2]), (2, "second".to_owned(), added[1])]);

    let mut expected = Vec::new();
    let steps = [("dev", 1, true), ("dev", 2, true), ("dev", 2, false), ("prod", 1, true), ("dev", 1, true)];
    for (place, (environment, number, counts)) in steps.into_iter().enumerate() {
        h.clock().advance(Duration::from_secs(1));
        let (at, who) = (h.clock().now(), format!("person-{place}"));
        h.store()
            .release(name(environment), integration.clone(), number, vec![], who.clone(), at)
            .await
            .expect("released");
        if counts {
            expected.insert(0, Activation { environment: name(environment), number, at, who });
        }
    }
    h.owner_is_gone(Death::Unmarked).await;
    assert_eq!(h.store().activations(&integration, 9).await, Ok(expected.clone()));
    // The limit counts for each environment.
    let newest = vec![expected[0].clone(), expected[1].clone()];
    assert_eq!(h.store().activations(&integration, 1).await, Ok(newest));
    let since = |releases: Vec<super::super::registry::Release>, environment: &str| {
        releases.into_iter().find(|r| r.environment.as_str() == environment).map(|r| r.since)
    };
    assert_eq!(since(h.store().releases().await.expect("listed"), "dev"), Some(expected[0].at));
    assert_eq!(h.store().activations(&name("other"), 9).await, Ok(Vec::new()), "it was never active");
}

/// What has no number: things set are there, per environment, and can be removed.
pub async fn registry_keeps_connections_bindings_and_settings(h: &mut dyn Harness) {
    let store = h.store();
    let connection = |url: &str| Connection {
        name: name("github"),
        kind: "http".into(),
        settings: json!({"base_url": url}).as_object().cloned().unwrap_or_default(),
        integrations: vec![name("demo")],
        set: h.clock().now(),
    };
    store.set_connection(name("dev"), connection("https://old.example")).await.expect("set");
    store.set_connection(name("dev"), connection("https://new.example")).await.expect("set");
    assert_eq!(store.connections(&name("dev")).await, Ok(vec![connection("https://new.example")]));
    assert_eq!(store.connections(&name("prod")).await, Ok(Vec::new()));
    assert!(matches!(store.connections(&name("nowhere")).await, Err(StoreError::Missing(_))));
    let nowhere = store.set_connection(name("nowhere"), connection("https://x.example")).await;
    assert!(matches!(nowhere, Err(StoreError::Missing(_))), "{nowhere:?}");
    store.remove_connection(name("dev"), name("github")).await.expect("removed");
    assert!(matches!(store.remove_connection(name("dev"), name("github")).await, Err(StoreError::Missing(_))));

    let binding = |to: &str| Binding { scope: scope("dev", "demo"), name: name("github"), connection: name(to) };
    store.bind(binding("old")).await.expect("bound");
    store.bind(binding("new")).await.expect("bound");
    assert_eq!(store.bindings(&name("dev")).await, Ok(vec![binding("new")]));
    assert_eq!(store.bindings(&name("prod")).await, Ok(Vec::new()));

    let here = scope("dev", "demo");
    store.set_config(here.clone(), name("team"), Some(json!("core"))).await.expect("set");
    store.set_config(here.clone(), name("count"), Some(json!({"max": 3}))).await.expect("set");
    store.set_config(here.clone(), name("gone"), Some(json!(1))).await.expect("set");
    store.set_config(here.clone(), name("gone"), None).await.expect("removed");
    let expected = vec![(name("count"), json!({"max": 3})), (name("team"), json!("core"))];
    assert_eq!(store.config(&here).await, Ok(expected));
    assert_eq!(store.config(&scope("prod", "demo")).await, Ok(Vec::new()));
}
