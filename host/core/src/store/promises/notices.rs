//! S90 … S93: what is to be told outside.

use super::super::notices::{NotifyTarget, PAUSE};
use super::super::queue::Settle;
use super::{Death, Harness, accepted, claim_one, dead_letter, ending, scope};
use crate::clock::Clock as _;
use crate::run::RunState;

fn target() -> NotifyTarget {
    NotifyTarget { connection: super::name("ops"), path: "/hooks/x".into() }
}

/// S90
pub async fn s90_what_is_to_be_told_is_noted_with_what_it_is_about(h: &mut dyn Harness) {
    dead_letter(h, "before").await;
    assert_eq!(h.store().notices(h.clock().now()).await, Ok(vec![]), "nobody wants to know");
    h.store().set_notify(super::name("dev"), Some(target())).await.expect("set");
    assert_eq!(h.store().notify_target(&super::name("dev")).await, Ok(Some(target())));
    assert_eq!(h.store().notify_target(&super::name("prod")).await, Ok(None));
    let run = dead_letter(h, "after").await;
    h.owner_is_gone(Death::Unmarked).await;
    let notices = h.store().notices(h.clock().now()).await.expect("listed");
    let [notice] = &notices[..] else { panic!("{notices:?}") };
    assert_eq!((&notice.scope, notice.state), (&scope("dev", "demo"), RunState::DeadLettered));
    assert_eq!((notice.count, notice.run, &notice.target), (1, run, &target()));
    h.store().set_notify(super::name("dev"), None).await.expect("unset");
    assert_eq!(h.store().notices(h.clock().now()).await, Ok(vec![]));
}

/// S91, S92
pub async fn s91_one_notice_stands_for_many_runs(h: &mut dyn Harness) {
    h.store().set_notify(super::name("dev"), Some(target())).await.expect("set");
    for id in ["a", "b"] {
        dead_letter(h, id).await;
    }
    let parked = accepted(h, "parked").await;
    let claim = claim_one(h).await;
    let end = ending(&claim, "in-doubt", Settle::Parked { reason: "call 1 may have happened: POST bank /ada".into() });
    h.store().settle(claim.fence, end).await.expect("settled");
    let notices = h.store().notices(h.clock().now()).await.expect("listed");
    let [dead, doubt] = &notices[..] else { panic!("{notices:?}") };
    assert_eq!((dead.count, dead.state), (2, RunState::DeadLettered));
    assert_eq!((doubt.run, doubt.reason.as_str()), (parked, "a call may have happened"));
    // Told of two while a third comes.
    let third = dead_letter(h, "c").await;
    h.store().told(dead.clone()).await.expect("marked");
    let later = h.clock().now().plus(PAUSE);
    let now = h.store().notices(h.clock().now()).await.expect("listed");
    assert!(now.iter().all(|notice| notice.state != RunState::DeadLettered), "not before the pause has passed");
    let notices = h.store().notices(later).await.expect("listed");
    let rest = notices.iter().find(|notice| notice.state == RunState::DeadLettered).expect("the third");
    assert_eq!((rest.count, rest.run), (1, third));
    // One that could not be told stays, later.
    let due = later.plus(PAUSE);
    h.store().not_told(rest.clone(), "refused".into(), due).await.expect("marked");
    assert!(h.store().notices(later).await.expect("listed").iter().all(|n| n.state != RunState::DeadLettered));
    let again = h.store().notices(due).await.expect("listed");
    let again = again.iter().find(|notice| notice.state == RunState::DeadLettered).expect("it is there");
    assert_eq!((again.count, again.tries), (1, 1));
    h.store().told(again.clone()).await.expect("marked");
    assert!(
        h.store().notices(due.plus(PAUSE)).await.expect("listed").iter().all(|n| n.state != RunState::DeadLettered)
    );
}

/// S93
pub async fn s93_a_notice_holds_no_word_of_a_guest(h: &mut dyn Harness) {
    h.store().set_notify(super::name("dev"), Some(target())).await.expect("set");
    accepted(h, "x").await;
    let claim = claim_one(h).await;
    let reason = "TypeError: ada@example.com is no number (attempt 3 of 3)".to_owned();
    let end = ending(&claim, "failed", Settle::DeadLettered { reason });
    h.store().settle(claim.fence, end).await.expect("settled");
    let notices = h.store().notices(h.clock().now()).await.expect("listed");
    assert_eq!(notices[0].reason, "failed: TypeError");
}
