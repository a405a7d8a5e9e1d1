//! Endings, hostile guests at the boundary, and what is left behind.

use jackfield_core::event::Output;
use jackfield_core::grant::{Grants, KvGrant};
use jackfield_core::hatch::testing::{self, Rig};
use jackfield_core::limits::{LOG_LINES, Limit, Limits};
use jackfield_core::outcome::{Failure, TimeLimit};
use tokio::task::JoinSet;

use super::*;
use crate::capabilities::FAILPOINT;
use crate::testing::{Cell, DONE, Guest, LOG, all_denied, event, work};

const MIB: u64 = 1 << 20;
const SILENT: Outcome = Outcome::Succeeded { output: None };

/// Answers with what it was sent.
const ECHO: &str = "(i32.store8 (i32.const 1028) (i32.const 1))
    (i32.store (i32.const 1056) (i32.load offset=88 (local.get $event)))
    (i32.store (i32.const 1060) (i32.load offset=92 (local.get $event)))
    (i32.const 1024)";

/// Fails with everything an error can have.
const FAILS: &str = "(i32.store8 (i32.const 1024) (i32.const 1)) (i32.store8 (i32.const 1028) (i32.const 1))
    (i32.store (i32.const 1032) (i32.const 64)) (i32.store (i32.const 1036) (i32.const 9))
    (i32.store (i32.const 1040) (i32.const 73)) (i32.store (i32.const 1044) (i32.const 7))
    (i32.store8 (i32.const 1048) (i32.const 1))
    (i32.store (i32.const 1052) (i32.const 80)) (i32.store (i32.const 1056) (i32.const 4))
    (i32.store8 (i32.const 1060) (i32.const 1))
    (i32.store8 (i32.const 1064) (i32.const 1)) (i32.store (i32.const 1068) (i32.const 1500))
    (i32.const 1024)";
const WORDS: &str = r#"(data (i32.const 64) "TypeErrorno luckat x")"#;

async fn outcome(guest: &Guest) -> Outcome {
    Cell::new().run(guest, Limits::default()).await.outcome().clone()
}

#[tokio::test]
async fn a_handler_answers_with_what_it_was_sent() {
    let expected = Output { data: "hello".into(), ..Output::default() };
    let ran = Cell::new().run(&Guest::new("", ECHO), Limits::default()).await;
    assert_eq!(ran.outcome(), &Outcome::Succeeded { output: Some(expected) });
    let usage = ran.report.unwrap().usage;
    assert!(usage.memory_peak_bytes == 2 * 65_536 && usage.start <= usage.wall, "{usage:?}");
    assert!(usage.cpu > Duration::ZERO);
}

#[tokio::test]
async fn a_handler_fails_in_its_own_words() {
    let failure = Failure {
        name: "TypeError".into(),
        message: "no luck".into(),
        stack: Some("at x".into()),
        retryable: true,
        retry_after: Some(Duration::from_millis(1_500)),
    };
    assert_eq!(outcome(&Guest::new("", FAILS).with(WORDS)).await, Outcome::Failed(failure));
    let rejects = "(i32.store8 (i32.const 1024) (i32.const 1))
        (i32.store (i32.const 1032) (i32.const 73)) (i32.store (i32.const 1036) (i32.const 7)) (i32.const 1024)";
    let failure = Failure {
        name: "rejected".into(),
        message: "no luck".into(),
        stack: None,
        retryable: false,
        retry_after: None,
    };
    assert_eq!(outcome(&Guest::new("", rejects).with(WORDS)).await, Outcome::Failed(failure));
}

#[tokio::test]
async fn a_failure_after_refused_memory_is_out_of_memory() {
    let guest = Guest::new("", format!("(drop (memory.grow (i32.const 4096))) {FAILS}")).with(WORDS);
    assert!(matches!(outcome(&guest).await, Outcome::OutOfMemory { .. }));
}

#[tokio::test]
async fn an_output_has_a_limit() {
    let large = "(i32.store8 (i32.const 1028) (i32.const 1))
        (i32.store (i32.const 1056) (i32.const 0)) (i32.store (i32.const 1060) (i32.const 0x100001)) (i32.const 1024)";
    let expected = Outcome::OverBudget { limit: Limit::Output, allowed: MIB };
    assert_eq!(outcome(&Guest::new("", large).pages(32)).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_called_off_ends() {
    let cell = Cell::new();
    let digest = cell.add(&Guest::new("", "(loop (br 0)) (unreachable)"));
    for before in [true, false] {
        let (_rig, hatch) = testing::hatch(Limits::default(), all_denied()).await;
        let work = work(digest, Limits::default(), all_denied(), &hatch, event());
        let stop = work.stop.clone();
        if before {
            stop.cancel();
        }
        let sandbox = Arc::clone(&cell.sandbox);
        let mut attempt = JoinSet::new();
        attempt.spawn(async move { sandbox.invoke(work).await });
        stop.cancel();
        let ended = attempt.join_next().await.unwrap();
        assert_eq!(ended.unwrap().unwrap().outcome, Outcome::Cancelled);
        assert!(hatch.has_returned(), "no body that ends now was finished by the guest");
    }
}

#[tokio::test]
async fn an_import_without_a_grant_is_named() {
    let set = r#"(import "jackfield:plugin/kv@0.1.0" "remove" (func $remove (param i32 i32 i32 i32 i32)))"#;
    let body =
        format!("(call $remove (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048)) {DONE}");
    let cell = Cell::new();
    let digest = cell.add(&Guest::new(set, body));
    let ran = cell.attempt(digest, Limits::default(), Grants::default()).await;
    match ran.outcome() {
        Outcome::Trapped { message, .. } => assert!(message.contains("jackfield:plugin/kv"), "{message}"),
        other => panic!("{other:?}"),
    }
    // The same component where it was granted: one set of grants is not another's.
    let grants = Grants { kv: vec![KvGrant { prefix: "seen/".into(), write: true }], ..Grants::default() };
    assert_eq!(cell.attempt(digest, Limits::default(), grants).await.outcome(), &SILENT);
}

#[tokio::test]
async fn a_full_pool_is_the_hosts_fault() {
    let cell = Cell::with(crate::engine::EngineOptions { pool_instances: 1, ..Default::default() });
    let imports = r#"
        (import "wasi:clocks/monotonic-clock@0.2.6" "subscribe-duration" (func $timer (param i64) (result i32)))
        (import "wasi:io/poll@0.2.6" "[method]pollable.block" (func $block (param i32)))"#;
    let waits = format!("(call $block (call $timer (i64.const 3_600_000_000_000))) {DONE}");
    let digest = cell.add(&Guest::new(imports, waits));
    let (_rig, hatch) = testing::hatch(Limits::default(), all_denied()).await;
    let mut waiting = Box::pin(cell.sandbox.invoke(work(digest, Limits::default(), all_denied(), &hatch, event())));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    let ran = cell.attempt(digest, Limits::default(), all_denied()).await;
    let fault = ran.report.unwrap_err();
    assert!(fault.0.contains("no room"), "{fault}");
    drop(waiting);
    assert_eq!(cell.run(&Guest::new("", DONE), Limits::default()).await.outcome(), &SILENT);
}

/// Every place where a guest's code runs besides its handler.
#[tokio::test]
async fn threat_010_traps_in_odd_places_are_contained() {
    let start = "(func $start (unreachable)) (start $start)";
    let post = r#"(func (export "cabi_post_jackfield:plugin/handler@0.1.0#handle") (param i32) (unreachable))"#;
    let cell = Cell::new();
    let hostile = [
        ("start", Guest::new("", DONE).with(start)),
        ("realloc", Guest::new("", DONE).realloc("(unreachable)")),
        ("post-return", Guest::new("", DONE).with(post)),
        ("realloc out of range", Guest::new("", DONE).realloc("(i32.const -16)")),
        ("realloc misaligned", Guest::new("", DONE).realloc("(i32.const 4097)")),
        ("handler", Guest::new("", "(unreachable)")),
    ];
    for (place, guest) in hostile {
        let ran = cell.run(&guest, Limits::default()).await;
        assert!(matches!(ran.outcome(), Outcome::Trapped { .. }), "{place}: {:?}", ran.outcome());
        assert_eq!(cell.run(&Guest::new("", DONE), Limits::default()).await.outcome(), &SILENT, "after {place}");
    }
    let limits = Limits { timeout: Duration::from_millis(100), ..Limits::default() };
    let endless = Guest::new("", DONE).with("(func $start (loop (br 0))) (start $start)");
    let ran = cell.run(&endless, limits).await;
    assert!(matches!(ran.outcome(), Outcome::OutOfTime { limit: TimeLimit::Timeout, .. }), "{:?}", ran.outcome());
}

/// Traps unless all of its memory and its table are as new; then dirties them.
fn canary() -> Guest {
    let body = format!(
        "(if (i32.eq (memory.grow (i32.const 60)) (i32.const -1)) (then (unreachable)))
         (local.set $i (i32.const 8192))
         (loop
            (if (i64.ne (i64.load (local.get $i)) (i64.const 0)) (then (unreachable)))
            (local.set $i (i32.add (local.get $i) (i32.const 8)))
            (br_if 0 (i32.lt_u (local.get $i) (i32.shl (memory.size) (i32.const 16)))))
         (if (i32.eq (table.grow $t (ref.null func) (i32.const 100)) (i32.const -1)) (then (unreachable)))
         (local.set $j (i32.const 0))
         (loop
            (if (i32.eqz (ref.is_null (table.get $t (local.get $j)))) (then (unreachable)))
            (local.set $j (i32.add (local.get $j) (i32.const 1)))
            (br_if 0 (i32.lt_u (local.get $j) (table.size $t))))
         (if (global.get $dirty) (then (unreachable)))
         (global.set $dirty (i32.const 1))
         (memory.fill (i32.const 8192) (i32.const 0xAA) (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 8192)))
         (table.fill $t (i32.const 0) (ref.func $alloc) (table.size $t))
         {DONE}"
    );
    Guest::new("", body)
        .with("(table $t 10 funcref) (elem declare func $alloc) (global $dirty (mut i32) (i32.const 0))")
}

#[tokio::test]
async fn threat_011_nothing_is_left_in_reused_memory() {
    for (cell, times) in [(Cell::new(), 1_000), (Cell::on_demand(), 200)] {
        let digest = cell.add(&canary());
        let (_rig, hatch) = testing::hatch(Limits::default(), all_denied()).await;
        for turn in 0..times {
            let work = work(digest, Limits::default(), all_denied(), &hatch, event());
            let report = cell.sandbox.invoke(work).await.unwrap();
            assert_eq!(report.outcome, SILENT, "turn {turn}");
        }
    }
}

const SET: &str = r#"(import "jackfield:plugin/kv@0.1.0" "set"
    (func $set (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#;

#[tokio::test]
async fn threat_013_what_crosses_in_one_call_has_a_limit() {
    let set = format!(
        "(call $set (i32.const 64) (i32.const 7) (i32.const 71) (i32.const 1) (i32.const 0) (i32.const 0x2000000)
            (i32.const 0) (i32.const 0) (i32.const 2048)) {DONE}"
    );
    let passes = Guest::new(SET, set).with(r#"(data (i32.const 64) "defaultk")"#).pages(1024);
    let returns = "(i32.store8 (i32.const 1028) (i32.const 1))
        (i32.store (i32.const 1056) (i32.const 0)) (i32.store (i32.const 1060) (i32.const 0x2000000)) (i32.const 1024)";
    let returns = Guest::new("", returns).pages(1024);
    let logs =
        format!("(call $log (i32.const 2) (i32.const 0) (i32.const 0x2000000) (i32.const 0) (i32.const 0)) {DONE}");
    let logs = Guest::new(LOG, logs).pages(1024);
    for guest in [passes, returns, logs] {
        let ended = outcome(&guest).await;
        assert_eq!(ended, Outcome::OverBudget { limit: Limit::Argument, allowed: 8 * MIB });
        assert!(ended.reason().contains("limits.event"), "the reason names the cap: {}", ended.reason());
    }
    // A GiB that is not even there.
    let absent = Guest::new(
        LOG,
        format!("(call $log (i32.const 2) (i32.const 0) (i32.const 0x40000000) (i32.const 0) (i32.const 0)) {DONE}"),
    );
    assert!(matches!(outcome(&absent).await, Outcome::Trapped { .. } | Outcome::OverBudget { .. }));
}

#[tokio::test]
async fn threat_014_many_empty_strings_weigh_what_they_cost_the_host() {
    // 500,000 pairs of empty strings: 8 MB in the guest, 24 MB and more in the host.
    let body =
        format!("(call $log (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 8192) (i32.const 500000)) {DONE}");
    let guest = Guest::new(LOG, body).pages(256);
    assert_eq!(outcome(&guest).await, Outcome::OverBudget { limit: Limit::Argument, allowed: 8 * MIB });
}

#[tokio::test]
async fn threat_015_malformed_values_are_traps() {
    let log = |level: u32, ptr: u32, len: u32, list: u32, count: u32| {
        let body = format!(
            "(call $log (i32.const {level}) (i32.const {ptr}) (i32.const {len}) (i32.const {list}) (i32.const {count})) {DONE}"
        );
        Guest::new(LOG, body).with(r#"(data (i32.const 64) "ok\ff\fe\c0")"#)
    };
    let answer = |stores: &str| Guest::new("", format!("{stores} (i32.const 1024)"));
    let cell = Cell::new();
    assert_eq!(cell.run(&log(2, 64, 2, 0, 0), Limits::default()).await.outcome(), &SILENT, "the well-formed one");
    let malformed = [
        ("utf-8", log(2, 64, 5, 0, 0)),
        ("enum", log(99, 64, 2, 0, 0)),
        ("pointer", log(2, 0xffff_fff0, 2, 0, 0)),
        ("length", log(2, 64, 0x7fff_ffff, 0, 0)),
        ("alignment", log(2, 64, 2, 4097, 1)),
        ("list", log(2, 64, 2, 8192, 0x1fff_ffff)),
        ("result", answer("(i32.store8 (i32.const 1024) (i32.const 7))")),
        ("option", answer("(i32.store8 (i32.const 1028) (i32.const 2))")),
        ("variant", answer("(i32.store8 (i32.const 1024) (i32.const 1)) (i32.store8 (i32.const 1028) (i32.const 9))")),
        ("return area", Guest::new("", "(i32.const -4)")),
        ("return area's alignment", Guest::new("", "(i32.const 1025)")),
    ];
    for (what, guest) in malformed {
        let ran = cell.run(&guest, Limits::default()).await;
        assert!(
            matches!(ran.outcome(), Outcome::Trapped { .. } | Outcome::OverBudget { limit: Limit::Argument, .. }),
            "{what}: {:?}",
            ran.outcome()
        );
    }
    assert_eq!(cell.run(&Guest::new("", DONE), Limits::default()).await.outcome(), &SILENT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_020_a_panic_in_the_host_ends_that_attempt_alone() {
    let cell = Cell::new();
    let body = format!(
        "(call $log (i32.const 2) (i32.const 64) (i32.const {}) (i32.const 0) (i32.const 0)) {DONE}",
        FAILPOINT.len()
    );
    let panics = cell.add(&Guest::new(LOG, body).with(format!(r#"(data (i32.const 64) "{FAILPOINT}")"#)));
    let (_rig, hatch) = testing::hatch(Limits::default(), all_denied()).await;
    for _ in 0..3 {
        let sandbox = Arc::clone(&cell.sandbox);
        let work = work(panics, Limits::default(), all_denied(), &hatch, event());
        let mut attempt = JoinSet::new();
        attempt.spawn(async move { sandbox.invoke(work).await });
        let ended = attempt.join_next().await.unwrap();
        assert!(ended.is_err_and(|e| e.is_panic()), "the executor sees the panic");
        assert_eq!(cell.run(&Guest::new("", DONE), Limits::default()).await.outcome(), &SILENT);
    }
}

#[tokio::test]
async fn threat_086_a_log_flood_is_cut_and_says_so() {
    let body = format!(
        "(loop (call $log (i32.const 2) (i32.const 64) (i32.const 4) (i32.const 0) (i32.const 0))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if 0 (i32.lt_u (local.get $i) (i32.const 15000)))) {DONE}"
    );
    let guest = Guest::new(LOG, body).with(r#"(data (i32.const 64) "line")"#);
    let ran = Cell::new().run(&guest, Limits::default()).await;
    assert_eq!(ran.outcome(), &SILENT);
    let lines = ran.log().await;
    let (marker, kept) = lines.split_last().expect("there are some");
    assert!(kept.len() <= LOG_LINES as usize && kept.iter().all(|line| line.message == "line"), "{}", kept.len());
    assert_eq!(marker.message, format!("{} lines dropped", 15_000 - kept.len()));
}

fn kv() -> Grants {
    Grants { kv: vec![KvGrant { prefix: String::new(), write: true }], ..all_denied() }
}

async fn rig(grants: Grants) -> Rig {
    let clock = Arc::new(jackfield_core::clock::SystemClock);
    let retry = jackfield_core::retry::RetryPolicy::default();
    let rig = Rig::new(testing::RigOptions { clock, limits: Limits::default(), grants, retry, keyed: false }).await;
    rig.accept("hello").await;
    rig
}

/// One attempt that is interrupted right after it: nothing is settled.
async fn attempt(cell: &Cell, rig: &Rig, guest: &Guest, grants: Grants) -> Outcome {
    let claim = rig.claim().await;
    let hatch = rig.hatch(&claim).await;
    let digest = cell.add(guest);
    let report = cell.sandbox.invoke(work(digest, Limits::default(), grants, &hatch, event())).await.unwrap();
    hatch.finish().await;
    report.outcome
}

/// Sleeps for a second, draws a random number, writes a key, and answers with all it saw.
fn observer(key: char) -> Guest {
    let imports = r#"
        (import "jackfield:plugin/kv@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
        (import "wasi:clocks/monotonic-clock@0.2.6" "now" (func $now (result i64)))
        (import "wasi:clocks/monotonic-clock@0.2.6" "subscribe-duration" (func $timer (param i64) (result i32)))
        (import "wasi:clocks/wall-clock@0.2.6" "now" (func $wall (param i32)))
        (import "wasi:io/poll@0.2.6" "poll" (func $poll (param i32 i32 i32)))
        (import "wasi:random/random@0.2.6" "get-random-u64" (func $random (result i64)))"#;
    let body = "(i32.store (i32.const 2048) (call $timer (i64.const 1_000_000_000)))
        (i32.store (i32.const 2052) (call $timer (i64.const 1_000_000)))
        (i32.store (i32.const 2056) (call $timer (i64.const 1_000_000)))
        (call $poll (i32.const 2048) (i32.const 3) (i32.const 2064))
        (i32.store (i32.const 3000) (i32.load (i32.load (i32.const 2064))))
        (call $poll (i32.const 2048) (i32.const 1) (i32.const 2064))
        (i64.store (i32.const 3008) (call $now))
        (i64.store (i32.const 3016) (call $random))
        (call $wall (i32.const 3024))
        (call $set (i32.const 64) (i32.const 7) (i32.const 71) (i32.const 1) (i32.const 3000) (i32.const 40)
            (i32.const 0) (i32.const 0) (i32.const 2048))
        (if (i32.load8_u (i32.const 2048)) (then (unreachable)))
        (i32.store8 (i32.const 1028) (i32.const 1))
        (i32.store (i32.const 1056) (i32.const 3000)) (i32.store (i32.const 1060) (i32.const 40))
        (i32.const 1024)";
    Guest::new(imports, body).with(format!(r#"(data (i32.const 64) "default{key}")"#))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_a_repeated_attempt_observes_what_the_first_one_did() {
    let cell = Cell::new();
    let rig = rig(kv()).await;
    let first = attempt(&cell, &rig, &observer('k'), kv()).await;
    assert!(matches!(&first, Outcome::Succeeded { output: Some(seen) } if seen.data.len() == 40), "{first:?}");
    let rig = rig.reopen().await;
    let began = std::time::Instant::now();
    assert_eq!(attempt(&cell, &rig, &observer('k'), kv()).await, first);
    assert!(began.elapsed() < Duration::from_millis(900), "timers that fired before fire at once");
    // Another call in its place: stopped, and nothing written.
    let rig = rig.reopen().await;
    match attempt(&cell, &rig, &observer('j'), kv()).await {
        Outcome::Failed(failure) => {
            assert_eq!(failure.name, "non-determinism");
            assert!(!failure.retryable && failure.message.contains("call 1"), "{failure:?}");
        }
        other => panic!("{other:?}"),
    }
}

/// Wherever an attempt is let go of, its place is free again and no body counts as finished.
#[tokio::test]
async fn threat_021_an_attempt_can_be_dropped_at_any_await() {
    let cell = Cell::with(crate::engine::EngineOptions { pool_instances: 1, ..Default::default() });
    let digest = cell.add(&observer('k'));
    let silent = cell.add(&Guest::new("", DONE));
    for polls in 0..50 {
        let (_rig, hatch) = testing::hatch(Limits::default(), kv()).await;
        let mut attempt = Box::pin(cell.sandbox.invoke(work(digest, Limits::default(), kv(), &hatch, event())));
        let mut ended = None;
        for _ in 0..polls {
            if let std::task::Poll::Ready(report) = futures_util::poll!(&mut attempt) {
                ended = Some(report.unwrap().outcome);
                break;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        drop(attempt);
        assert!(polls == 0 || hatch.has_returned(), "after {polls} polls");
        hatch.finish().await;
        let next = cell.sandbox.invoke(work(silent, Limits::default(), kv(), &hatch, event())).await.unwrap();
        assert_eq!(next.outcome, SILENT, "after {polls} polls");
        if let Some(outcome) = ended {
            assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
            return;
        }
    }
    panic!("it never ended");
}
