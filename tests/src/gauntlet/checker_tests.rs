//! Doctored evidence: the checker must see each kind of lie.

use super::super::database::{Chunk, DEAD, DISCARDED, SUCCEEDED};
use super::*;

/// One keyed run that went well, and all that is known of it.
fn fine() -> Evidence {
    let (event, run) = ("keyed-1", "R1");
    let mut ledger = Vec::new();
    let mut records = Vec::new();
    let mut output = Vec::new();
    for (place, part) in Kind::Keyed.calls().iter().enumerate() {
        let number = place as u64 + 1;
        let body = format!(r#"{{"entry":{number},"repeated":false}}"#);
        ledger.push(Entry {
            number,
            method: "POST".into(),
            path: format!("/keyed/{event}/{part}"),
            key: Some(format!("key {number}")),
            body: "digest".into(),
            first: number,
            at_ms: number,
        });
        output.push(serde_json::json!({ "status": 201, "body": body }));
        records.push(Record::Result {
            class: "repeatable".into(),
            verdict: "done".into(),
            what: format!("POST keyed /{event}/{part}"),
            body: Some(body.into_bytes()),
        });
        if place == 0 {
            output.push(serde_json::json!(1));
            records.push(Record::Result {
                class: "local".into(),
                verdict: "done".into(),
                what: "increment count/keyed".into(),
                body: None,
            });
        }
    }
    let journal = records.into_iter().enumerate();
    let journal = journal.map(|(n, record)| Chunk { number: n as u32, digest: n.to_string(), records: vec![record] });
    let ended = Run {
        state: SUCCEEDED,
        trigger: HOOK.into(),
        event: Some(event.into()),
        fence: 2,
        begun: 2,
        attempts: vec![(1, 2), (2, 3)],
        journal: journal.collect(),
        output: Some(serde_json::to_vec(&output).unwrap()),
        ..Run::default()
    };
    let mut dump = Dump { config: Some(2), ..Dump::default() };
    dump.runs.insert(run.into(), ended);
    dump.kv.insert("count/keyed".into(), "1".into());
    let stop = Stop { config: Some(1), ledger: 2, journals: vec![kept("R1", 0, "0", 1)], ..Stop::default() };
    let said = vec![
        Said::Accepted { event: event.into(), run: run.into() },
        Said::Configured { value: 1 },
        Said::Stopped(stop),
        Said::Calm { ledger: 3 },
        Said::Drained { took_ms: Some(1) },
    ];
    Evidence { said, ledger, dump }
}

fn kept(run: &str, number: u32, digest: &str, part: u32) -> Kept {
    Kept { run: run.into(), number, digest: digest.into(), done: vec![format!("POST keyed /keyed-1/{part}")] }
}

fn run(evidence: &mut Evidence) -> &mut Run {
    evidence.dump.runs.get_mut("R1").unwrap()
}

fn stop(evidence: &mut Evidence) -> &mut Stop {
    evidence.said.iter_mut().find_map(|said| if let Said::Stopped(stop) = said { Some(stop) } else { None }).unwrap()
}

#[track_caller]
fn breaks(invariants: &[&str], lie: impl FnOnce(&mut Evidence)) {
    let mut evidence = fine();
    lie(&mut evidence);
    let verdict = check(&evidence);
    assert_eq!(verdict.broken(), invariants, "{verdict}");
}

#[test]
fn the_truth_passes() {
    let verdict = check(&fine());
    assert!(verdict.holds(), "{verdict}");
    assert!(verdict.findings.iter().all(|finding| finding.checked > 0 || ["I5", "I7"].contains(&finding.invariant)));
}

#[test]
fn i1_sees_what_is_lost_doubled_or_wrong() {
    breaks(&["I1"], |e| e.said.push(Said::Accepted { event: "kv-2".into(), run: "R2".into() }));
    breaks(&["I1"], |e| {
        let twin = Run { journal: vec![], ..e.dump.runs["R1"].clone() };
        let twin = Run { output: e.dump.runs["R1"].output.clone(), journal: e.dump.runs["R1"].journal.clone(), ..twin };
        e.dump.runs.insert("R2".into(), twin);
        e.dump.kv.insert("count/keyed".into(), "2".into());
    });
    breaks(&["I1", "I7"], |e| run(e).state = DEAD);
}

#[test]
fn i2_sees_an_effect_made_again_or_never() {
    // Recorded before entry 2, and there again as entry 4.
    breaks(&["I2"], |e| {
        let again = Entry { number: 4, ..e.ledger[0].clone() };
        e.ledger.push(again);
    });
    breaks(&["I2", "I6"], |e| drop(e.ledger.pop()));
    breaks(&["I2"], |e| drop(e.dump.kv.insert("count/keyed".into(), "2".into())));
}

#[test]
fn i3_sees_another_key_and_a_repeat_that_nobody_may_make() {
    breaks(&["I3"], |e| {
        let again = Entry { number: 4, first: 4, key: Some("another".into()), ..e.ledger[2].clone() };
        e.ledger.push(again);
    });
    breaks(&["I3"], |e| {
        for number in [4, 5] {
            let plain = Entry { number, path: "/plain/plain-9/1".into(), ..e.ledger[0].clone() };
            e.ledger.push(plain);
        }
    });
}

#[test]
fn i4_sees_two_owners() {
    breaks(&["I4"], |e| run(e).attempts = vec![(1, 5), (2, 3)]);
    breaks(&["I4"], |e| run(e).begun = 1);
    breaks(&["I4", "I6"], |e| drop(run(e).journal.remove(0)));
}

#[test]
fn i5_sees_a_second_firing_and_a_gap() {
    let tick = |second: u32| Run {
        state: DEAD,
        trigger: TICK.into(),
        event: Some(format!("2026-11-29T10:00:0{second}Z")),
        reason: Some("as told".into()),
        ..Run::default()
    };
    breaks(&["I5"], |e| {
        e.dump.runs.insert("T1".into(), tick(1));
        e.dump.runs.insert("T2".into(), tick(1));
    });
    breaks(&["I5"], |e| {
        e.dump.runs.insert("T1".into(), tick(1));
        e.dump.runs.insert("T2".into(), tick(3));
    });
}

#[test]
fn i6_sees_a_changed_record() {
    breaks(&["I6"], |e| stop(e).journals[0].digest = "another".into());
    breaks(&["I6"], |e| run(e).output = Some(b"[]".to_vec()));
}

#[test]
fn i7_sees_a_dead_letter_without_a_reason() {
    breaks(&["I7"], |e| {
        let dead =
            Run { state: DEAD, trigger: TICK.into(), event: Some("2026-11-29T10:00:01Z".into()), ..Run::default() };
        e.dump.runs.insert("T1".into(), dead);
    });
}

#[test]
fn i8_sees_what_disappears() {
    breaks(&["I8"], |e| stop(e).absent.push("R1".into()));
    breaks(&["I8"], |e| stop(e).damaged.push("digest".into()));
    breaks(&["I8"], |e| stop(e).config = None);
    breaks(&["I8"], |e| e.said.push(Said::Discarded { run: "R1".into() }));
    breaks(&["I1", "I8"], |e| {
        e.said.push(Said::Seen { run: "R1".into() });
        run(e).state = DISCARDED;
    });
    breaks(&["I8"], |e| e.dump.damage.push("a page is damaged".into()));
}

#[test]
fn i10_sees_a_queue_that_does_not_empty() {
    breaks(&["I10"], |e| drop(e.said.pop()));
}
