use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn run(number: u8) -> RunId {
    let mut bytes = [0; 16];
    bytes[15] = number;
    RunId::from_bytes(bytes)
}

fn entry(scope: ScopeId, component: ComponentId, due: i64) -> Entry {
    Entry {
        scope,
        component,
        target: 1,
        place: Place::Ready { due: Timestamp(due) },
        suspect: false,
        fence: 0,
        chunks: 0,
        memory_bytes: 10,
        concurrency: 100,
        bytes: 7,
        line: None,
    }
}

fn in_line(line: u8, place: i64) -> Option<InLine> {
    Some(InLine { id: [line; 16], place, holds: false, blocks: false })
}

/// Picks and claims.
fn claim(ready: &mut Ready, now: i64, memory_bytes: u64) -> Option<RunId> {
    let picked = ready.pick(Timestamp(now), memory_bytes)?;
    let entry = *ready.get(picked).unwrap();
    ready.put(picked, Some(running(&entry)));
    Some(picked)
}

/// The entry once it is claimed.
fn running(entry: &Entry) -> Entry {
    let line = entry.line.map(|at| InLine { holds: true, ..at });
    Entry { place: Place::Running { alone: entry.suspect }, line, ..*entry }
}

#[test]
fn runs_of_a_line_follow_one_another_and_others_go_by() {
    let mut ready = Ready::default();
    for (number, line) in [(1, in_line(7, 30)), (2, in_line(7, 10)), (3, in_line(7, 20)), (4, in_line(8, 1)), (5, None)]
    {
        ready.put(run(number), Some(Entry { line, ..entry(1, 1, i64::from(number)) }));
    }
    let order: Vec<_> = std::iter::from_fn(|| claim(&mut ready, 10, 100)).collect();
    assert_eq!(order, [2, 4, 5].map(run), "by due time, and one of a line");
    // It waits for its next attempt: nobody of its line goes by.
    let waiting = Entry { place: Place::Ready { due: Timestamp(50) }, ..*ready.get(run(2)).unwrap() };
    ready.put(run(2), Some(waiting));
    assert_eq!(claim(&mut ready, 10, 100), None);
    assert_eq!(ready.next_due(Timestamp(10)), Some(Timestamp(50)));
    assert_eq!(claim(&mut ready, 50, 100), Some(run(2)));
    // For a person: nobody.
    let parked = Entry { place: Place::Parked, ..*ready.get(run(2)).unwrap() };
    ready.put(run(2), Some(parked));
    assert_eq!(claim(&mut ready, 60, 100), None);
    ready.put(run(2), None);
    assert_eq!(claim(&mut ready, 60, 100), Some(run(3)));
    ready.put(run(3), None);
    // A dead letter that blocks.
    assert!(!ready.block([7; 16], run(3), true));
    assert_eq!(claim(&mut ready, 60, 100), None);
    assert!(ready.block([7; 16], run(3), false));
    assert_eq!(claim(&mut ready, 60, 100), Some(run(1)));
}

#[test]
fn places_follow_time_and_within_it_the_order_of_coming() {
    let mut ready = Ready::default();
    let mut come = |number: u8, at: i64| {
        let place = ready.place_in([7; 16], Timestamp(at));
        ready.put(run(number), Some(Entry { line: in_line(7, place), ..entry(1, 1, at) }));
        place
    };
    let (later, first, second) = (come(1, 9), come(2, 5), come(3, 5));
    assert!(first < second && second < later);
    ready.put(run(2), None);
    assert!(
        ready.place_in([7; 16], Timestamp(5)) > second,
        "the place of one that left is not given again before others"
    );
    assert!(ready.place_in([8; 16], Timestamp(5)) == first, "lines do not know each other");
}

#[test]
fn scopes_take_turns_and_time_decides_within_one() {
    let mut ready = Ready::default();
    for (number, scope, due) in [(1, 1, 5), (2, 1, 3), (3, 1, 4), (4, 2, 9), (5, 3, 1)] {
        ready.put(run(number), Some(entry(scope, scope as u32, due)));
    }
    let order: Vec<_> = std::iter::from_fn(|| claim(&mut ready, 10, 100)).collect();
    assert_eq!(order, [2, 4, 5, 3, 1].map(run));
}

#[test]
fn a_blocked_component_does_not_block_its_scope() {
    let mut ready = Ready::default();
    for number in 1..=3 {
        ready.put(run(number), Some(Entry { concurrency: 1, ..entry(1, 1, 0) }));
    }
    ready.put(run(9), Some(entry(1, 2, 5)));
    assert_eq!(claim(&mut ready, 10, 100), Some(run(1)));
    assert_eq!(claim(&mut ready, 10, 100), Some(run(9)));
    assert_eq!(claim(&mut ready, 10, 100), None);
    ready.put(run(1), None);
    assert_eq!(claim(&mut ready, 10, 100), Some(run(2)));
}

#[test]
fn the_next_due_time_is_known_and_a_clock_that_goes_back_hands_out_nothing_early() {
    let mut ready = Ready::default();
    ready.put(run(1), Some(entry(1, 1, 50)));
    ready.put(run(2), Some(Entry { suspect: true, ..entry(1, 1, 40) }));
    assert_eq!(ready.next_due(Timestamp(10)), Some(Timestamp(40)));
    assert_eq!(ready.next_due(Timestamp(40)), Some(Timestamp(50)));
    assert_eq!(ready.pick(Timestamp(45), 100), Some(run(2)));
    ready.put(run(2), None);
    assert_eq!(ready.pick(Timestamp(60), 100), Some(run(1)));
    assert_eq!(ready.pick(Timestamp(49), 100), None);
    assert_eq!(ready.pick(Timestamp(50), 100), Some(run(1)));
}

#[test]
fn a_suspect_that_fits_nowhere_holds_up_nobody() {
    let mut ready = Ready::default();
    ready.put(run(1), Some(Entry { suspect: true, memory_bytes: 1_000, ..entry(1, 1, 0) }));
    ready.put(run(2), Some(entry(2, 2, 0)));
    assert_eq!(claim(&mut ready, 10, 100), Some(run(2)));
    assert_eq!(claim(&mut ready, 10, 1_000), None, "something runs");
    ready.put(run(2), None);
    assert_eq!(claim(&mut ready, 10, 1_000), Some(run(1)));
}

/// The rules, told without any index.
#[derive(Clone, Default)]
struct Naive {
    runs: HashMap<RunId, Entry>,
    served: ScopeId,
    blocked: std::collections::HashSet<LineId>,
}

impl Naive {
    /// Whether it is this run's turn in its line, if it stands in one.
    fn has_its_turn(&self, run: RunId, entry: &Entry) -> bool {
        let Some(at) = entry.line else { return true };
        let same =
            self.runs.iter().filter_map(|(run, e)| e.line.filter(|other| other.id == at.id).map(|at| (at, *run)));
        let first = same.min_by_key(|(at, _)| (!at.holds, at.place));
        !self.blocked.contains(&at.id) && first.is_some_and(|(_, first)| first == run)
    }

    fn pick(&mut self, now: i64, memory_bytes: u64) -> Option<RunId> {
        let running = |filter: &dyn Fn(&Entry) -> bool| {
            self.runs.values().filter(|e| matches!(e.place, Place::Running { .. }) && filter(e)).count()
        };
        if running(&|e| e.place == Place::Running { alone: true }) > 0 {
            return None;
        }
        let mut due: Vec<(Timestamp, RunId, Entry)> = self
            .runs
            .iter()
            .filter_map(|(run, e)| match e.place {
                Place::Ready { due } if due.0 <= now && self.has_its_turn(*run, e) => Some((due, *run, *e)),
                _ => None,
            })
            .collect();
        due.sort_by_key(|(due, run, _)| (*due, *run));
        if due.iter().any(|(_, _, e)| e.suspect) {
            if running(&|_| true) > 0 {
                return None;
            }
            if let Some((_, run, _)) = due.iter().find(|(_, _, e)| e.suspect && e.memory_bytes <= memory_bytes) {
                return Some(*run);
            }
        }
        let fits = |e: &Entry| {
            !e.suspect
                && e.memory_bytes <= memory_bytes
                && running(&|other| other.component == e.component) < e.concurrency as usize
        };
        let mut scopes: Vec<ScopeId> = due.iter().filter(|(_, _, e)| fits(e)).map(|(_, _, e)| e.scope).collect();
        scopes.sort_unstable();
        let scope = scopes.iter().find(|scope| **scope > self.served).or(scopes.first()).copied()?;
        self.served = scope;
        due.iter().find(|(_, _, e)| e.scope == scope && fits(e)).map(|(_, run, _)| *run)
    }

    fn count(&self, scope: ScopeId) -> Count {
        let mut count = Count::default();
        for entry in self.runs.values().filter(|entry| entry.scope == scope) {
            match entry.place {
                Place::Ready { .. } => {
                    count.ready += 1;
                    count.ready_bytes += entry.bytes;
                }
                Place::Running { .. } => count.running += 1,
                Place::Parked => count.parked += 1,
            }
        }
        count
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put { number: u8, component: u32, due: i64, suspect: bool, memory: u64, concurrency: u32, line: Option<u8> },
    Block(u8, bool),
    Remove(u8),
    Park(u8),
    Claim { now: i64, memory: u64 },
    Undo,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let line = prop::option::weighted(0.5, 0..3_u8);
    let put = (0..20_u8, 0..6_u32, 0..30_i64, prop::bool::weighted(0.1), 0..20_u64, 1..4_u32, line).prop_map(
        |(number, component, due, suspect, memory, concurrency, line)| Step::Put {
            line,
            number,
            component,
            due,
            suspect,
            memory,
            concurrency,
        },
    );
    let step = prop_oneof![
        4 => put,
        2 => (0..20_u8).prop_map(Step::Remove),
        1 => (0..20_u8).prop_map(Step::Park),
        6 => (0..40_i64, 0..25_u64).prop_map(|(now, memory)| Step::Claim { now, memory }),
        1 => Just(Step::Undo),
        1 => (0..3_u8, any::<bool>()).prop_map(|(line, blocked)| Step::Block(line, blocked)),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn the_index_agrees_with_the_naive_rules(steps in steps()) {
        let (mut ready, mut naive) = (Ready::default(), Naive::default());
        let mut undo: Vec<(RunId, Option<Entry>)> = Vec::new();
        for step in steps {
            let change = match step {
                Step::Put { number, component, due, suspect, memory, concurrency, line } => {
                    let scope = ScopeId::from(component / 2) + 1;
                    let line = line.and_then(|line| in_line(line, number.into()));
                    let new =
                        Entry { suspect, memory_bytes: memory, concurrency, line, ..entry(scope, component, due) };
                    // A component's number belongs to one scope, and its run to one component.
                    Some((run(number), Some(new)))
                }
                Step::Remove(number) => Some((run(number), None)),
                Step::Park(number) => naive
                    .runs
                    .get(&run(number))
                    .map(|entry| (run(number), Some(Entry { place: Place::Parked, ..*entry }))),
                Step::Claim { now, memory } => {
                    let picked = ready.pick(Timestamp(now), memory);
                    prop_assert_eq!(picked, naive.pick(now, memory));
                    picked.map(|run| {
                        let entry = naive.runs[&run];
                        (run, Some(running(&entry)))
                    })
                }
                Step::Block(line, blocked) => {
                    ready.block([line; 16], run(99), blocked);
                    if blocked { naive.blocked.insert([line; 16]) } else { naive.blocked.remove(&[line; 16]) };
                    None
                }
                Step::Undo => undo.pop(),
            };
            if let Some((run, entry)) = change {
                let old = ready.put(run, entry);
                let naive_old = match entry {
                    Some(entry) => naive.runs.insert(run, entry),
                    None => naive.runs.remove(&run),
                };
                prop_assert_eq!(old, naive_old);
                undo.push((run, old));
            }
            for scope in 0..5 {
                prop_assert_eq!(ready.count(scope), naive.count(scope));
            }
        }
        for line in 0..3 {
            ready.block([line; 16], run(99), false);
        }
        let empty: Vec<RunId> = naive.runs.keys().copied().collect();
        for run in empty {
            ready.put(run, None);
        }
        prop_assert!(ready.components.is_empty() && ready.ripe.is_empty() && ready.future.is_empty());
        prop_assert!(ready.counts.is_empty() && ready.suspects.is_empty() && ready.running == 0);
        prop_assert!(ready.lines.is_empty());
    }
}
