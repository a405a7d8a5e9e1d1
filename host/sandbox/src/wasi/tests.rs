//! What a guest sees of the world that nobody granted it.

use jackfield_core::limits::Limits;
use jackfield_core::logs::Level;
use jackfield_core::outcome::Outcome;

use super::random::Random;
use crate::testing::{Cell, DONE, Guest, LOG};

/// Succeeds if `condition` holds, else traps.
fn asserts(imports: &'static str, condition: &str) -> Guest {
    Guest::new(imports, format!("(if (i32.eqz {condition}) (then (unreachable))) {DONE}"))
}

async fn holds(guest: Guest) {
    let ran = Cell::new().run(&guest, Limits::default()).await;
    assert_eq!(ran.outcome(), &Outcome::Succeeded { output: None });
}

const CLOCKS: &str = r#"
    (import "wasi:clocks/monotonic-clock@0.2.6" "now" (func $now (result i64)))
    (import "wasi:clocks/monotonic-clock@0.2.6" "resolution" (func $resolution (result i64)))
    (import "wasi:clocks/wall-clock@0.2.6" "now" (func $wall (param i32)))
    (import "wasi:clocks/wall-clock@0.2.6" "resolution" (func $wall_resolution (param i32)))"#;

#[tokio::test]
async fn threat_012_clocks_are_coarse() {
    holds(asserts(CLOCKS, "(i64.eq (call $resolution) (i64.const 1_000_000))")).await;
    let whole = "(i64.eqz (i64.rem_u (call $now) (i64.const 1_000_000)))";
    holds(asserts(CLOCKS, whole)).await;
    // 100 readings in a row, with work in between, are one moment.
    let still = "(block (result i32)
        (local.set $n (call $now))
        (loop (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (if (i64.ne (call $now) (local.get $n)) (then (unreachable)))
            (br_if 0 (i32.lt_u (local.get $i) (i32.const 100))))
        (i32.const 1))";
    holds(asserts(CLOCKS, still)).await;
    let wall = "(block (result i32)
        (call $wall_resolution (i32.const 2048)) (call $wall (i32.const 2064))
        (i32.and (i32.eq (i32.load (i32.const 2056)) (i32.const 1_000_000))
        (i32.and (i64.gt_u (i64.load (i32.const 2064)) (i64.const 1_700_000_000))
            (i32.eqz (i32.rem_u (i32.load (i32.const 2072)) (i32.const 1_000_000))))))";
    holds(asserts(CLOCKS, wall)).await;
}

#[tokio::test]
async fn the_monotonic_clock_never_shows_zero() {
    holds(asserts(CLOCKS, "(i64.gt_u (call $now) (i64.const 0))")).await;
}

#[test]
fn threat_012_there_are_no_threads_and_no_shared_memory() {
    let on = crate::engine::features(true);
    assert!(!on.intersects(wasmparser::WasmFeatures::THREADS | wasmparser::WasmFeatures::SHARED_EVERYTHING_THREADS));
    let engine = crate::engine::compiling(&crate::engine::EngineOptions::default(), None).unwrap();
    let shared = wat::parse_str("(module (memory 1 1 shared))").unwrap();
    assert!(wasmtime::Module::new(&engine, shared).is_err());
}

#[tokio::test]
async fn timers_fire_and_time_passes() {
    let imports = r#"
        (import "wasi:clocks/monotonic-clock@0.2.6" "now" (func $now (result i64)))
        (import "wasi:clocks/monotonic-clock@0.2.6" "subscribe-duration" (func $timer (param i64) (result i32)))
        (import "wasi:io/poll@0.2.6" "poll" (func $poll (param i32 i32 i32)))"#;
    let slept = "(block (result i32)
        (local.set $n (call $now))
        (i32.store (i32.const 2048) (call $timer (i64.const 3_600_000_000_000)))
        (i32.store (i32.const 2052) (call $timer (i64.const 20_000_000)))
        (call $poll (i32.const 2048) (i32.const 2) (i32.const 2056))
        (i32.and (i32.eq (i32.load (i32.const 2060)) (i32.const 1))
        (i32.and (i32.eq (i32.load (i32.load (i32.const 2056))) (i32.const 1))
            (i64.ge_u (i64.sub (call $now) (local.get $n)) (i64.const 20_000_000)))))";
    holds(asserts(imports, slept)).await;
}

#[tokio::test]
async fn the_world_is_empty() {
    let imports = r#"
        (import "wasi:cli/environment@0.2.6" "get-environment" (func $environment (param i32)))
        (import "wasi:cli/environment@0.2.6" "get-arguments" (func $arguments (param i32)))
        (import "wasi:filesystem/preopens@0.2.6" "get-directories" (func $directories (param i32)))"#;
    let empty = "(block (result i32)
        (call $environment (i32.const 2048)) (call $arguments (i32.const 2056)) (call $directories (i32.const 2064))
        (i32.eqz (i32.or (i32.load (i32.const 2052)) (i32.or (i32.load (i32.const 2060)) (i32.load (i32.const 2068))))))";
    holds(asserts(imports, empty)).await;
}

#[test]
fn randomness_follows_from_the_seed_alone() {
    use rand_chacha::rand_core::Rng as _;
    let draw = |seed: u8| {
        let mut random = Random::new([seed; 32]);
        (random.secure.next_u64(), random.insecure.next_u64(), random.seed)
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    let (secure, insecure, (low, high)) = draw(1);
    let mut all = vec![secure, insecure, low, high];
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 4, "what is drawn from one stream tells nothing of another");
}

const RANDOM: &str = r#"
    (import "wasi:random/random@0.2.6" "get-random-bytes" (func $bytes (param i64 i32)))
    (import "wasi:random/random@0.2.6" "get-random-u64" (func $random (result i64)))
    (import "wasi:random/insecure@0.2.6" "get-insecure-random-u64" (func $insecure (result i64)))
    (import "wasi:random/insecure-seed@0.2.6" "insecure-seed" (func $seed (param i32)))"#;

#[tokio::test]
async fn random_bytes_come_up_to_a_limit() {
    let some = "(block (result i32) (call $bytes (i64.const 64) (i32.const 2048)) (call $seed (i32.const 2064))
        (i32.and (i32.eq (i32.load (i32.const 2052)) (i32.const 64))
            (i64.ne (call $random) (call $insecure))))";
    holds(asserts(RANDOM, some)).await;
    let guest = Guest::new(RANDOM, format!("(call $bytes (i64.const 65537) (i32.const 2048)) {DONE}"));
    match Cell::new().run(&guest, Limits::default()).await.outcome() {
        Outcome::Trapped { message, .. } => assert!(message.contains("65536 random bytes"), "{message}"),
        other => panic!("{other:?}"),
    }
}

const PRINT: &str = r#"
    (import "wasi:cli/stdout@0.2.6" "get-stdout" (func $out (result i32)))
    (import "wasi:cli/stderr@0.2.6" "get-stderr" (func $err (result i32)))
    (import "wasi:io/streams@0.2.6" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))
    (import "wasi:cli/exit@0.2.6" "exit" (func $exit (param i32)))"#;

#[tokio::test]
async fn what_is_printed_becomes_lines() {
    let body = format!(
        "(call $write (call $out) (i32.const 64) (i32.const 5) (i32.const 2048))
         (call $write (call $out) (i32.const 69) (i32.const 8) (i32.const 2048))
         (call $write (call $err) (i32.const 77) (i32.const 4) (i32.const 2048)) {DONE}"
    );
    let guest = Guest::new(PRINT, body).with(r#"(data (i32.const 64) "one ttwo\nthr\noops")"#);
    let ran = Cell::new().run(&guest, Limits::default()).await;
    assert_eq!(ran.outcome(), &Outcome::Succeeded { output: None });
    let lines: Vec<_> = ran.log().await.into_iter().map(|line| (line.level, line.message)).collect();
    let expected = [(Level::Info, "one ttwo"), (Level::Info, "thr"), (Level::Warn, "oops")];
    assert_eq!(lines, expected.map(|(level, text)| (level, text.to_owned())));
}

#[tokio::test]
async fn last_words_explain_a_trap() {
    let panics = "(call $write (call $err) (i32.const 64) (i32.const 20) (i32.const 2048)) ";
    let data = r#"(data (i32.const 64) "panicked: no luck\n\n\n\n")"#;
    let unreachable = Guest::new(PRINT, format!("{panics} (unreachable)")).with(data);
    let exit = Guest::new(PRINT, format!("{panics} (call $exit (i32.const 1)) (unreachable)")).with(data);
    for guest in [unreachable, exit] {
        match Cell::new().run(&guest, Limits::default()).await.outcome() {
            Outcome::Trapped { message, .. } => assert_eq!(message, "panicked: no luck"),
            other => panic!("{other:?}"),
        }
    }
    // Words before a trap that guests do not announce are not its reason.
    let divides = format!("{panics} (drop (i32.div_u (i32.const 1) (local.get $i))) {DONE}");
    match Cell::new().run(&Guest::new(PRINT, divides).with(data), Limits::default()).await.outcome() {
        Outcome::Trapped { message, .. } => {
            assert!(message.contains("divide by zero") && message.contains("no luck"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    // An error in the log, as an SDK's panic hook writes it.
    let logs = "(call $log (i32.const 4) (i32.const 64) (i32.const 17) (i32.const 0) (i32.const 0)) (unreachable)";
    match Cell::new().run(&Guest::new(LOG, logs).with(data), Limits::default()).await.outcome() {
        Outcome::Trapped { message, .. } => assert_eq!(message, "panicked: no luck"),
        other => panic!("{other:?}"),
    }
    // No words at all.
    match Cell::new()
        .run(&Guest::new(PRINT, "(call $exit (i32.const 1)) (unreachable)"), Limits::default())
        .await
        .outcome()
    {
        Outcome::Trapped { message, .. } => assert_eq!(message, "the guest called exit with status 1"),
        other => panic!("{other:?}"),
    }
}
