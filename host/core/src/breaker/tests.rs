//! Tables and properties of the breaker.

use proptest::prelude::*;

use super::*;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn settings() -> Settings {
    Settings { failures: 3, first: ms(1_000), longest: ms(8_000), ..Settings::default() }
}

fn go(answer: Answer) -> Pass {
    match answer {
        Answer::Go { pass, .. } => pass,
        Answer::Hold { .. } => panic!("{answer:?}"),
    }
}

fn held(answer: Answer) -> (Duration, Why) {
    match answer {
        Answer::Hold { back_in, why } => (back_in, why),
        Answer::Go { .. } => panic!("{answer:?}"),
    }
}

/// One call that found it like this.
fn call(breaker: &mut Breaker, now: Duration, health: Health) {
    let pass = go(breaker.ask(now, Duration::ZERO));
    breaker.report(now, pass, health, None);
}

fn opened(now: Duration) -> Breaker {
    let mut breaker = Breaker::new(settings());
    for _ in 0..3 {
        call(&mut breaker, now, Health::Unwell);
    }
    assert_eq!(breaker.word(now), Word::Open);
    breaker
}

#[test]
fn failures_in_a_row_open_it_and_one_success_between_does_not() {
    let mut breaker = Breaker::new(settings());
    for health in [Health::Unwell, Health::Unwell, Health::Well, Health::Unwell, Health::Unknown, Health::Unwell] {
        call(&mut breaker, ms(0), health);
        assert_eq!(breaker.word(ms(0)), Word::Closed, "{health:?}");
    }
    call(&mut breaker, ms(0), Health::Unwell);
    assert_eq!(breaker.word(ms(0)), Word::Open);
    assert_eq!(held(breaker.ask(ms(100), ms(5_000))), (ms(900), Why::Open { failures: 3 }));
    assert_eq!((breaker.view(ms(100)).held, breaker.view(ms(100)).opened), (1, 1));
    assert_eq!(breaker.view(ms(100)).next_in, Some(ms(900)));
}

#[test]
fn one_call_at_a_time_looks_whether_it_is_back() {
    let mut breaker = opened(ms(0));
    let probe = go(breaker.ask(ms(1_000), Duration::ZERO));
    assert!(probe.is_probe());
    assert_eq!(held(breaker.ask(ms(1_000), Duration::ZERO)).1, Why::Probing);
    // It went away without having seen anything: the next one looks.
    breaker.report(ms(1_100), probe, Health::Unknown, None);
    let probe = go(breaker.ask(ms(1_100), Duration::ZERO));
    breaker.report(ms(1_200), probe, Health::Well, None);
    assert_eq!(breaker.word(ms(1_200)), Word::Closed);
    assert!(!go(breaker.ask(ms(1_200), Duration::ZERO)).is_probe());
}

#[test]
fn the_pause_doubles_while_it_stays_away_and_begins_anew_once_it_was_well_for_a_while() {
    let mut breaker = opened(ms(0));
    let mut now = ms(0);
    for pause in [1_000, 2_000, 4_000, 8_000, 8_000] {
        assert_eq!(breaker.view(now).next_in, Some(ms(pause)));
        now += ms(pause);
        call(&mut breaker, now, Health::Unwell);
    }
    now += ms(8_000);
    call(&mut breaker, now, Health::Well);
    // Away again after a single success: the pause goes on from where it was.
    for _ in 0..3 {
        call(&mut breaker, now, Health::Unwell);
    }
    assert_eq!(breaker.view(now).next_in, Some(ms(8_000)));
    now += ms(8_000);
    for _ in 0..3 {
        call(&mut breaker, now, Health::Well);
    }
    for _ in 0..3 {
        call(&mut breaker, now, Health::Unwell);
    }
    assert_eq!(breaker.view(now).next_in, Some(ms(1_000)));
}

#[test]
fn what_a_call_from_before_found_moves_nothing() {
    let mut breaker = Breaker::new(settings());
    let early: Vec<Pass> = (0..5).map(|_| go(breaker.ask(ms(0), Duration::ZERO))).collect();
    for pass in &early[..3] {
        breaker.report(ms(10), *pass, Health::Unwell, None);
    }
    breaker.report(ms(20), early[3], Health::Well, None);
    assert_eq!(breaker.word(ms(20)), Word::Open);
    let probe = go(breaker.ask(ms(1_010), Duration::ZERO));
    breaker.report(ms(1_020), early[4], Health::Unwell, None);
    assert_eq!(breaker.word(ms(1_020)), Word::HalfOpen);
    breaker.report(ms(1_030), probe, Health::Well, None);
    assert_eq!(breaker.word(ms(1_030)), Word::Closed);
}

#[test]
fn what_the_other_side_asks_for_is_honoured() {
    let mut breaker = Breaker::new(settings());
    let pass = go(breaker.ask(ms(0), Duration::ZERO));
    breaker.report(ms(0), pass, Health::Busy, Some(ms(30_000)));
    assert_eq!((breaker.word(ms(1)), breaker.view(ms(1)).failures), (Word::Paused, 0));
    assert_eq!(held(breaker.ask(ms(10_000), ms(5_000))), (ms(20_000), Why::Paused));
    assert_eq!(breaker.word(ms(30_000)), Word::Closed);
    go(breaker.ask(ms(30_000), Duration::ZERO));
    // A day is more than anybody should be believed.
    let pass = go(breaker.ask(ms(30_000), Duration::ZERO));
    breaker.report(ms(30_000), pass, Health::Busy, Some(Duration::from_secs(86_400)));
    assert_eq!(breaker.view(ms(30_000)).next_in, Some(LONGEST_PAUSE));
    // Busy without a word when to come back counts like not being well.
    let mut breaker = Breaker::new(settings());
    for _ in 0..3 {
        call(&mut breaker, ms(0), Health::Busy);
    }
    assert_eq!(breaker.word(ms(0)), Word::Open);
}

#[test]
fn those_that_are_held_come_back_one_after_the_other() {
    let mut breaker = opened(ms(0));
    let places: Vec<Duration> = (0..1_000).map(|_| held(breaker.ask(ms(0), Duration::ZERO)).0).collect();
    assert_eq!(places[0], ms(1_000));
    assert!(places.windows(2).all(|two| two[1] - two[0] == GAP), "{places:?}");
    // The line has an end.
    let far = (0..20_000).map(|_| held(breaker.ask(ms(0), Duration::ZERO)).0).max().unwrap();
    assert!(far <= ms(1_000) + LONGEST_LINE + GAP, "{far:?}");
}

#[test]
fn a_rate_lets_a_burst_through_and_then_spaces() {
    let mut breaker = Breaker::new(Settings { interval: Some(ms(100)), burst: 3, failures: 0, ..Settings::default() });
    let waits: Vec<Duration> = (0..5)
        .map(|_| match breaker.ask(ms(0), ms(250)) {
            Answer::Go { wait, .. } => wait,
            Answer::Hold { .. } => panic!("held"),
        })
        .collect();
    assert_eq!(waits, [ms(0), ms(0), ms(0), ms(100), ms(200)]);
    assert_eq!(held(breaker.ask(ms(0), ms(250))), (ms(300), Why::Rate));
    assert_eq!(held(breaker.ask(ms(0), ms(250))), (ms(400), Why::Rate), "the next place in the line");
    // What was held took nothing: 100 ms later the same wait is short enough.
    assert!(matches!(breaker.ask(ms(100), ms(250)), Answer::Go { wait, .. } if wait == ms(200)));
}

#[test]
fn switched_off_it_never_opens() {
    let mut breaker = opened(ms(0));
    breaker.set(Settings { failures: 0, ..settings() });
    for _ in 0..100 {
        call(&mut breaker, ms(0), Health::Unwell);
    }
    assert_eq!(breaker.word(ms(0)), Word::Closed);
}

#[test]
fn set_up_differently_it_begins_anew() {
    let mut breaker = opened(ms(0));
    held(breaker.ask(ms(0), Duration::ZERO));
    let probe = go(breaker.ask(ms(1_000), Duration::ZERO));
    breaker.forget(settings());
    assert_eq!((breaker.word(ms(1_000)), breaker.view(ms(1_000)).held), (Word::Closed, 1));
    // The old probe has nothing to say about the new side.
    breaker.report(ms(1_000), probe, Health::Unwell, None);
    assert_eq!(breaker.word(ms(1_000)), Word::Closed);
}

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Ask(u64),
    Report(usize, Health, Option<u64>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let health = prop::sample::select(vec![Health::Well, Health::Unwell, Health::Busy, Health::Unknown]);
    let step = prop_oneof![
        (0..3_000_u64).prop_map(Step::Pass),
        (0..500_u64).prop_map(Step::Ask),
        (any::<usize>(), health, prop::option::of(0..5_000_u64)).prop_map(|(at, h, r)| Step::Report(at, h, r)),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever happens: one probe at a time, no call while it is open or paused, never more calls than
    /// the rate allows, and a held call has a time to come back that lies ahead.
    #[test]
    fn no_order_of_things_breaks_its_rules(steps in steps(), rate in prop::option::of(20_u64..400), burst in 1_u32..5) {
        let settings = Settings { interval: rate.map(ms), burst, ..settings() };
        let mut breaker = Breaker::new(settings);
        let (mut now, mut out, mut left) = (ms(0), Vec::<Pass>::new(), Vec::<Duration>::new());
        for step in steps {
            match step {
                Step::Pass(millis) => now += ms(millis),
                Step::Ask(patience) => {
                    let word = breaker.word(now);
                    match breaker.ask(now, ms(patience)) {
                        Answer::Go { wait, pass } => {
                            prop_assert!(matches!(word, Word::Closed | Word::HalfOpen), "{word:?}");
                            prop_assert_eq!(pass.is_probe(), word == Word::HalfOpen);
                            prop_assert!(wait <= ms(patience));
                            out.push(pass);
                            left.push(now + wait);
                        }
                        Answer::Hold { back_in, why } => {
                            prop_assert!(back_in > Duration::ZERO && back_in <= LONGEST_PAUSE + LONGEST_LINE + GAP);
                            prop_assert!(word != Word::Closed || why == Why::Rate, "{word:?} {why:?}");
                        }
                    }
                }
                Step::Report(at, health, asked) if !out.is_empty() => {
                    let pass = out.swap_remove(at % out.len());
                    let before = breaker.word(now);
                    breaker.report(now, pass, health, asked.map(ms));
                    if pass.is_probe() && before == Word::HalfOpen && health == Health::Well && asked.is_none() {
                        prop_assert_eq!(breaker.word(now), Word::Closed);
                    }
                }
                Step::Report(..) => {}
            }
            prop_assert!(out.iter().filter(|pass| pass.is_probe()).count() <= 1);
        }
        if let Some(rate) = rate {
            left.sort();
            let most = burst as usize;
            for window in left.windows(most + 1) {
                prop_assert!(window[most] - window[0] >= ms(rate), "{window:?}");
            }
        }
    }
}
