//! S60 … S62: tokens, the audit trail, backups.

use std::sync::atomic::{AtomicBool, Ordering};

use super::super::StoreError;
use super::super::admin::{Right, Token};
use super::super::queue::RunFilter;
use super::{Harness, QUEUE_RUNS, new_run_in};
use crate::clock::Clock as _;

/// S60
pub async fn s60_a_token_is_known_by_its_hash(h: &mut dyn Harness) {
    let store = h.store();
    let token = |name: &str| Token {
        name: super::name(name),
        rights: vec![Right::Read, Right::Deploy],
        made: h.clock().now(),
        expires: Some(h.clock().now()),
    };
    store.add_token(token("b"), [2; 32]).await.expect("added");
    store.add_token(token("a"), [1; 32]).await.expect("added");
    assert!(matches!(store.add_token(token("a"), [3; 32]).await, Err(StoreError::Conflict(_))));
    assert_eq!(store.tokens().await, Ok(vec![(token("a"), [1; 32]), (token("b"), [2; 32])]));
    store.remove_token(super::name("a")).await.expect("removed");
    assert!(matches!(store.remove_token(super::name("a")).await, Err(StoreError::Missing(_))));
    assert_eq!(store.tokens().await.map(|tokens| tokens.len()), Ok(1));
    // The host's own values are set once.
    assert_eq!(store.meta("key").await, Ok(None));
    assert_eq!(store.set_meta_once("key", vec![1]).await, Ok(vec![1]));
    assert_eq!(store.set_meta_once("key", vec![2]).await, Ok(vec![1]));
    assert_eq!(store.meta("key").await, Ok(Some(vec![1])));
}

/// S61
pub async fn s61_the_audit_trail_is_a_chain(h: &mut dyn Harness) {
    let (store, now) = (h.store(), h.clock().now());
    for number in 1..=5 {
        store.audit(now, "ops".into(), "deploy".into(), format!("demo {number}")).await.expect("added");
    }
    let trail = store.audit_trail(3).await.expect("listed");
    assert_eq!(trail.iter().map(|entry| entry.number).collect::<Vec<_>>(), [5, 4, 3]);
    assert_eq!(
        (trail[0].who.as_str(), trail[0].action.as_str(), trail[0].detail.as_str()),
        ("ops", "deploy", "demo 5")
    );
    let trail = store.audit_trail(100).await.expect("listed");
    let mut hashes: Vec<_> = trail.iter().map(|entry| entry.hash.clone()).collect();
    assert!(hashes.iter().all(|hash| hash.len() == 64));
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 5);
}

/// S62
pub async fn s62_a_backup_is_a_consistent_copy(h: &mut dyn Harness) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("copy.db");
    // Pairs: a consistent copy has both of a pair or neither.
    let pair = |number: u64| {
        let integration = format!("demo-{}", number / (QUEUE_RUNS / 2));
        vec![
            new_run_in(h, &integration, "handler", &format!("a-{number}")),
            new_run_in(h, &integration, "handler", &format!("b-{number}")),
        ]
    };
    let store = h.store();
    for number in 0..20 {
        store.accept(pair(number)).await.expect("accepted");
    }
    let done = AtomicBool::new(false);
    let writing = async {
        let mut number = 20;
        while !done.load(Ordering::Relaxed) {
            store.accept(pair(number)).await.expect("accepted");
            number += 1;
        }
        number
    };
    let copying = async {
        store.backup(&file).await.expect("copied");
        done.store(true, Ordering::Relaxed);
    };
    let (written, ()) = futures_util::join!(writing, copying);
    let again = store.backup(&file).await;
    assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
    let copied = h.runs_in_backup(&file).await;
    assert!(copied.len() >= 40 && copied.len() as u64 <= 2 * written, "{}", copied.len());
    assert_eq!(copied.len() % 2, 0, "no half transaction");
    let all = store.runs(RunFilter { limit: 1, ..RunFilter::default() }).await.expect("listed");
    assert_eq!(all.len(), 1, "the store goes on");
}
