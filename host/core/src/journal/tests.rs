//! Tests of the journal: what is served, what is made again, what is cut.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::clock::Timestamp;
use crate::clock::fake::FakeClock;
use crate::grant::Capability;

fn clock() -> Arc<FakeClock> {
    Arc::new(FakeClock::default())
}

pub(super) fn what(text: &str) -> What {
    What { capability: Capability::Http, text: text.into() }
}

pub(super) fn hash(argument: u8) -> ArgumentHash {
    ArgumentHash::of([&[argument][..]])
}

fn load(chunks: &[Chunk]) -> Journal {
    Journal::load(clock(), chunks).unwrap()
}

/// A journal and the store it appends to.
pub(super) struct Bench {
    pub(super) journal: Journal,
    pub(super) stored: Vec<Chunk>,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self { journal: load(&[]), stored: Vec::new() }
    }

    pub(super) fn append(&mut self, chunk: Option<Chunk>) {
        if let Some(chunk) = chunk {
            assert_eq!(chunk.number as usize, self.stored.len(), "a gap in the chunks");
            self.stored.push(chunk);
        }
    }

    pub(super) fn begin(&mut self, argument: u8, class: Class) -> u32 {
        let call = self.journal.number();
        let found = self.journal.look_up(call, &what("POST"), &hash(argument)).unwrap();
        let (LookUp::Fresh { generation } | LookUp::Interrupted { generation }) = found else {
            panic!("call {call} is answered already: {found:?}")
        };
        let chunk = self.journal.intent(call, what("POST"), hash(argument), generation, class);
        self.append(Some(chunk));
        call
    }

    fn end(&mut self, call: u32, argument: u8, class: Class, verdict: Verdict, answer: &str) {
        let chunk = self.journal.result(call, what("POST"), hash(argument), class, verdict, 7, answer.into());
        self.append(chunk);
    }

    /// One call from its begin to its end, with a class that cannot be repeated.
    pub(super) fn effect(&mut self, argument: u8, verdict: Verdict, answer: &str) -> u32 {
        let call = self.begin(argument, Class::Unkeyed);
        self.end(call, argument, Class::Unkeyed, verdict, answer);
        call
    }

    pub(super) fn read(&mut self, answer: &str) -> u32 {
        let call = self.journal.number();
        let chunk = self.journal.result(call, what("GET"), hash(0), Class::Read, Verdict::Done, 1, answer.into());
        self.append(chunk);
        call
    }

    /// What the store does when the guest ended the attempt.
    pub(super) fn cut(&mut self) {
        let cut = self.journal.cut();
        self.stored.truncate(cut.keep as usize);
        self.append(cut.then);
        self.reload();
    }

    /// What the store has when the host stopped in order.
    fn keep(&mut self) {
        let tail = self.journal.tail();
        self.append(tail);
        self.reload();
    }

    pub(super) fn reload(&mut self) {
        self.journal = load(&self.stored);
    }

    fn look_up(&self, call: u32, argument: u8) -> LookUp {
        self.journal.look_up(call, &what("POST"), &hash(argument)).unwrap()
    }

    #[track_caller]
    pub(super) fn answered(&self, call: u32, argument: u8, expected: &str) {
        match self.look_up(call, argument) {
            LookUp::Answered { answer, .. } => assert_eq!(answer, expected.as_bytes()),
            other => panic!("call {call}: {other:?}"),
        }
    }

    #[track_caller]
    pub(super) fn fresh(&self, call: u32, argument: u8, generation: u32) {
        assert_eq!(self.look_up(call, argument), LookUp::Fresh { generation }, "call {call}");
    }
}

#[test]
fn every_record_reads_back() {
    let records = vec![
        Record::Intent { call: 1, what: what("POST"), hash: hash(1), generation: 2, class: Class::Unkeyed },
        Record::Result {
            call: 1,
            what: what("POST"),
            hash: hash(1),
            class: Class::Unkeyed,
            verdict: Verdict::InDoubt,
            took_ms: 3,
            answer: ByteBuf::from(vec![0, 255, 1]),
        },
        Record::Poll { of: 3, ready: vec![2, 0] },
        Record::Ready(true),
        Record::Block,
        Record::Time(Moment { monotonic_ms: 5, wall: Timestamp(-6) }),
        Record::Remaining(7),
        Record::Cut(vec![Reopened { call: 1, hash: hash(1), generation: 2 }]),
        Record::Asked { call: 1, request: ByteBuf::from(vec![255, 0]) },
        Record::Past(ByteBuf::from(vec![1, 2])),
    ];
    assert_eq!(decode(&Chunk { number: 0, bytes: encode(&records) }).unwrap(), records);
    assert_eq!(decode(&Chunk { number: 0, bytes: encode(&[]) }).unwrap(), []);
}

/// Logs on disk outlive the version that wrote them: these bytes must be read for ever.
#[test]
fn the_stored_form_stays() {
    let records = [Record::Poll { of: 2, ready: vec![1] }, Record::Ready(false), Record::Block];
    assert_eq!(
        data_encoding::HEXLOWER.encode(&encode(&records)),
        "0181a17082a16f02a17291 01 81a179c2a162".replace(' ', "")
    );
    let intent =
        Record::Intent { call: 1, what: what("GET /"), hash: ArgumentHash([9; 32]), generation: 0, class: Class::Read };
    let stored = data_encoding::HEXLOWER.encode(&encode(&[intent]));
    assert_eq!(
        stored,
        format!("0181a16985a16e01a17782a163a468747470a174a5474554202fa168c420{}a16700a16ba472656164", "09".repeat(32))
    );
}

#[test]
fn damaged_chunks_are_told() {
    let mut bench = Bench::new();
    bench.effect(1, Verdict::Done, "a");
    let whole = bench.stored.clone();
    for (at, problem) in [(0, "format"), (1, ""), (5, "")] {
        let mut bad = whole.clone();
        bad[1].bytes.pop();
        bad[1].bytes[at] = 0xc1;
        let corrupt = Journal::load(clock(), &bad).err().unwrap();
        assert_eq!(corrupt.chunk, 1);
        assert!(corrupt.problem.contains(problem), "{corrupt}");
    }
    let gap = Journal::load(clock(), &whole[1..]).err().unwrap();
    assert!(gap.to_string().contains("chunk 0 is missing"), "{gap}");
    assert!(decode(&Chunk { number: 0, bytes: vec![] }).is_err());
}

#[test]
fn an_answered_call_is_served_and_an_interrupted_one_keeps_its_generation() {
    let mut bench = Bench::new();
    bench.effect(1, Verdict::Done, "created");
    bench.begin(2, Class::Repeatable);
    bench.keep();
    bench.answered(1, 1, "created");
    assert_eq!(bench.look_up(2, 2), LookUp::Interrupted { generation: 0 });
    bench.fresh(3, 3, 0);
}

#[test]
fn p2_a_result_is_served_byte_for_byte() {
    let mut bench = Bench::new();
    let call = bench.begin(1, Class::Unkeyed);
    let answer: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let chunk = bench.journal.result(call, what("POST"), hash(1), Class::Unkeyed, Verdict::Refused, 9, answer.clone());
    bench.append(chunk);
    bench.keep();
    let found = bench.look_up(call, 1);
    assert_eq!(found, LookUp::Answered { verdict: Verdict::Refused, answer: ByteBuf::from(answer), took_ms: 9 });
}

/// Threat row 71: a guest that asks for something else is stopped, and told at which call.
#[test]
fn threat_071_another_call_than_recorded_is_non_determinism() {
    let mut bench = Bench::new();
    bench.effect(1, Verdict::Done, "a");
    bench.begin(2, Class::Unkeyed);
    bench.keep();
    let error = bench.journal.look_up(1, &what("DELETE"), &hash(9)).unwrap_err();
    assert_eq!(error.to_string(), "non-determinism at call 1: recorded http POST, now http DELETE");
    let error = bench.journal.look_up(2, &what("POST"), &hash(9)).unwrap_err();
    assert_eq!(error.to_string(), "non-determinism at call 2: recorded http POST, now http POST with other arguments");
}

/// Threat row 71: the same for the guest's own sequence.
#[test]
fn threat_071_another_sequence_than_recorded_is_non_determinism() {
    type Observe = fn(&mut Journal) -> Result<(), NonDeterminism>;
    let mut bench = Bench::new();
    bench.journal.number();
    bench.journal.polled(3, vec![2, 0]);
    bench.journal.asked_ready(true);
    bench.journal.blocked();
    bench.journal.remaining(5).unwrap();
    bench.keep();
    let stored = bench.stored;
    let all: [Observe; 6] = [
        |j| j.recorded_poll(3).map(|_| ()),
        |j| j.recorded_ready().map(|_| ()),
        |j| j.recorded_block().map(|_| ()),
        |j| j.remaining(0).map(|_| ()),
        |j| j.time().map(|_| ()),
        |j| j.recorded_poll(4).map(|_| ()),
    ];
    for right in 0..4 {
        for (wrong, act) in all.iter().enumerate() {
            let mut journal = load(&stored);
            journal.number();
            for served in &all[..right] {
                served(&mut journal).unwrap();
            }
            let result = act(&mut journal);
            assert_eq!(result.is_err(), wrong != right, "step {right}, asked for {wrong}");
            if let Err(error) = result {
                assert_eq!(error.call, 1);
            }
        }
    }
}

#[test]
fn what_lies_before_the_last_successful_effect_is_served_and_the_rest_is_made_again() {
    let mut bench = Bench::new();
    bench.read("before");
    bench.effect(2, Verdict::Refused, "404");
    bench.effect(3, Verdict::Done, "201");
    bench.read("behind");
    bench.effect(5, Verdict::Refused, "409");
    bench.cut();
    bench.answered(1, 0, "before");
    bench.answered(2, 2, "404");
    bench.answered(3, 3, "201");
    bench.fresh(4, 0, 0);
    bench.fresh(5, 5, 0);
}

#[test]
fn without_a_successful_effect_all_is_made_again() {
    let mut bench = Bench::new();
    bench.read("old");
    bench.effect(2, Verdict::InDoubt, "500");
    bench.journal.polled(1, vec![0]);
    bench.cut();
    bench.fresh(1, 0, 0);
    bench.fresh(2, 2, 0);
    assert!(!bench.journal.replaying());
}

#[test]
fn the_generation_grows_only_with_other_arguments() {
    let mut bench = Bench::new();
    bench.effect(1, Verdict::InDoubt, "500");
    bench.cut();
    bench.fresh(1, 1, 0);
    bench.fresh(1, 2, 1);
    bench.effect(2, Verdict::InDoubt, "500");
    bench.cut();
    bench.fresh(1, 2, 1);
    // The first arguments come back: their key would be known to the other side, with another answer.
    bench.fresh(1, 1, 2);
    bench.cut();
    bench.fresh(1, 2, 1);
}

/// Calls at once: the last success decides, and a call begun before it and answered behind is
/// made again.
#[test]
fn of_two_calls_at_once_the_one_that_succeeded_is_served() {
    let mut bench = Bench::new();
    let (one, two) = (bench.begin(1, Class::Repeatable), bench.begin(2, Class::Repeatable));
    bench.end(two, 2, Class::Repeatable, Verdict::Done, "201");
    bench.end(one, 1, Class::Repeatable, Verdict::InDoubt, "500");
    bench.cut();
    bench.fresh(1, 1, 0);
    bench.answered(2, 2, "201");
    assert_eq!(bench.journal.look_up(1, &what("POST"), &hash(9)).unwrap(), LookUp::Fresh { generation: 1 });
    // It is made again, and this time it works.
    let one = bench.begin(1, Class::Repeatable);
    bench.end(one, 1, Class::Repeatable, Verdict::Done, "202");
    bench.keep();
    bench.answered(1, 1, "202");
    bench.answered(2, 2, "201");
}

/// A call that failed before one cut and succeeded before the next is not made a third time.
#[test]
fn p2_a_reopened_call_that_succeeded_stays_answered() {
    let mut bench = Bench::new();
    bench.effect(1, Verdict::InDoubt, "500");
    bench.cut();
    bench.effect(1, Verdict::Done, "201");
    bench.effect(2, Verdict::InDoubt, "500");
    bench.cut();
    bench.answered(1, 1, "201");
    bench.fresh(2, 2, 0);
    bench.journal.number();
    bench.effect(2, Verdict::Done, "202");
    bench.cut();
    bench.answered(1, 1, "201");
    bench.answered(2, 2, "202");
}

/// A read in the place of a call that was reopened, before a success, is served as well.
#[test]
fn a_read_in_the_place_of_a_reopened_call_stays_answered() {
    let mut bench = Bench::new();
    bench.effect(1, Verdict::InDoubt, "500");
    bench.cut();
    bench.read("other");
    bench.effect(2, Verdict::Done, "201");
    bench.effect(3, Verdict::InDoubt, "500");
    bench.cut();
    bench.answered(1, 0, "other");
}

#[test]
fn calls_on_our_own_store_are_recorded_by_the_store() {
    let mut bench = Bench::new();
    let call = bench.journal.number();
    bench.journal.asked_ready(true);
    let mut chunk = bench.journal.begin_local();
    encode_result(&mut chunk, call, what("kv set a"), hash(1), Verdict::Done, b"done");
    bench.journal.end_local(chunk.number, call, what("kv set a"), hash(1), Verdict::Done, b"done".to_vec());
    bench.append(Some(chunk));
    bench.effect(2, Verdict::InDoubt, "500");
    bench.cut();
    bench.answered(1, 1, "done");
    bench.fresh(2, 2, 0);
    assert_eq!(bench.journal.recorded_ready(), Ok(Some(true)));
}

#[test]
fn a_call_that_may_have_happened_is_found() {
    let mut bench = Bench::new();
    bench.effect(1, Verdict::Done, "201");
    assert_eq!(bench.journal.in_doubt(), None);
    bench.begin(2, Class::Unkeyed);
    assert_eq!(bench.journal.in_doubt().map(|(call, _)| call), Some(2));
    bench.end(2, 2, Class::Unkeyed, Verdict::NotExecuted, "503");
    assert_eq!(bench.journal.in_doubt(), None);
    let repeatable = bench.begin(3, Class::Repeatable);
    bench.end(repeatable, 3, Class::Repeatable, Verdict::InDoubt, "500");
    assert_eq!(bench.journal.in_doubt(), None);
    bench.effect(4, Verdict::InDoubt, "500");
    bench.effect(5, Verdict::InDoubt, "500");
    assert_eq!(bench.journal.in_doubt().map(|(call, _)| call), Some(4));
}

#[test]
fn reads_wait_for_the_next_chunk_unless_much_is_waiting() {
    let mut bench = Bench::new();
    bench.read("small");
    assert_eq!(bench.stored.len(), 0);
    bench.read(&"x".repeat(70_000));
    assert_eq!(bench.stored.len(), 1);
    bench.read("small");
    bench.begin(4, Class::Unkeyed);
    assert_eq!(bench.stored.len(), 2);
    assert_eq!(bench.journal.tail(), None);
    let stored: u64 = bench.stored.iter().map(|chunk| chunk.bytes.len() as u64).sum();
    assert_eq!(bench.journal.bytes(), stored + 1);
    assert_eq!(load(&bench.stored).bytes(), stored + 1);
}

#[test]
fn time_stands_still_between_polls() {
    let clock = clock();
    let mut journal = Journal::load(clock.clone(), &[]).unwrap();
    let first = journal.time().unwrap();
    clock.advance(Duration::from_millis(500));
    assert_eq!(journal.time().unwrap(), first);
    journal.recorded_poll(1).unwrap();
    journal.polled(1, vec![0]);
    let second = journal.time().unwrap();
    assert_eq!(second.monotonic_ms, first.monotonic_ms + 500);
    assert_eq!(second.wall, first.wall.plus(Duration::from_millis(500)));
    clock.advance(Duration::from_millis(1));
    journal.recorded_block().unwrap();
    assert_eq!(journal.time().unwrap().monotonic_ms, 501);
}

#[test]
fn every_256th_reading_in_a_row_is_fresh() {
    let clock = clock();
    let mut journal = Journal::load(clock.clone(), &[]).unwrap();
    let mut read = || {
        clock.advance(Duration::from_millis(1));
        journal.time().unwrap().monotonic_ms
    };
    let readings: Vec<u64> = (0..600).map(|_| read()).collect();
    let fresh: Vec<usize> = (1..600).filter(|at| readings[*at] != readings[at - 1]).map(|at| at + 1).collect();
    assert_eq!(fresh, [256, 512]);
    // And they are served the same.
    let chunk = journal.tail().unwrap();
    let mut again = load(&[chunk]);
    assert_eq!((0..600).map(|_| again.time().unwrap().monotonic_ms).collect::<Vec<_>>(), readings);
}

#[test]
fn after_the_record_time_runs_on_and_never_back() {
    let first = clock();
    let mut journal = Journal::load(first.clone(), &[]).unwrap();
    first.advance(Duration::from_secs(30));
    let recorded = journal.time().unwrap();
    let stored = vec![journal.tail().unwrap()];

    let second = clock();
    second.set_wall(recorded.wall.minus(Duration::from_secs(3600)));
    let mut journal = Journal::load(second.clone(), &stored).unwrap();
    second.advance(Duration::from_secs(100));
    assert_eq!(journal.guest_monotonic_ms(), 0, "nothing is served yet");
    assert_eq!(journal.time().unwrap(), recorded);
    assert!(!journal.replaying());
    assert_eq!(journal.guest_monotonic_ms(), 30_000, "the replay itself takes no time");
    second.advance(Duration::from_millis(7));
    journal.recorded_poll(1).unwrap();
    let live = journal.time().unwrap();
    assert_eq!(live.monotonic_ms, 30_007);
    assert_eq!(live.wall, recorded.wall, "the wall clock was set back; the guest's was not");
}

/// What a scripted guest does. It does the same in every attempt, whatever it is answered.
#[derive(Clone, Debug)]
enum Step {
    Begin(Class),
    End(usize),
    Poll(u32),
    Ready,
    Block,
    Time(u32),
    Remaining,
}

/// What it saw.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Answer(u32, Vec<u8>),
    Own(String),
}

struct Pending {
    call: u32,
    class: Class,
    served: Option<Vec<u8>>,
}

/// The outside, which answers never twice the same.
struct World {
    verdicts: Vec<Verdict>,
    answers: u64,
    sent: Vec<(u32, u32, Class, Verdict)>,
}

impl World {
    fn new(verdicts: Vec<Verdict>) -> Self {
        Self { verdicts, answers: 0, sent: Vec::new() }
    }

    fn answer(&mut self) -> u64 {
        self.answers += 1;
        self.answers
    }

    fn verdict(&self) -> Verdict {
        self.verdicts[self.sent.len() % self.verdicts.len()]
    }
}

struct Attempt<'a> {
    bench: &'a mut Bench,
    clock: Arc<FakeClock>,
    world: &'a mut World,
    pending: Vec<Pending>,
    generations: BTreeMap<u32, u32>,
    seen: Vec<Seen>,
}

impl<'a> Attempt<'a> {
    fn run(bench: &'a mut Bench, world: &'a mut World, script: &[Step]) -> Vec<Seen> {
        let clock = clock();
        clock.advance(Duration::from_millis(world.answer()));
        bench.journal = Journal::load(clock.clone(), &bench.stored).unwrap();
        let mut attempt =
            Self { bench, clock, world, pending: Vec::new(), generations: BTreeMap::new(), seen: Vec::new() };
        for step in script {
            attempt.step(step);
        }
        while !attempt.pending.is_empty() {
            attempt.end(0);
        }
        attempt.seen
    }

    fn step(&mut self, step: &Step) {
        self.clock.advance(Duration::from_millis(self.world.answer() % 50));
        let journal = &mut self.bench.journal;
        let seen = match *step {
            Step::Begin(class) => return self.begin(class),
            Step::End(which) => {
                if !self.pending.is_empty() {
                    self.end(which % self.pending.len());
                }
                return;
            }
            Step::Poll(of) => {
                let ready = journal.recorded_poll(of).unwrap();
                let ready = ready.unwrap_or_else(|| {
                    let ready = vec![self.world.answer() as u32 % of.max(1)];
                    journal.polled(of, ready.clone());
                    ready
                });
                format!("{ready:?}")
            }
            Step::Ready => {
                let ready = journal.recorded_ready().unwrap().unwrap_or_else(|| {
                    let ready = self.world.answer().is_multiple_of(2);
                    journal.asked_ready(ready);
                    ready
                });
                format!("{ready}")
            }
            Step::Block => {
                if !journal.recorded_block().unwrap() {
                    journal.blocked();
                }
                "blocked".into()
            }
            Step::Time(times) => format!("{:?}", (0..times).map(|_| journal.time().unwrap()).last()),
            Step::Remaining => format!("{}", journal.remaining(self.world.answer() as u32).unwrap()),
        };
        self.seen.push(Seen::Own(seen));
    }

    fn begin(&mut self, class: Class) {
        let journal = &mut self.bench.journal;
        let call = journal.number();
        let served = match journal.look_up(call, &what("POST"), &hash(call as u8)).unwrap() {
            LookUp::Answered { answer, .. } => Some(answer.into_vec()),
            LookUp::Fresh { generation } | LookUp::Interrupted { generation } => {
                self.generations.insert(call, generation);
                if matches!(class, Class::Repeatable | Class::Unkeyed) {
                    let chunk = journal.intent(call, what("POST"), hash(call as u8), generation, class);
                    self.bench.append(Some(chunk));
                }
                None
            }
        };
        self.pending.push(Pending { call, class, served });
    }

    fn end(&mut self, which: usize) {
        let Pending { call, class, served } = self.pending.remove(which);
        let answer = served.unwrap_or_else(|| {
            let verdict = if class == Class::Read { Verdict::Done } else { self.world.verdict() };
            let answer = self.world.answer().to_le_bytes().to_vec();
            self.world.sent.push((call, self.generations[&call], class, verdict));
            let journal = &mut self.bench.journal;
            let (what, hash) = (what("POST"), hash(call as u8));
            let chunk = if class == Class::Local {
                let mut chunk = journal.begin_local();
                encode_result(&mut chunk, call, what.clone(), hash, verdict, &answer);
                journal.end_local(chunk.number, call, what, hash, verdict, answer.clone());
                Some(chunk)
            } else {
                journal.result(call, what, hash, class, verdict, 1, answer.clone())
            };
            self.bench.append(chunk);
            answer
        });
        self.seen.push(Seen::Answer(call, answer));
    }
}

fn classes() -> impl Strategy<Value = Class> {
    prop::sample::select(vec![Class::Read, Class::Local, Class::Repeatable, Class::Unkeyed])
}

fn scripts() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => classes().prop_map(Step::Begin),
        4 => (0usize..4).prop_map(Step::End),
        2 => (1u32..4).prop_map(Step::Poll),
        1 => Just(Step::Ready),
        1 => Just(Step::Block),
        2 => (1u32..300).prop_map(Step::Time),
        1 => Just(Step::Remaining),
    ];
    prop::collection::vec(step, 1..30)
}

fn verdicts() -> impl Strategy<Value = Vec<Verdict>> {
    let verdict = prop::sample::select(vec![Verdict::Done, Verdict::Refused, Verdict::NotExecuted, Verdict::InDoubt]);
    prop::collection::vec(verdict, 1..20)
}

/// The results in these chunks, and how many records of the guest's own sequence.
fn recorded(chunks: &[Chunk]) -> (BTreeMap<u32, Vec<u8>>, Vec<Record>) {
    let mut results = BTreeMap::new();
    let mut own = Vec::new();
    for record in chunks.iter().flat_map(|chunk| decode(chunk).unwrap()) {
        match record {
            Record::Result { call, answer, .. } => drop(results.insert(call, answer.into_vec())),
            Record::Intent { .. } | Record::Cut(_) => {}
            record => own.push(record),
        }
    }
    (results, own)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Killed after any chunk: what is recorded is served and not sent, and the continued log replays
    /// whole, without a single call.
    #[test]
    fn p6_a_log_cut_at_any_chunk_replays_its_prefix(script in scripts(), verdicts in verdicts()) {
        let mut bench = Bench::new();
        let mut world = World::new(verdicts);
        let first = Attempt::run(&mut bench, &mut world, &script);
        bench.keep();
        let whole = bench.stored.clone();
        for kept in 0..=whole.len() {
            let mut bench = Bench { journal: load(&[]), stored: whole[..kept].to_vec() };
            let (results, own) = recorded(&bench.stored);
            world.sent.clear();
            let second = Attempt::run(&mut bench, &mut world, &script);
            for (call, answer) in &results {
                prop_assert!(second.contains(&Seen::Answer(*call, answer.clone())), "call {call} was answered otherwise");
            }
            let sent: BTreeSet<u32> = world.sent.iter().map(|sent| sent.0).collect();
            prop_assert!(sent.is_disjoint(&results.keys().copied().collect()));
            prop_assert!(world.sent.iter().all(|sent| sent.1 == 0), "the same arguments carry the same key");
            if kept == whole.len() {
                prop_assert_eq!(&second, &first);
            }
            bench.keep();
            // The log that went on begins with the one that was kept.
            prop_assert_eq!(&recorded(&bench.stored).1[..own.len()], &own[..]);
            world.sent.clear();
            let third = Attempt::run(&mut bench, &mut world, &script);
            prop_assert_eq!(third, second);
            prop_assert!(world.sent.is_empty());
        }
    }

    /// However often a guest fails, and wherever: an effect that succeeded is never made again, and
    /// the same call carries the same key.
    #[test]
    fn p2_no_success_is_made_twice_over_many_attempts(
        script in scripts(),
        verdicts in verdicts(),
        ends in prop::collection::vec((0usize..30, any::<bool>()), 1..8),
    ) {
        let mut bench = Bench::new();
        let mut world = World::new(verdicts);
        for (steps, interrupted) in ends {
            let part = &script[..steps.min(script.len())];
            let before = bench.stored.clone();
            Attempt::run(&mut bench, &mut world, part);
            if interrupted {
                // Killed: what was buffered is lost, and so may be the last chunks of this attempt.
                let most = bench.stored.len() - before.len();
                bench.stored.truncate(before.len() + most.min(steps));
                let (results, _) = recorded(&bench.stored);
                // What the log lost is in doubt: not for this property.
                world.sent.retain(|sent| results.contains_key(&sent.0));
            } else {
                bench.cut();
            }
        }
        Attempt::run(&mut bench, &mut world, &script);
        let mut done = BTreeSet::new();
        for (call, generation, class, verdict) in world.sent {
            prop_assert_eq!(generation, 0);
            if class != Class::Read && verdict == Verdict::Done {
                prop_assert!(done.insert(call), "call {} succeeded twice", call);
            }
        }
    }
}

/// A relaxed run records nothing, and what it was told is known within its attempt all the same.
#[test]
fn a_relaxed_journal_has_no_chunks() {
    let clock: Arc<dyn Clock> = Arc::new(FakeClock::default());
    let mut journal = Journal::load(clock, &[]).unwrap().relaxed();
    let call = journal.number();
    let what = What { capability: Capability::Http, text: "POST api /a".into() };
    let hash = ArgumentHash::of([b"a".as_slice()]);
    assert!(journal.intent(call, what.clone(), hash, 0, Class::Unkeyed).bytes.is_empty());
    let chunk = journal.result(call, what.clone(), hash, Class::Unkeyed, Verdict::InDoubt, 1, vec![1]);
    assert!(chunk.is_none_or(|chunk| chunk.bytes.is_empty()));
    let mut local = journal.begin_local();
    encode_result(&mut local, 2, what, hash, Verdict::Done, &[2]);
    assert!(local.bytes.is_empty());
    journal.time().unwrap();
    assert_eq!(journal.tail(), None);
    assert_eq!(journal.cut(), Cut { keep: 0, then: None });
    assert!(journal.in_doubt().is_some(), "the host was there when the answer did not come");
}
