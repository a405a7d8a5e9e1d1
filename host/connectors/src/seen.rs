//! What a trigger that looks at files or objects again and again has heard of: enough to hear each once, in little memory.
//!
//! Things have a stamp, the time at which they came or changed, by the clock of whoever keeps them. A round goes over all
//! of them in the order of their names, in slices. What is older than the mark was heard; of what is younger the prints
//! of those that were heard are kept. After a round that heard something, the mark moves to a while before the round
//! began: whatever came later, or was stamped a little late, is younger than it. What is heard twice all the same, after
//! a crash, has the same id, and becomes no second run.
//!
//! Not here: how things are listed and read.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How much older than the beginning of a round a thing's stamp may be though it came later, in milliseconds: for clocks
/// that differ, and storages that show a thing late.
pub(crate) const WINDOW_MS: i64 = 5 * 60 * 1000;
/// The most prints that are stored. More in one window are read again after a restart, and have the same ids.
const MOST_STORED: usize = 50_000;
/// The most prints that are kept in memory; more are read again in each round, for as long as they are in the window.
const MOST_KEPT: usize = 500_000;

/// Eight bytes that stand for a thing as it is now.
pub(crate) type Print = u64;

/// The print of something made of these parts.
pub(crate) fn print(parts: &[&[u8]]) -> Print {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    digest.iter().take(8).fold(0, |print, byte| print << 8 | u64::from(*byte))
}

/// The round that is going on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Round {
    /// When it began, in milliseconds, by the clock of the stamps.
    began: i64,
    /// Where it is: what has this name, or one before it, was looked at.
    after: Option<String>,
    /// The oldest that was looked at and is not heard yet: the mark stays before it.
    waits: Option<i64>,
    /// It heard something.
    heard: bool,
    /// What was heard, and its stamps: which of it is younger than the next mark is known only at the end.
    prints: HashMap<Print, i64>,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    mark: i64,
    prints: HashSet<Print>,
    round: Option<Round>,
}

/// As it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// In milliseconds.
    mark: i64,
    /// Eight bytes each, in base64.
    #[serde(default)]
    prints: String,
    /// When the round that went on began, where it was, and the oldest that waited.
    #[serde(default)]
    round: Option<(i64, Option<String>, Option<i64>)>,
}

impl Seen {
    /// Nothing is heard yet that has this stamp or a later one.
    pub(crate) fn since(mark: i64) -> Self {
        Self { mark, ..Self::default() }
    }

    /// Reads what [`Self::stored`] wrote; none if it is something else.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let stored: Stored = serde_json::from_str(text).ok()?;
        let bytes = STANDARD_NO_PAD.decode(stored.prints).ok()?;
        let (prints, _) = bytes.as_chunks::<8>();
        let prints = prints.iter().map(|print| Print::from_be_bytes(*print)).collect();
        let mut seen = Self { mark: stored.mark, prints, round: None };
        // It may have heard something before it was interrupted.
        seen.round = stored.round.map(|(began, after, waits)| Round {
            began,
            after,
            waits,
            heard: true,
            prints: HashMap::new(),
        });
        Some(seen)
    }

    /// As text. The prints of the round that goes on are not in it: only what is in no other place.
    pub(crate) fn stored(&self) -> String {
        let mut prints: Vec<Print> = self.prints.iter().copied().collect();
        prints.sort_unstable();
        let bytes: Vec<u8> = prints.iter().take(MOST_STORED).flat_map(|print| print.to_be_bytes()).collect();
        let round = self.round.as_ref().map(|round| (round.began, round.after.clone(), round.waits));
        let stored = Stored { mark: self.mark, prints: STANDARD_NO_PAD.encode(bytes), round };
        serde_json::to_string(&stored).unwrap_or_default()
    }

    /// Begins a round, unless one goes on. `now` is by the clock of the stamps.
    pub(crate) fn begin(&mut self, now: i64) {
        if self.round.is_some() {
            return;
        }
        // A clock that was set back stamps new things with old times.
        if now < self.mark {
            self.mark = now - WINDOW_MS;
        }
        self.round = Some(Round { began: now, after: None, waits: None, heard: false, prints: HashMap::new() });
    }

    /// Whether a round goes on.
    pub(crate) fn goes_on(&self) -> bool {
        self.round.is_some()
    }

    /// Where the round that goes on is.
    pub(crate) fn after(&self) -> Option<&str> {
        self.round.as_ref()?.after.as_deref()
    }

    /// Whether a thing was not heard as it is now.
    pub(crate) fn is_new(&self, stamp: i64, print: Print) -> bool {
        let now = self.round.as_ref().is_some_and(|round| round.prints.contains_key(&print));
        stamp >= self.mark && !now && !self.prints.contains(&print)
    }

    /// A thing was looked at, and is heard, now or before.
    pub(crate) fn heard(&mut self, stamp: i64, print: Print, new: bool) {
        let Some(round) = &mut self.round else { return };
        round.heard |= new;
        if stamp >= self.mark && round.prints.len() < MOST_KEPT {
            round.prints.insert(print, stamp);
        }
    }

    /// A thing was looked at, and is to be heard later.
    pub(crate) fn waits(&mut self, stamp: i64) {
        if let Some(round) = &mut self.round {
            round.waits = Some(round.waits.map_or(stamp, |waits| waits.min(stamp)));
        }
    }

    /// The round came to this name.
    pub(crate) fn came_to(&mut self, name: &str) {
        if let Some(round) = &mut self.round {
            round.after = Some(name.to_owned());
        }
    }

    /// The round is at its end. Whether what is stored should be stored anew.
    pub(crate) fn end(&mut self) -> bool {
        let Some(round) = self.round.take() else { return false };
        if !round.heard {
            // Nothing was new: what is known says all that there is to say.
            return false;
        }
        let next = round.began - WINDOW_MS;
        self.mark = self.mark.max(round.waits.map_or(next, |waits| next.min(waits)));
        self.prints =
            round.prints.into_iter().filter(|(_, stamp)| *stamp >= self.mark).map(|(print, _)| print).collect();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One round over things of (name, stamp); gives the names of those that are new, and hears them.
    fn round(seen: &mut Seen, now: i64, things: &[(&str, i64)]) -> Vec<String> {
        seen.begin(now);
        let mut new = Vec::new();
        for (name, stamp) in things {
            let print = print(&[name.as_bytes()]);
            let is_new = seen.is_new(*stamp, print);
            if is_new {
                new.push((*name).to_owned());
            }
            seen.heard(*stamp, print, is_new);
            seen.came_to(name);
        }
        seen.end();
        new
    }

    const HOUR: i64 = 3_600_000;

    #[test]
    fn each_is_heard_once_also_after_a_restart() {
        let mut seen = Seen::since(0);
        let mut things = vec![("a", HOUR), ("b", 2 * HOUR)];
        assert_eq!(round(&mut seen, 2 * HOUR + 1, &things), ["a", "b"]);
        assert_eq!(round(&mut seen, 2 * HOUR + 2, &things), [""; 0]);
        things.insert(0, ("0", 2 * HOUR + 3));
        let mut again = Seen::read(&seen.stored()).unwrap();
        assert_eq!(again, seen);
        assert_eq!(round(&mut again, 2 * HOUR + 4, &things), ["0"]);
        assert_eq!(round(&mut again, 9 * HOUR, &things), [""; 0]);
    }

    #[test]
    fn what_is_stamped_a_little_before_the_last_round_is_heard() {
        let mut seen = Seen::since(0);
        round(&mut seen, 2 * HOUR, &[("a", HOUR)]);
        assert_eq!(round(&mut seen, 2 * HOUR + 5, &[("a", HOUR), ("late", 2 * HOUR - WINDOW_MS)]), ["late"]);
    }

    #[test]
    fn what_waits_holds_the_mark_back() {
        let mut seen = Seen::since(0);
        seen.begin(9 * HOUR);
        seen.waits(HOUR);
        seen.heard(2 * HOUR, print(&[b"b"]), true);
        assert!(seen.end());
        assert_eq!(round(&mut seen, 9 * HOUR + 1, &[("a", HOUR), ("b", 2 * HOUR)]), ["a"]);
    }

    #[test]
    fn a_round_that_was_interrupted_goes_on_where_it_was() {
        let mut seen = Seen::since(0);
        seen.begin(HOUR);
        seen.heard(1, print(&[b"a"]), true);
        seen.came_to("a");
        let mut again = Seen::read(&seen.stored()).unwrap();
        assert!(again.goes_on());
        assert_eq!(again.after(), Some("a"));
        // What came behind its back is younger than the next mark.
        again.heard(2, print(&[b"b"]), true);
        assert!(again.end());
        assert!(again.is_new(HOUR + 1, print(&[b"0"])));
        assert!(!again.is_new(1, print(&[b"a"])));
    }

    #[test]
    fn a_clock_that_is_set_back_loses_nothing() {
        let mut seen = Seen::since(0);
        round(&mut seen, 9 * HOUR, &[("a", 9 * HOUR)]);
        assert_eq!(round(&mut seen, 5 * HOUR, &[("a", 9 * HOUR), ("b", 5 * HOUR)]), ["b"]);
    }

    #[test]
    fn what_is_not_ours_is_not_read() {
        for text in ["", "7", "{}", r#"{"mark":1,"prints":"#, r#"{"mark":1,"prints":"*"}"#] {
            assert!(Seen::read(text).is_none(), "{text}");
        }
    }
}
