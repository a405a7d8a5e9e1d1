//! The ledger: what the other side did, what clients and guests were told, and whatever breaks a promise.
//!
//! It is independent of the host: it knows the invariants and nothing of how they are kept.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jackfield_core::artifact::Digest;
use jackfield_core::clock::Clock as _;
use jackfield_core::ids::{RunId, VersionNumber};
use jackfield_core::journal::{self, Chunk, Class, Record, Verdict};
use jackfield_core::lock::locked;

use crate::simulation::net::Sent;
use crate::simulation::time::Time;

/// A call of a run: its number is the guest's own.
pub(crate) type Call = (RunId, u32);

/// Something the other side did.
#[derive(Clone, Debug)]
pub(crate) struct Effect {
    pub(crate) keyed: bool,
    pub(crate) method: String,
}

/// A successful effect, as a guest saw it.
#[derive(Clone, Debug)]
struct Seen {
    /// None: only the journal says so.
    arguments: Option<String>,
    /// As `arguments`.
    answer: Option<String>,
    boot: u64,
    refusals: u64,
    /// Its result is on disk for certain.
    recorded: bool,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) broken: Vec<String>,
    /// Counts processes.
    pub(crate) boot: u64,
    /// Commits that the store refused: what was on its way to disk then may not be there.
    pub(crate) refusals: u64,
    /// Nothing can be written now.
    pub(crate) full: bool,
    pub(crate) effects: BTreeMap<Call, Vec<Effect>>,
    /// The keys of what was sent, each time it was.
    pub(crate) sends: BTreeMap<Call, Vec<Option<String>>>,
    keys: HashMap<(Call, String), String>,
    seen: HashMap<Call, Seen>,
    fences: HashMap<RunId, u64>,
    attempts: HashMap<String, (RunId, u64)>,
    artifacts: HashMap<VersionNumber, Digest>,
    counted: HashSet<Call>,
    /// Runs that somebody was told are not attempted again, and how far they were then.
    pub(crate) over: HashMap<RunId, u64>,
    /// How often a person said that a call in doubt may be made again.
    pub(crate) decided: HashMap<RunId, u64>,
    /// Runs whose guest asks for other things each time.
    pub(crate) fickle: HashSet<RunId>,
    /// What each run was to handle.
    pub(crate) inputs: HashMap<String, String>,
    /// The next guest is dropped after so many polls.
    pub(crate) drop_after: Option<u32>,
}

impl Book {
    /// The newest fence with which an attempt of a run began.
    pub(crate) fn fence(&self, run: RunId) -> u64 {
        self.fences.get(&run).copied().unwrap_or_default()
    }
}

/// The one ledger of a world.
#[derive(Clone)]
pub(crate) struct Ledger {
    book: Arc<Mutex<Book>>,
    trace: Arc<Mutex<Trace>>,
    time: Arc<Time>,
}

impl Ledger {
    pub(crate) fn new(time: Arc<Time>, keep: bool) -> Self {
        let trace = Trace { keep, ..Trace::default() };
        Self { book: Arc::default(), trace: Arc::new(Mutex::new(trace)), time }
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        locked(&self.book)
    }

    /// Adds a line to the trace.
    pub(crate) fn say(&self, line: fmt::Arguments<'_>) {
        let now = self.time.monotonic();
        locked(&self.trace).add(now, line);
    }

    /// Says what broke.
    pub(crate) fn broke(&self, what: String) {
        self.say(format_args!("BROKEN {what}"));
        self.book().broken.push(what);
    }

    /// The trace so far: its sum, and its lines if they are kept.
    pub(crate) fn trace(&self) -> (u64, Vec<String>) {
        let trace = locked(&self.trace);
        (trace.sum, trace.lines.clone())
    }

    /// An attempt begins.
    pub(crate) fn begins(&self, attempt: &Begins<'_>) {
        let Begins { run, fence, artifact, version, boot, .. } = *attempt;
        self.say(format_args!("attempt {run} fence {fence} boot {boot}"));
        let mut broken = Vec::new();
        {
            let mut book = self.book();
            if boot != book.boot {
                // Of a process that has been replaced: whatever it does, its writes are refused.
                return;
            }
            let known = book.fences.insert(run, fence).unwrap_or_default();
            if fence <= known {
                broken.push(format!("I4: run {run} was claimed with fence {fence} after {known}"));
            }
            book.attempts.insert(attempt.trace.to_owned(), (run, fence));
            if *book.artifacts.entry(version).or_insert(artifact) != artifact {
                broken.push(format!("P1: run {run} of version {version} is executed with another version's artifact"));
            }
            if book.over.get(&run).is_some_and(|over| *over < fence) {
                broken.push(format!("I8: run {run} is attempted again after somebody was told that it is not"));
            }
            if book.inputs.get(attempt.event).is_some_and(|data| data != attempt.data) {
                broken.push(format!("I7: run {run} is handed another input"));
            }
            if attempt.fickle {
                book.fickle.insert(run);
            }
            // Whatever the attempt before saw is on disk: it ended in this process, and no commit failed.
            let (refusals, full) = (book.refusals, book.full);
            let sure = |seen: &Seen| seen.boot == boot && seen.refusals == refusals && !full;
            book.seen.retain(|(of, _), seen| *of != run || seen.recorded || sure(seen));
            book.seen.iter_mut().filter(|((of, _), _)| *of == run).for_each(|(_, seen)| seen.recorded = true);
        }
        broken.into_iter().for_each(|what| self.broke(what));
    }

    /// A guest was answered. `effect`: it asked for one, and this answer says that it was done.
    pub(crate) fn answered(&self, call: Call, boot: u64, arguments: &str, answer: &str, effect: bool) {
        self.say(format_args!("answered {} call {} {answer}", call.0, call.1));
        let mut broken = Vec::new();
        {
            let mut book = self.book();
            if effect && !book.effects.contains_key(&call) {
                broken.push(format!("I1: call {} of run {} was answered as done and never was", call.1, call.0));
            }
            let (refusals, live) = (book.refusals, boot == book.boot);
            match book.seen.get_mut(&call) {
                // A process that was replaced and does not know it: what its guests hear reaches nobody.
                Some(seen) if seen.recorded && live => {
                    if *seen.arguments.get_or_insert_with(|| arguments.to_owned()) != arguments {
                        broken.push(format!(
                            "I6: call {} of run {} asked for something else and was answered from the record",
                            call.1, call.0
                        ));
                    }
                    let first = seen.answer.get_or_insert_with(|| answer.to_owned());
                    if first != answer {
                        broken.push(format!(
                            "I6: call {} of run {} was answered `{first}`, then `{answer}`",
                            call.1, call.0
                        ));
                    }
                }
                _ if effect && live => {
                    let (arguments, answer) = (Some(arguments.to_owned()), Some(answer.to_owned()));
                    book.seen.insert(call, Seen { arguments, answer, boot, refusals, recorded: false });
                }
                _ => {}
            }
        }
        broken.into_iter().for_each(|what| self.broke(what));
    }

    /// Our own effect was answered: each adds one to a counter of its own.
    pub(crate) fn counted(&self, call: Call, fence: u64, sum: i64) {
        self.say(format_args!("counted {} call {} to {sum}", call.0, call.1));
        if sum != 1 {
            self.broke(format!("I2: call {} of run {} on our own store was made {sum} times", call.1, call.0));
        }
        let late = {
            let mut book = self.book();
            let newest = book.fence(call.0);
            if book.counted.insert(call) && newest > fence { Some(newest) } else { None }
        };
        if let Some(newest) = late {
            self.broke(format!("I4: a write of run {} with fence {fence} was taken after {newest}", call.0));
        }
    }

    /// A request leaves.
    pub(crate) fn sent(&self, sent: &Sent) {
        let ((run, number), method) = (sent.call, &sent.method);
        self.say(format_args!("sent {run} call {number} {method} {}", sent.key.as_deref().unwrap_or("-")));
        if method == "GET" {
            return;
        }
        let mut broken = Vec::new();
        {
            let mut book = self.book();
            book.sends.entry(sent.call).or_default().push(sent.key.clone());
            let owner = book.attempts.get(&sent.trace).is_some_and(|(run, fence)| book.fences.get(run) == Some(fence));
            if owner && book.seen.get(&sent.call).is_some_and(|seen| seen.recorded) {
                broken.push(format!("I2: call {number} of run {run} has a recorded result and is made again"));
            }
            if let (true, Some(key)) = (sent.keyed, &sent.key) {
                let arguments = (sent.call, format!("{method} {}", String::from_utf8_lossy(&sent.body)));
                let first = book.keys.entry(arguments).or_insert_with(|| key.clone());
                if first != key {
                    broken.push(format!("I3: call {number} of run {run} is repeated with another key"));
                }
            }
        }
        broken.into_iter().for_each(|what| self.broke(what));
    }

    /// The other side did it.
    pub(crate) fn done(&self, call: Call, effect: Effect) {
        self.say(format_args!("done {} call {} {}", call.0, call.1, effect.method));
        let unkeyed = !effect.keyed && effect.method == "POST";
        let (times, allowed) = {
            let mut book = self.book();
            let allowed = 1 + book.decided.get(&call.0).copied().unwrap_or_default();
            let all = book.effects.entry(call).or_default();
            all.push(effect);
            (all.len() as u64, allowed)
        };
        if unkeyed && times > allowed {
            self.broke(format!("I3: call {} of run {} has no key and was executed {times} times", call.1, call.0));
        }
    }

    /// A process is gone; these journals are on disk.
    pub(crate) fn rebooted(&self, journals: &[(RunId, Vec<Chunk>)]) {
        let mut book = self.book();
        book.boot += 1;
        let mut recorded = HashSet::new();
        for (run, chunks) in journals {
            for record in chunks.iter().flat_map(|chunk| journal::decode(chunk).expect("a journal reads")) {
                if let Record::Result {
                    call, class: Class::Repeatable | Class::Unkeyed, verdict: Verdict::Done, ..
                } = record
                {
                    recorded.insert((*run, call));
                }
            }
        }
        book.seen.retain(|call, seen| seen.recorded || recorded.contains(call));
        let (boot, refusals) = (book.boot, book.refusals);
        for call in recorded {
            let seen = Seen { arguments: None, answer: None, boot, refusals, recorded: true };
            book.seen.entry(call).or_insert(seen).recorded = true;
        }
    }

    /// The calls of a run whose results are on disk for certain.
    pub(crate) fn recorded(&self, run: RunId) -> Vec<u32> {
        let book = self.book();
        let mut all: Vec<u32> = book
            .seen
            .iter()
            .filter(|((of, _), seen)| *of == run && seen.recorded)
            .map(|((_, call), _)| *call)
            .collect();
        all.sort_unstable();
        all
    }
}

/// What is known of an attempt that begins.
pub(crate) struct Begins<'a> {
    pub(crate) run: RunId,
    pub(crate) fence: u64,
    pub(crate) artifact: Digest,
    pub(crate) version: VersionNumber,
    pub(crate) boot: u64,
    pub(crate) trace: &'a str,
    pub(crate) event: &'a str,
    pub(crate) data: &'a str,
    pub(crate) fickle: bool,
}

/// Everything that happened, as one number and, if asked for, as text.
#[derive(Default)]
struct Trace {
    keep: bool,
    lines: Vec<String>,
    sum: u64,
}

impl Trace {
    fn add(&mut self, at: Duration, line: fmt::Arguments<'_>) {
        struct Sum(u64);
        impl fmt::Write for Sum {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                for byte in text.bytes() {
                    self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
                }
                Ok(())
            }
        }
        let mut sum = Sum(self.sum);
        let _ = writeln!(sum, "{} {line}", at.as_nanos());
        self.sum = sum.0;
        if self.keep {
            self.lines.push(format!("{:>12.6} {line}", at.as_secs_f64()));
        }
    }
}
