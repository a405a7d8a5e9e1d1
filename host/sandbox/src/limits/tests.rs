//! Guests that want more than they may have. Each test has a neighbour that must not notice.

use std::sync::atomic::{AtomicBool, AtomicU32};

use jackfield_core::hatch::testing;
use jackfield_core::limits::{Limit, Limits};
use jackfield_core::outcome::Outcome;
use jackfield_core::ports::sandbox::Sandbox;
use tokio::task::JoinSet;

use super::*;
use crate::testing::{Cell, DONE, Guest, LOG, all_denied, event, work};

const MIB: u64 = 1 << 20;
/// Shared machines are slow at times: bounds are these times the promised ones.
const SLACK: u32 = 3;

fn limits() -> Limits {
    Limits { timeout: Duration::from_millis(300), ..Limits::default() }
}

fn timed_out(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::OutOfTime { limit: TimeLimit::Timeout, .. })
}

/// Runs `hostile` so many times at once while a healthy neighbour runs again and again.
/// Answers how long past its time limit the slowest was stopped.
async fn beside_a_neighbour(hostile: &Guest, limits: Limits, at_once: usize, check: impl Fn(&Outcome)) -> Duration {
    let cell = Cell::new();
    let digest = cell.add(hostile);
    let healthy = cell.add(&Guest::new("", DONE));
    let mut prepared = Vec::new();
    for _ in 0..at_once {
        let (rig, hatch) = testing::hatch(limits, all_denied()).await;
        prepared.push((rig, work(digest, limits, all_denied(), &hatch, event())));
    }
    let (_rig, hatch) = testing::hatch(Limits::default(), all_denied()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let ran = Arc::new(AtomicU32::new(0));
    let mut neighbour = JoinSet::new();
    {
        let (sandbox, stop, ran) = (Arc::clone(&cell.sandbox), Arc::clone(&stop), Arc::clone(&ran));
        neighbour.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let work = work(healthy, Limits::default(), all_denied(), &hatch, event());
                let report = sandbox.invoke(work).await.expect("the host serves the neighbour");
                assert_eq!(report.outcome, Outcome::Succeeded { output: None }, "the neighbour never fails");
                ran.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    }
    while ran.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    let mut attempts = JoinSet::new();
    let mut rigs = Vec::new();
    for (rig, work) in prepared {
        let sandbox = Arc::clone(&cell.sandbox);
        attempts.spawn(async move { sandbox.invoke(work).await });
        rigs.push(rig);
    }
    let mut slowest = Duration::ZERO;
    while let Some(report) = attempts.join_next().await {
        let report = report.expect("no panic").expect("the host is not to blame");
        check(&report.outcome);
        slowest = slowest.max(report.usage.wall.saturating_sub(limits.timeout));
    }
    stop.store(true, Ordering::Relaxed);
    neighbour.join_next().await.expect("it is there").expect("the neighbour never fails");
    // Clean: the same component runs again.
    let again = cell.attempt(healthy, Limits::default(), all_denied()).await;
    assert_eq!(again.outcome(), &Outcome::Succeeded { output: None });
    slowest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_001_infinite_loops_are_stopped_in_time() {
    let guest = Guest::new("", "(loop (br 0)) (unreachable)");
    let late = beside_a_neighbour(&guest, limits(), 4, |outcome| assert!(timed_out(outcome), "{outcome:?}")).await;
    assert!(late <= SLACK * Duration::from_millis(250), "stopped {late:?} late");
    let late = beside_a_neighbour(&guest, limits(), 1, |outcome| assert!(timed_out(outcome), "{outcome:?}")).await;
    assert!(late <= SLACK * Duration::from_millis(50), "stopped {late:?} late");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_001_cpu_has_a_limit_of_its_own() {
    let guest = Guest::new("", "(loop (br 0)) (unreachable)");
    let cpu = Duration::from_millis(100);
    let limits = Limits { cpu, ..Limits::default() };
    let ran = Cell::new().run(&guest, limits).await;
    assert_eq!(ran.outcome(), &Outcome::OutOfTime { limit: TimeLimit::Cpu, allowed: cpu });
    let used = ran.report.unwrap().usage.cpu;
    assert!(used >= cpu && used <= cpu + SLACK * Duration::from_millis(50), "used {used:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_002_bulk_memory_is_stopped_in_time() {
    let fill = "(loop (memory.fill (i32.const 0) (local.get $i) (i32.const 0x4000000))
        (local.set $i (i32.add (local.get $i) (i32.const 1))) (br 0)) (unreachable)";
    let guest = Guest::new("", fill).pages(1024);
    let late = beside_a_neighbour(&guest, limits(), 2, |outcome| assert!(timed_out(outcome), "{outcome:?}")).await;
    assert!(late <= SLACK * Duration::from_millis(150), "stopped {late:?} late");
}

const SLEEP: &str = r#"
    (import "wasi:clocks/monotonic-clock@0.2.6" "subscribe-duration" (func $timer (param i64) (result i32)))
    (import "wasi:io/poll@0.2.6" "poll" (func $poll (param i32 i32 i32)))
    (import "wasi:io/poll@0.2.6" "[method]pollable.block" (func $block (param i32)))"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_003_a_guest_that_waits_for_ever_is_stopped() {
    let hour = "(call $timer (i64.const 3_600_000_000_000))";
    let poll = format!(
        "(i32.store (i32.const 2048) {hour}) (call $poll (i32.const 2048) (i32.const 1) (i32.const 2056)) {DONE}"
    );
    let block = format!("(call $block {hour}) {DONE}");
    for body in [poll, block] {
        let guest = Guest::new(SLEEP, body);
        let late = beside_a_neighbour(&guest, limits(), 2, |outcome| assert!(timed_out(outcome), "{outcome:?}")).await;
        assert!(late <= SLACK * Duration::from_millis(50), "stopped {late:?} late");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_004_busy_loops_of_host_calls_are_counted() {
    let now = r#"(import "wasi:clocks/monotonic-clock@0.2.6" "now" (func $now (result i64)))"#;
    let guest = Guest::new(now, "(loop (drop (call $now)) (br 0)) (unreachable)");
    let limits = Limits { cpu: Duration::from_millis(200), journal_bytes: 1 << 30, ..Limits::default() };
    let ran = Cell::new().run(&guest, limits).await;
    assert!(matches!(ran.outcome(), Outcome::OutOfTime { limit: TimeLimit::Cpu, .. }), "{:?}", ran.outcome());

    let limits = Limits { journal_bytes: 4 << 10, ..Limits::default() };
    let ran = Cell::new().run(&guest, limits).await;
    assert_eq!(ran.outcome(), &Outcome::OverBudget { limit: Limit::Journal, allowed: 4 << 10 });

    let get = r#"(import "jackfield:plugin/config@0.1.0" "get" (func $get (param i32 i32 i32)))"#;
    let body = "(loop (call $get (i32.const 64) (i32.const 4) (i32.const 2048)) (br 0)) (unreachable)";
    let guest = Guest::new(get, body).with(r#"(data (i32.const 64) "name")"#);
    let limits = Limits { calls: 100, ..Limits::default() };
    let ran = Cell::new().run(&guest, limits).await;
    assert_eq!(ran.outcome(), &Outcome::OverBudget { limit: Limit::Calls, allowed: 100 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_004_a_busy_logger_leaves_its_neighbour_alone() {
    let guest = Guest::new(LOG, "(loop (call $log (i32.const 2) (i32.const 64) (i32.const 4) (i32.const 0) (i32.const 0)) (br 0)) (unreachable)")
        .with(r#"(data (i32.const 64) "busy")"#);
    beside_a_neighbour(&guest, limits(), 2, |outcome| assert!(timed_out(outcome), "{outcome:?}")).await;
}

/// Grows memory 0 by one MiB at a time until it is refused, then gives up.
const GROW: &str = "(block (loop (br_if 1 (i32.eq (memory.grow (i32.const 16)) (i32.const -1))) (br 0))) (unreachable)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_005_memory_is_refused_at_the_limit() {
    let limits = Limits { memory_bytes: 64 * MIB, ..limits() };
    let refused = |outcome: &Outcome| match outcome {
        Outcome::OutOfMemory { limit_bytes, wanted_bytes } => {
            assert_eq!(*limit_bytes, 64 * MIB);
            assert!((64 * MIB..=65 * MIB).contains(wanted_bytes), "{wanted_bytes}");
        }
        other => panic!("{other:?}"),
    };
    beside_a_neighbour(&Guest::new("", GROW), limits, 2, refused).await;
    let ran = Cell::new().run(&Guest::new("", GROW), limits).await;
    let peak = ran.report.unwrap().usage.memory_peak_bytes;
    assert!((63 * MIB..=64 * MIB).contains(&peak), "{peak}");
}

#[tokio::test]
async fn threat_005_the_reason_names_limit_and_request() {
    // 3 GiB at once.
    let guest = Guest::new("", "(drop (memory.grow (i32.const 49152))) (unreachable)");
    let ran = Cell::new().run(&guest, Limits { memory_bytes: 64 * MIB, ..Limits::default() }).await;
    assert_eq!(ran.outcome().reason(), "asked for 3073 MiB of memory; the limit is 64 MiB (limits.memory)");
}

#[tokio::test]
async fn threat_005_a_guest_that_copes_succeeds_and_one_that_starts_too_large_does_not() {
    let cell = Cell::new();
    let limits = Limits { memory_bytes: 16 * MIB, ..Limits::default() };
    let copes = Guest::new("", format!("(drop (memory.grow (i32.const 1024))) {DONE}"));
    assert_eq!(cell.run(&copes, limits).await.outcome(), &Outcome::Succeeded { output: None });
    let large = Guest::new("", DONE).pages(1024);
    assert_eq!(
        cell.run(&large, limits).await.outcome(),
        &Outcome::OutOfMemory { limit_bytes: 16 * MIB, wanted_bytes: 64 * MIB }
    );
}

/// Four memories, each grown as far as it goes, each just under the limit.
fn many_memories() -> Guest {
    let grow = |memory: &str| format!("(drop (memory.grow {memory} (i32.const 640)))");
    let body: String = ["$memory", "$a", "$b", "$c"].map(grow).concat();
    Guest::new("", format!("{body} (unreachable)")).with("(memory $a 0) (memory $b 0) (memory $c 0)")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_006_memories_are_summed() {
    let limits = Limits { memory_bytes: 64 * MIB, ..limits() };
    let refused = |outcome: &Outcome| assert!(matches!(outcome, Outcome::OutOfMemory { .. }), "{outcome:?}");
    beside_a_neighbour(&many_memories(), limits, 2, refused).await;
    let peak = Cell::new().run(&many_memories(), limits).await.report.unwrap().usage.memory_peak_bytes;
    assert!(peak <= 64 * MIB, "{peak}");
}

/// Why the limiter is ours: the stock one counts each memory alone.
#[test]
fn threat_006_the_stock_limiter_would_not_do() {
    use wasmtime::{Engine, Instance, Module, Store, StoreLimits, StoreLimitsBuilder};
    let engine = Engine::new(&wasmtime::Config::new()).unwrap();
    let limit = usize::try_from(64 * MIB).unwrap();
    let mut store = Store::new(&engine, StoreLimitsBuilder::new().memory_size(limit).build());
    store.limiter(|limits: &mut StoreLimits| limits);
    let wat = r#"(module (memory $a 640) (memory $b 640) (memory $c 640)
        (func (export "bytes") (result i32) (i32.mul (i32.const 65536)
            (i32.add (memory.size $a) (i32.add (memory.size $b) (memory.size $c))))))"#;
    let module = Module::new(&engine, wat::parse_str(wat).unwrap()).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let bytes = instance.get_typed_func::<(), i32>(&mut store, "bytes").unwrap().call(&mut store, ()).unwrap();
    assert_eq!(u64::try_from(bytes).unwrap(), 120 * MIB, "three memories under a limit of 64 MiB");
}

/// The engine reports growths to impossible sizes as failed without asking first.
#[test]
fn threat_006_a_failed_growth_gives_nothing_back_that_was_not_taken() {
    let mut memory = Memory::new(100);
    assert!(memory.memory_growing(0, 60, None).unwrap());
    memory.memory_grow_failed(wasmtime::format_err!("memory growth exceeds memory type's limits")).unwrap();
    assert!(!memory.memory_growing(0, 60, None).unwrap(), "the first 60 are still counted");
    assert_eq!(memory.wanted_bytes(), Some(120));
    assert!(memory.memory_growing(60, 100, None).unwrap());
    memory.memory_grow_failed(std::io::Error::from_raw_os_error(12).into()).unwrap();
    assert!(memory.memory_growing(60, 100, None).unwrap(), "the system refused: not used after all");
    assert_eq!(memory.peak_bytes(), 100);
}

#[test]
fn threat_006_growth_beyond_a_memorys_own_maximum_is_the_guests_affair() {
    let mut memory = Memory::new(100);
    assert!(memory.memory_growing(0, 1_000, Some(50)).unwrap(), "the engine refuses it by itself");
    assert_eq!((memory.wanted_bytes(), memory.peak_bytes()), (None, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_007_tables_are_counted() {
    let table = |n: usize| format!("(table $t{n} 0 funcref)");
    let grow = |n: usize| format!("(drop (table.grow $t{n} (ref.null func) (i32.const 100000)))");
    let tables: String = (0..10).map(table).collect();
    let body: String = (0..10).map(grow).collect();
    let guest = Guest::new("", format!("{body} (unreachable)")).with(tables);
    let limits = Limits { memory_bytes: 4 * MIB, ..limits() };
    let refused = |outcome: &Outcome| assert!(matches!(outcome, Outcome::OutOfMemory { .. }), "{outcome:?}");
    beside_a_neighbour(&guest, limits, 2, refused).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_007_handles_are_counted() {
    let limits = Limits { timeout: Duration::from_secs(20), ..Limits::default() };
    let over = |outcome: &Outcome| {
        assert_eq!(outcome, &Outcome::OverBudget { limit: Limit::Handles, allowed: HANDLES as u64 });
    };
    // Ours: timers, none of them ever dropped.
    let timers = Guest::new(SLEEP, "(loop (drop (call $timer (i64.const 1))) (br 0)) (unreachable)");
    beside_a_neighbour(&timers, limits, 2, over).await;
    // Its own: a resource made again and again, without the host in the loop.
    let new = r#"(import "[export]test:guests/things" "[resource-new]thing" (func $new (param i32) (result i32)))"#;
    let maker = Guest::new(new, "(loop (drop (call $new (i32.const 7))) (br 0)) (unreachable)").maker();
    beside_a_neighbour(&maker, limits, 2, over).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_008_deep_recursion_is_a_trap() {
    let guest = Guest::new("", format!("(drop (call $deeper (i64.const 1))) {DONE}")).with(
        "(func $deeper (param $n i64) (result i64)
            (i64.add (call $deeper (i64.add (local.get $n) (i64.const 1))) (local.get $n)))",
    );
    beside_a_neighbour(&guest, limits(), 4, |outcome| match outcome {
        Outcome::Trapped { message, frames } => {
            assert!(message.contains("call stack exhausted"), "{message}");
            assert!(!frames.is_empty() && frames.len() <= 32, "{frames:?}");
            assert!(frames[0].contains("deeper"), "{frames:?}");
        }
        other => panic!("{other:?}"),
    })
    .await;
}
