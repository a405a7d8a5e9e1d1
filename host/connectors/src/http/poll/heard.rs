//! What a poll has heard: the watermark, and the prints of what the last whole round showed.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use super::page::{Item, Mark};
use crate::seen::{Print, print};

/// The most prints that are kept, of the items with the highest watermarks. Of others an item may be heard again if an
/// answer shows it again, and has the same id.
const MOST: usize = 50_000;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    mark: Option<Mark>,
    known: HashSet<Print>,
    round: Vec<(Option<Mark>, Print)>,
}

/// As it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    mark: Option<String>,
    /// Eight bytes each, in base64.
    prints: String,
}

impl Heard {
    /// Nothing is heard yet.
    pub(super) fn since(mark: Option<String>) -> Self {
        Self { mark: mark.map(Mark::new), ..Self::default() }
    }

    /// Reads what [`Self::stored`] wrote; none if it is something else.
    pub(super) fn read(text: &str) -> Option<Self> {
        let stored: Stored = serde_json::from_str(text).ok()?;
        let bytes = STANDARD_NO_PAD.decode(stored.prints).ok()?;
        let known = bytes.as_chunks::<8>().0.iter().map(|print| Print::from_be_bytes(*print)).collect();
        Some(Self { mark: stored.mark.map(Mark::new), known, round: Vec::new() })
    }

    /// As text: what is known after the last whole round.
    pub(super) fn stored(&self) -> String {
        let mut prints: Vec<Print> = self.known.iter().copied().collect();
        prints.sort_unstable();
        let bytes: Vec<u8> = prints.iter().flat_map(|print| print.to_be_bytes()).collect();
        let mark = self.mark.as_ref().map(|mark| mark.text().to_owned());
        serde_json::to_string(&Stored { mark, prints: STANDARD_NO_PAD.encode(bytes) }).unwrap_or_default()
    }

    /// From where on to ask.
    pub(super) fn mark(&self) -> Option<&str> {
        self.mark.as_ref().map(Mark::text)
    }

    /// Begins a round; what a broken one showed is forgotten.
    pub(super) fn begin(&mut self) {
        self.round.clear();
    }

    /// Whether the item was not in the last whole round. It is in this one.
    pub(super) fn is_new(&mut self, item: &Item<'_>) -> bool {
        let print = print(&[item.event_id().as_bytes()]);
        self.round.push((item.watermark.clone(), print));
        if self.round.len() >= 2 * MOST {
            self.keep_most();
        }
        !self.known.contains(&print)
    }

    /// The round is whole. Whether the watermark moved.
    pub(super) fn end(&mut self) -> bool {
        let highest = self.round.iter().filter_map(|(mark, _)| mark.as_ref()).max();
        let moved = highest.is_some_and(|highest| self.mark.as_ref().is_none_or(|mark| highest > mark));
        if moved {
            self.mark = highest.cloned();
        }
        self.keep_most();
        self.known = self.round.drain(..).map(|(_, print)| print).collect();
        moved
    }

    fn keep_most(&mut self) {
        if self.round.len() > MOST {
            self.round.sort_by(|(a, _), (b, _)| b.cmp(a));
            self.round.truncate(MOST);
        }
    }
}
