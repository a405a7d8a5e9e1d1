//! S40 … S42: sealed secrets.

use super::super::StoreError;
use super::super::secrets::SecretInfo;
use super::{Death, Harness, name};
use crate::clock::Clock as _;
use crate::seal::{INSTALLATION_KEY, Place, SealError, Sealed};

/// S40
pub async fn s40_a_secret_set_again_gets_the_next_version(h: &mut dyn Harness) {
    let (store, now) = (h.store(), h.clock().now());
    let set = |environment: &str, version, bytes: &[u8]| {
        store.set_secret(name(environment), name("token"), version, Sealed(bytes.to_vec()), now)
    };
    assert_eq!(store.secret(&name("dev"), &name("token")).await, Ok(None));
    assert!(matches!(set("dev", 2, b"x").await, Err(StoreError::Conflict(_))));
    set("dev", 1, b"first").await.expect("set");
    assert!(matches!(set("dev", 1, b"x").await, Err(StoreError::Conflict(_))), "somebody was faster");
    set("dev", 2, b"second").await.expect("set");
    assert_eq!(store.secret(&name("dev"), &name("token")).await, Ok(Some((2, Sealed(b"second".to_vec())))));
    assert_eq!(store.secret(&name("prod"), &name("token")).await, Ok(None));
    assert!(matches!(set("nowhere", 1, b"x").await, Err(StoreError::Missing(_))));
    store.remove_secret(name("dev"), name("token")).await.expect("removed");
    assert_eq!(store.secret(&name("dev"), &name("token")).await, Ok(None));
    assert!(matches!(store.remove_secret(name("dev"), name("token")).await, Err(StoreError::Missing(_))));
}

/// S41
pub async fn s41_lists_hold_no_value(h: &mut dyn Harness) {
    let (store, now) = (h.store(), h.clock().now());
    for secret in ["b", "a"] {
        store.set_secret(name("dev"), name(secret), 1, Sealed(b"hidden".to_vec()), now).await.expect("set");
    }
    let listed = store.secrets(&name("dev")).await.expect("listed");
    let info = |secret: &str| SecretInfo { name: name(secret), version: 1, set: now };
    assert_eq!(listed, [info("a"), info("b")]);
    assert!(!format!("{listed:?}").contains("hidden"));
    assert!(matches!(store.secrets(&name("nowhere")).await, Err(StoreError::Missing(_))));
}

/// S42
pub async fn s42_everything_sealed_is_replaced_or_nothing(h: &mut dyn Harness) {
    let (store, now) = (h.store(), h.clock().now());
    assert_eq!(store.reseal(Box::new(|_, _| Err(SealError::Damaged))).await, Ok(0), "there is nothing yet");
    for (environment, secret) in [("dev", "a"), ("dev", "b"), ("prod", "a")] {
        let value = Sealed(format!("{environment}-{secret}").into_bytes());
        store.set_secret(name(environment), name(secret), 1, value, now).await.expect("set");
    }
    store.set_meta_once(INSTALLATION_KEY, b"installation".to_vec()).await.expect("set");
    store.set_meta_once("other", b"other".to_vec()).await.expect("set");

    // The third does not open: the first two stay as they were.
    let refusing = |place: &Place<'_>, sealed: &Sealed| match place {
        Place::Secret(aad) if aad.environment == "prod" => Err(SealError::Damaged),
        _ => Ok(Sealed([b"new ", sealed.0.as_slice()].concat())),
    };
    let refused = store.reseal(Box::new(refusing)).await;
    assert!(matches!(&refused, Err(StoreError::Conflict(text)) if text.contains("secret `a` of prod")), "{refused:?}");
    assert_eq!(store.secret(&name("dev"), &name("a")).await, Ok(Some((1, Sealed(b"dev-a".to_vec())))));
    assert_eq!(store.meta(INSTALLATION_KEY).await, Ok(Some(b"installation".to_vec())));

    let fresh = |place: &Place<'_>, sealed: &Sealed| {
        let label = match place {
            Place::Secret(aad) => format!("{} {} {} ", aad.environment, aad.name, aad.version),
            Place::Host(label) => format!("{label} "),
        };
        Ok(Sealed([label.as_bytes(), sealed.0.as_slice()].concat()))
    };
    assert_eq!(store.reseal(Box::new(fresh)).await, Ok(4));
    h.owner_is_gone(Death::Unmarked).await;
    let store = h.store();
    for (environment, secret, expected) in
        [("dev", "a", "dev a 1 dev-a"), ("dev", "b", "dev b 1 dev-b"), ("prod", "a", "prod a 1 prod-a")]
    {
        let found = store.secret(&name(environment), &name(secret)).await;
        assert_eq!(found, Ok(Some((1, Sealed(expected.into())))));
    }
    assert_eq!(store.meta(INSTALLATION_KEY).await, Ok(Some(b"installation-key installation".to_vec())));
    assert_eq!(store.meta("other").await, Ok(Some(b"other".to_vec())));
}
