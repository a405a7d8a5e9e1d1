//! The promises of a store: one function per numbered rule, run against every backend.
//!
//! Not here: what only one backend does (its files, its locks, its batches).

mod admin;
mod claims;
mod dead_letters;
mod events;
mod journal;
mod kv;
mod notices;
mod order;
mod queue;
mod registry;
mod schedules;
mod secrets;

pub use admin::*;
pub use claims::*;
pub use dead_letters::*;
pub use events::*;
pub use journal::*;
pub use kv::*;
pub use notices::*;
pub use order::*;
pub use queue::*;
pub use registry::*;
pub use schedules::*;
pub use secrets::*;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;

use super::Store;
use super::queue::{Claim, Ending, JournalEnd, Needs, NewRun, Room, Settle};
use crate::clock::fake::{FakeClock, FakeRng};
use crate::clock::{Clock as _, Timestamp};
use crate::event::Event;
use crate::ids::{RunId, Scope};
use crate::outcome::Usage;
use crate::run::{AttemptRecord, Target};

/// The caps that the stores under test are opened with.
pub const QUEUE_RUNS: u64 = 10;
/// See [`QUEUE_RUNS`].
pub const QUEUE_BYTES: u64 = 100_000;
/// See [`QUEUE_RUNS`].
pub const DEAD_BYTES: u64 = 150_000;
/// See [`QUEUE_RUNS`].
pub const KV_BYTES: u64 = 1_000;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Power cut, kill: nothing is known.
    Unmarked,
    /// By a signal that a guest may have caused, and its handler left the mark.
    Marked,
}

/// A store under test, what it is tested with, and its end.
#[async_trait]
pub trait Harness: Send {
    /// The store as it is open now.
    fn store(&self) -> Arc<dyn Store>;
    /// Its clock.
    fn clock(&self) -> Arc<FakeClock>;
    /// Its randomness.
    fn rng(&self) -> Arc<FakeRng>;
    /// The process that owns claims ends without settling them, and the next one begins.
    async fn owner_is_gone(&mut self, how: Death);
    /// Opens a backup as a store of its own and gives its runs' ids, newest first.
    async fn runs_in_backup(&self, file: &std::path::Path) -> Vec<RunId>;
}

/// Runs every promise against the store that `$open()` makes.
#[macro_export]
macro_rules! keeps_every_promise {
    ($open:path) => {
        $crate::keeps_every_promise! { $open;
            s01_accept_is_durable s01_a_batch_is_accepted_whole_or_not_at_all
            s02_an_event_accepted_before_is_answered_with_the_first_run
            s02_identity_is_kept_seven_days_whatever_became_of_the_run
            s03_a_claim_excludes_others s03_a_claim_that_nobody_took_is_given_back
            s04_a_superseded_fence_changes_nothing
            s05_claims_go_round_robin_then_by_due_time s05_nothing_is_handed_out_that_is_not_due
            s05_concurrency_and_room_are_respected s05_a_parked_claim_gets_what_is_accepted_later
            s06_a_settled_run_is_in_the_state_its_ending_says s06_counters_follow_the_endings
            s06_a_decision_settles_a_parked_run
            s07_a_full_queue_refuses_until_it_has_drained s07_bytes_are_capped_too
            s08_runs_of_a_dead_host_are_tried_alone s08_only_marked_deaths_alone_count
            s08_a_panic_while_alone_counts s08_suspects_go_first
            s09_resume_is_idempotent_and_keeps_id_and_journal s09_discard_is_idempotent
            s09_all_or_none_of_a_bulk_request
            s10_retention_removes_finished_runs_by_age s10_retention_removes_by_count_and_bytes
            s10_retention_never_removes_what_waits_for_a_person
            s11_a_wish_to_cancel_survives_a_restart s11_a_wish_to_cancel_wins_over_a_retry
            s13_runs_of_one_key_are_sequential s13_a_run_that_waits_holds_up_its_key
            s13_a_dead_letter_leaves_its_place_or_blocks s13_a_delayed_run_takes_its_place_when_it_is_due
            s15_a_held_run_uses_up_no_attempt_and_keeps_its_journal
            s14_a_skipped_call_has_the_given_answer_and_the_decision_is_kept
            s14_a_run_stays_parked_until_every_doubt_is_decided
            s12_threat_051_dead_letters_have_a_cap s07_threat_051_a_full_queue_is_its_own_integrations_alone
            s34_threat_051_freed_keys_count_again
            s20_an_append_needs_the_current_fence s21_a_gap_is_refused s22_appends_keep_their_order
            s23_load_gives_back_what_was_appended_less_what_was_cut
            s24_an_empty_chunk_leaves_no_trace
            s30_a_write_and_its_record_are_one s31_scopes_do_not_see_each_other s31_threat_047_no_text_of_a_key_leads_into_another_scope
            s32_a_value_whose_time_is_over_is_not_there s33_batch_and_check s33_counters s33_pages
            s34_the_quota_refuses_and_changes_nothing
            s40_a_secret_set_again_gets_the_next_version s41_lists_hold_no_value
            s42_everything_sealed_is_replaced_or_nothing
            s50_a_version_is_immutable s51_numbers_are_per_integration s52_a_release_is_atomic
            s53_a_hook_keeps_its_token s54_dev_and_prod_exist s55_what_was_active_is_kept registry_keeps_connections_bindings_and_settings
            s70_an_instant_becomes_one_run s71_a_cursor_never_moves_back
            s72_a_release_moves_the_cursors_it_changes_and_no_others s73_an_earlier_run_is_in_the_way
            s74_a_full_queue_is_a_skipped_tick s75_what_was_passed_over_is_counted
            s80_events_and_their_record_are_one s81_whoever_listens_hears s81_a_delay_is_kept
            s82_a_known_id_is_ignored s83_threat_085_a_chain_of_events_ends s84_a_full_queue_refuses_all_of_them
            s85_the_end_of_a_run_is_an_event s85_threat_085_nobody_hears_of_the_end_of_a_run_that_heard_of_one
            s86_an_event_too_large_is_a_dead_letter
            s95_a_resumed_run_can_be_moved_to_another_version
            s96_threat_074_started_fresh_it_is_put_away_and_another_takes_its_place
            s97_one_request_does_all_or_nothing s98_a_job_and_its_steps_survive_and_are_taken_once
            s98_dead_letters_are_found_by_filter
            s90_what_is_to_be_told_is_noted_with_what_it_is_about s91_one_notice_stands_for_many_runs
            s93_a_notice_holds_no_word_of_a_guest
            s60_a_token_is_known_by_its_hash s61_the_audit_trail_is_a_chain s62_a_backup_is_a_consistent_copy
        }
    };
    ($open:path; $($rule:ident)*) => {
        $(
            #[tokio::test]
            async fn $rule() {
                let mut harness = $open();
                $crate::store::promises::$rule(&mut harness).await;
            }
        )*
    };
}

/// Everything fits.
pub const ROOM: Room = Room { slots: 100, memory_bytes: u64::MAX };

/// An integration in an environment.
#[must_use]
pub fn scope(environment: &str, integration: &str) -> Scope {
    Scope { environment: name(environment), integration: name(integration) }
}

fn name<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("tests use good names")
}

/// A run of `demo` in `dev`, due now, for the event `event_id`. Each is made a millisecond after the
/// one before, so that ids and due times are in the order of the calls.
pub fn new_run(harness: &dyn Harness, event_id: &str) -> NewRun {
    new_run_in(harness, "demo", "handler", event_id)
}

/// The same of another integration and component.
pub fn new_run_in(harness: &dyn Harness, integration: &str, component: &str, event_id: &str) -> NewRun {
    let clock = harness.clock();
    clock.advance(Duration::from_millis(1));
    NewRun {
        id: RunId::new(&*clock, &*harness.rng()),
        target: Target {
            environment: name("dev"),
            integration: name(integration),
            version: 1,
            component: name(component),
            trigger: name("hook"),
        },
        event: Arc::new(Event {
            id: event_id.into(),
            source: "/hooks/demo".into(),
            event_type: "test".into(),
            subject: None,
            time: None,
            content_type: Some("text/plain".into()),
            schema: None,
            extensions: Vec::new(),
            meta: vec![("method".into(), "POST".into())],
            data: format!("data of {event_id}").into(),
        }),
        dedupe: true,
        needs: Needs { memory_bytes: 1 << 20, concurrency: 100 },
        due: clock.now(),
        order: None,
    }
}

/// Accepts one run and gives its id.
pub async fn accepted(harness: &dyn Harness, event_id: &str) -> RunId {
    let run = new_run(harness, event_id);
    harness.store().accept(vec![run]).await.expect("it is accepted")[0].run()
}

/// What a claim gets at once; nothing if it would have to wait.
pub async fn claim_now(harness: &dyn Harness, room: Room) -> Vec<Claim> {
    let store = harness.store();
    let mut claim = store.claim(room);
    // Two commands later, whatever the claim could get at once is on its way.
    for _ in 0..2 {
        store.writable().await.expect("the store works");
    }
    let got = poll_fn(|cx| match claim.as_mut().poll(cx) {
        Poll::Ready(claims) => Poll::Ready(Some(claims)),
        Poll::Pending => Poll::Ready(None),
    });
    match got.await {
        Some(claims) => claims.expect("the store works"),
        None => {
            drop(claim);
            Vec::new()
        }
    }
}

/// Claims the one run that can be claimed.
pub async fn claim_one(harness: &dyn Harness) -> Claim {
    let mut claims = claim_now(harness, ROOM).await;
    assert_eq!(claims.len(), 1, "one run can be claimed");
    claims.remove(0)
}

/// How an attempt ended, its journal kept.
#[must_use]
pub fn ending(claim: &Claim, outcome: &str, then: Settle) -> Ending {
    Ending {
        attempt: AttemptRecord {
            number: claim.attempt,
            started: claim.accepted,
            ended: claim.accepted.plus(Duration::from_millis(5)),
            outcome: outcome.into(),
            reason: Some(format!("because {outcome}")),
            stack: None,
            usage: Usage::default(),
            refused: None,
            calls: Vec::new(),
        },
        output: None,
        then,
        journal: JournalEnd::Keep(None),
    }
}

/// Succeeds.
#[must_use]
pub fn success(claim: &Claim) -> Ending {
    ending(claim, "succeeded", Settle::Succeeded)
}

/// Gives up.
#[must_use]
pub fn dead(claim: &Claim) -> Ending {
    ending(claim, "failed", Settle::DeadLettered { reason: "it gave up".into() })
}

/// Accepts a run and dead-letters it.
pub async fn dead_letter(harness: &dyn Harness, event_id: &str) -> RunId {
    let run = accepted(harness, event_id).await;
    let claim = claim_one(harness).await;
    assert_eq!(claim.fence.run, run);
    let ending = dead(&claim);
    harness.store().settle(claim.fence, ending).await.expect("it is settled");
    run
}

fn soon(harness: &dyn Harness, seconds: u64) -> Timestamp {
    harness.clock().now().plus(Duration::from_secs(seconds))
}
