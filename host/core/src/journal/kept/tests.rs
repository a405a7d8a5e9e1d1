//! Tests of what is kept for readers: that it is kept, and that it decides nothing.

use serde_bytes::ByteBuf;

use super::super::tests::{Bench, hash, what};
use super::super::{Class, Record, Verdict, encode};

#[test]
fn the_stored_form_of_what_is_kept_for_readers_stays() {
    let records = [Record::Asked { call: 1, request: ByteBuf::from(vec![7]) }, Record::Past(ByteBuf::from(vec![8, 9]))];
    assert_eq!(
        data_encoding::HEXLOWER.encode(&encode(&records)),
        "01 81a17182a16e01a161c40107 81a17ac4020809".replace(' ', "")
    );
}

/// What is kept for readers changes nothing for the run: not what is served, not what is made again, and it
/// is not taken for the run's own use of its journal.
#[test]
fn what_is_kept_for_readers_decides_nothing() {
    let (mut plain, mut kept) = (Bench::new(), Bench::new());
    for bench in [&mut plain, &mut kept] {
        bench.effect(1, Verdict::Done, "a");
    }
    let asks = |bench: &mut Bench| {
        let call = bench.journal.issued() + 1;
        bench.journal.asked(call, vec![1; 1000]);
    };
    asks(&mut kept);
    for bench in [&mut plain, &mut kept] {
        bench.read("b");
        bench.effect(2, Verdict::Refused, "no");
    }
    assert!(kept.journal.bytes() < plain.journal.bytes() + 32, "{} {}", kept.journal.bytes(), plain.journal.bytes());
    let then = kept.journal.cut_and_keep();
    assert_eq!((then.keep, plain.journal.cut().keep), (2, 2));
    kept.stored.truncate(then.keep as usize);
    kept.append(then.then);
    kept.reload();
    plain.cut();
    for bench in [&plain, &kept] {
        bench.answered(1, 1, "a");
        bench.fresh(2, 0, 0);
        bench.fresh(3, 2, 0);
        bench.fresh(3, 9, 1);
    }
    assert!(kept.journal.bytes() < plain.journal.bytes() + 32);
    assert_eq!(kept.journal.request(2), None, "it was cut off");
    // The next end takes its place, and does not keep it beside its own.
    let again = kept.journal.cut_and_keep();
    assert_eq!(again.keep, 2);
    assert!(again.then.unwrap().bytes.len() < 200);
}

#[test]
fn a_request_too_large_to_keep_is_left_out() {
    let mut bench = Bench::new();
    let before = bench.journal.bytes();
    bench.journal.asked(1, vec![0; 1 << 20]);
    assert_eq!(bench.journal.bytes(), before);
    for call in 0..1_000 {
        bench.journal.asked(call, vec![0; 64 << 10]);
    }
    let tail = bench.journal.tail().unwrap();
    assert!((7 << 20..9 << 20).contains(&tail.bytes.len()), "{}", tail.bytes.len());
}

/// A closed journal makes nothing: what has no answer in it ends the attempt.
#[test]
fn p6_a_closed_journal_answers_and_makes_nothing() {
    let mut bench = Bench::new();
    bench.effect(1, Verdict::Done, "a");
    bench.begin(2, Class::Repeatable);
    bench.reload();
    bench.journal.close();
    bench.answered(1, 1, "a");
    let unanswered = bench.journal.look_up(2, &what("POST"), &hash(2)).unwrap_err();
    assert!(unanswered.recorded.contains("no answer"), "{unanswered}");
    let beyond = bench.journal.look_up(3, &what("POST"), &hash(3)).unwrap_err();
    assert_eq!(
        beyond.to_string(),
        "non-determinism at call 3: recorded nothing: the recording has no such call, now http POST"
    );
}
