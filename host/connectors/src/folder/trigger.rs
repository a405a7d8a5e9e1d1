//! The trigger `file`: looks at the folder again and again, and hears each file that is whole.
//!
//! Not here: which files were heard before (`seen.rs`), and what becomes of them afterwards (`leave.rs`).

use std::collections::{HashMap, HashSet};
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jackfield_core::event::Event;
use jackfield_core::ports::source::{Heard, Source, SourceContext, SourceError};
use rustix::io::Errno;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::blob::time;
use super::leave::leave;
use super::root::{Facts, Root, Trouble};
use super::settings::{Ready, Then, Wanted};
use super::walk::Walk;
use super::{Folder, content_type};
use crate::seen::{Print, Seen, print};

/// The most names that are looked at before the next pause.
const NAMES_PER_LOOK: usize = 10_000;
/// The most events, and bytes of them, that are handed over at once.
const BATCH: usize = 200;
const BATCH_BYTES: usize = 1024 * 1024;
/// The most files whose rest is watched at a time; others have to wait for their turn.
const MOST_WATCHED: usize = 200_000;
/// The most folders that are remembered as told about.
const MOST_TOLD: usize = 1_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Looks {
    folder: Folder,
    wanted: Arc<Wanted>,
}

/// A file that is not whole yet, as far as one can see.
struct Watched {
    facts: u64,
    /// Since when it is so, by the monotonic clock.
    since: Duration,
    /// The round in which it was last seen.
    round: u64,
}

/// What a source knows between two looks.
struct State {
    seen: Seen,
    /// Files that were dealt with and are still there, though they should be gone or cannot be read.
    stuck: HashSet<Print>,
    watched: HashMap<Print, Watched>,
    told: HashSet<String>,
    round: u64,
}

/// Some names of the folder.
struct Slice {
    /// Those that are wanted.
    files: Vec<(String, Facts)>,
    /// The last name that was looked at.
    last: Option<String>,
    /// There are no more.
    all: bool,
    unreadable: Vec<(String, Errno)>,
}

/// A file that is to be heard.
struct Taken {
    name: String,
    facts: Facts,
    print: Print,
    heard: Heard,
}

/// What came of reading a file.
enum Read {
    Whole(Facts, Box<Heard>),
    /// It changed, or it is gone.
    NotNow,
    Never(String),
}

impl Looks {
    pub(super) fn new(folder: Folder, wanted: Wanted) -> Self {
        Self { folder, wanted: Arc::new(wanted) }
    }

    async fn open(&self) -> Result<Arc<Root>, SourceError> {
        let folder = self.folder.clone();
        match blocking(move || folder.open()).await? {
            Ok(root) => Ok(Arc::new(root)),
            Err((true, why)) => Err(SourceError::Refused(why)),
            Err((false, why)) => Err(SourceError::Lost(why)),
        }
    }

    async fn slice(&self, root: &Arc<Root>, after: Option<&str>) -> Result<Slice, SourceError> {
        let (root, wanted, after) = (Arc::clone(root), Arc::clone(&self.wanted), after.map(str::to_owned));
        let sliced = blocking(move || -> Result<Slice, Errno> {
            let mut walk = Walk::new(&root, "", after.as_deref(), NAMES_PER_LOOK)?;
            let mut slice = Slice { files: Vec::new(), last: None, all: true, unreadable: Vec::new() };
            let mut looked = 0;
            while let Some(name) = walk.next() {
                if looked == NAMES_PER_LOOK {
                    slice.all = false;
                    break;
                }
                looked += 1;
                if wanted.takes(&name)
                    && let Ok(facts) = root.facts(&name)
                {
                    slice.files.push((name.clone(), facts));
                }
                slice.last = Some(name);
            }
            slice.unreadable = walk.unreadable;
            Ok(slice)
        });
        sliced.await?.map_err(|e| {
            let (shown, e) = (self.folder.settings.path.display(), std::io::Error::from(e));
            SourceError::Refused(format!("the folder `{shown}` cannot be read: {e}"))
        })
    }

    /// Goes on with the round, for one look.
    async fn look(&self, cx: &SourceContext, state: &mut State) -> Result<(), SourceError> {
        let root = self.open().await?;
        if !state.seen.goes_on() {
            state.round += 1;
        }
        state.seen.begin(cx.now().as_millis());
        let slice = self.slice(&root, state.seen.after()).await?;
        for (folder, e) in slice.unreadable {
            if state.told.len() < MOST_TOLD && state.told.insert(folder.clone()) {
                cx.sink.lost(&folder, &format!("the folder cannot be read: {}", std::io::Error::from(e)));
            }
        }
        let (mut batch, mut bytes): (Vec<Taken>, usize) = (Vec::new(), 0);
        for (name, facts) in slice.files {
            if cx.stop.is_cancelled() {
                break;
            }
            let Some(taken) = self.take(cx, state, &root, &name, facts).await? else { continue };
            bytes += taken.heard.event.size();
            batch.push(taken);
            if batch.len() == BATCH || bytes >= BATCH_BYTES {
                state.seen.came_to(&name);
                self.hand_over(cx, state, &root, std::mem::take(&mut batch)).await?;
                bytes = 0;
            }
        }
        if cx.stop.is_cancelled() {
            // What was read and not handed over is read again by the next one.
            return Ok(());
        }
        if let Some(last) = slice.last {
            state.seen.came_to(&last);
        }
        self.hand_over(cx, state, &root, batch).await?;
        if slice.all {
            let anew = state.seen.end();
            if anew && self.wanted.then == Then::Keep {
                cx.sink.accept(Vec::new(), Some(state.seen.stored())).await?;
            }
            let round = state.round;
            state.watched.retain(|_, watched| watched.round == round);
            cx.sink.lag(state.watched.len() as u64);
        }
        Ok(())
    }

    /// Reads a file if it is new and whole.
    async fn take(
        &self,
        cx: &SourceContext,
        state: &mut State,
        root: &Arc<Root>,
        name: &str,
        facts: Facts,
    ) -> Result<Option<Taken>, SourceError> {
        let stamp = facts.changed_ms;
        let key = print(&[name.as_bytes(), &facts.print().to_le_bytes()]);
        if state.stuck.contains(&key) {
            return Ok(None);
        }
        // Where files leave when they were heard, all that is there is to be heard.
        if self.wanted.then == Then::Keep && !state.seen.is_new(stamp, key) {
            state.seen.heard(stamp, key, false);
            return Ok(None);
        }
        if let Ready::Stable(rest) = self.wanted.ready
            && !state.rests(name, &facts, cx.clock.monotonic(), rest)
        {
            state.seen.waits(stamp);
            return Ok(None);
        }
        let (root, owned, most) = (Arc::clone(root), name.to_owned(), cx.sink.event_bytes());
        let source = format!("file:{}", self.folder.settings.path.display());
        match blocking(move || read(&root, &source, &owned, &facts, most)).await? {
            Read::Whole(facts, heard) => Ok(Some(Taken { name: name.to_owned(), facts, print: key, heard: *heard })),
            Read::NotNow => {
                state.seen.waits(stamp);
                Ok(None)
            }
            Read::Never(why) => {
                cx.sink.lost(name, &why);
                state.done_with(stamp, key, self.wanted.then != Then::Keep);
                Ok(None)
            }
        }
    }

    /// Hands files over, and when they are on disk does with them what the manifest says.
    async fn hand_over(
        &self,
        cx: &SourceContext,
        state: &mut State,
        root: &Arc<Root>,
        batch: Vec<Taken>,
    ) -> Result<(), SourceError> {
        if batch.is_empty() {
            return Ok(());
        }
        let (mut heard, mut files) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
        for taken in batch {
            heard.push(taken.heard);
            files.push((taken.name, taken.facts, taken.print));
        }
        let keep = self.wanted.then == Then::Keep;
        cx.sink.accept(heard, keep.then(|| state.seen.stored())).await?;
        for (name, facts, print) in files {
            state.watched.remove(&watch_key(&name));
            if keep {
                state.done_with(facts.changed_ms, print, false);
                continue;
            }
            let (root, wanted, owned) = (Arc::clone(root), Arc::clone(&self.wanted), name.clone());
            let left = blocking(move || leave(&root, &owned, &wanted.then, &facts)).await?;
            if let Err(trouble) = left {
                cx.sink.lost(&name, &format!("it became a run, and stays where it is: {}", trouble.text()));
                state.done_with(facts.changed_ms, print, true);
            }
        }
        Ok(())
    }
}

impl State {
    /// Whether a file has not changed for long enough.
    fn rests(&mut self, name: &str, facts: &Facts, now: Duration, rest: Duration) -> bool {
        let (key, round) = (watch_key(name), self.round);
        let full = self.watched.len() >= MOST_WATCHED;
        match self.watched.get_mut(&key) {
            Some(watched) if watched.facts == facts.print() => {
                watched.round = round;
                now.saturating_sub(watched.since) >= rest
            }
            Some(watched) => {
                *watched = Watched { facts: facts.print(), since: now, round };
                false
            }
            None => {
                if !full {
                    self.watched.insert(key, Watched { facts: facts.print(), since: now, round });
                }
                false
            }
        }
    }

    /// A file is not to be taken again; `stays` though files of this trigger go.
    fn done_with(&mut self, stamp: i64, print: Print, stays: bool) {
        if stays {
            self.stuck.insert(print);
        } else {
            self.seen.heard(stamp, print, true);
        }
    }
}

fn watch_key(name: &str) -> Print {
    print(&[name.as_bytes()])
}

/// Does what would hold up other tasks.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, SourceError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| SourceError::Lost("the host failed over this folder".into()))
}

/// Reads a file as an event.
fn read(root: &Root, source: &str, name: &str, was: &Facts, most: u64) -> Read {
    let (mut file, facts) = match root.file(name) {
        Ok(opened) => opened,
        Err(Trouble::None | Trouble::NotAFile(_)) => return Read::NotNow,
        Err(trouble) => return Read::Never(format!("it cannot be read: {}", trouble.text())),
    };
    if facts.print() != was.print() {
        return Read::NotNow;
    }
    let mut event = Event {
        id: String::new(),
        source: source.to_owned(),
        event_type: "jackfield.file".into(),
        subject: Some(name.to_owned()),
        time: Some(time(&facts)),
        content_type: content_type(name).map(str::to_owned),
        schema: None,
        extensions: Vec::new(),
        meta: vec![("size".into(), facts.size.to_string())],
        data: Bytes::new(),
    };
    let digest = if facts.size > most {
        let reference = json!({ "path": name, "size": facts.size, "modified": time(&facts) });
        event.data = reference.to_string().into();
        event.content_type = Some("application/json".into());
        event.meta.push(("reference".into(), "true".into()));
        Sha256::digest(format!("{} {}", facts.size, facts.modified))
    } else {
        let mut data = Vec::with_capacity(usize::try_from(facts.size).unwrap_or(0));
        if let Err(e) = (&mut file).take(facts.size.saturating_add(1)).read_to_end(&mut data) {
            return Read::Never(format!("it cannot be read: {e}"));
        }
        if data.len() as u64 != facts.size || root.facts(name).map_or(true, |now| now.print() != facts.print()) {
            return Read::NotNow;
        }
        let digest = Sha256::digest(&data);
        event.data = data.into();
        digest
    };
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    event.id = format!("{name} {hex}");
    Read::Whole(facts, Box::new(Heard { event: Arc::new(event), dedupe: true }))
}

#[async_trait]
impl Source for Looks {
    async fn run(&self, cx: SourceContext) -> Result<(), SourceError> {
        let stored = match self.wanted.then {
            Then::Keep => cx.sink.cursor().await?,
            Then::Delete | Then::Move(_) => None,
        };
        let mut state = State {
            seen: stored.and_then(|text| Seen::read(&text)).unwrap_or_else(|| Seen::since(i64::MIN)),
            stuck: HashSet::new(),
            watched: HashMap::new(),
            told: HashSet::new(),
            round: 0,
        };
        // What is there to be heard is told only once the folder was reached.
        self.open().await?;
        cx.sink.listening();
        while !cx.stop.is_cancelled() {
            self.look(&cx, &mut state).await?;
            cx.stop.run_until_cancelled(cx.clock.sleep(self.wanted.every)).await;
        }
        Ok(())
    }
}
