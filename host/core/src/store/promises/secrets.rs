//! S40, S41: sealed secrets.

use super::super::StoreError;
use super::super::secrets::SecretInfo;
use super::{Harness, name};
use crate::clock::Clock as _;
use crate::seal::Sealed;

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
