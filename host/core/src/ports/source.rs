//! A source: what listens on a connection and makes events of what it hears.
//!
//! A source sees its [`Sink`] and nothing else of the host: it cannot run a component, and it acknowledges to the
//! other side only what the sink has put on disk.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Timestamp};
use crate::event::Event;
use crate::grant::Grants;
use crate::ids::ConnectionName;

/// Something heard.
#[derive(Clone, Debug)]
pub struct Heard {
    /// As an event. If its data is over `limits.event`, it becomes a dead letter, and the stream moves on.
    pub event: Arc<Event>,
    /// Whether (source, id) identifies it: then it becomes one run however often it is heard.
    pub dedupe: bool,
}

/// Why a sink takes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// The trigger is to end: it was released anew, or the host stops. Nothing was stored.
    #[error("the trigger ends")]
    Stopped,
}

/// Where events go. It waits out whatever the host can get over by itself: a full queue, a full disk.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Stores events as runs, all of them durable when it answers; with the last of them, in one transaction, where to go on
    /// from, if given. Waits while the integration's queue is full: a source that hears from a broker is to leave the rest
    /// there, and to keep its session alive, meanwhile.
    ///
    /// # Errors
    ///
    /// [`SinkError::Stopped`]: the first of them may be stored, and are to be heard again all the same.
    async fn accept(&self, heard: Vec<Heard>, cursor: Option<String>) -> Result<(), SinkError>;

    /// The last cursor that was stored.
    ///
    /// # Errors
    ///
    /// [`SinkError::Stopped`].
    async fn cursor(&self) -> Result<Option<String>, SinkError>;

    /// The most bytes of an event's data that become a run (`limits.event`).
    fn event_bytes(&self) -> u64;

    /// The source is connected and listens.
    fn listening(&self);

    /// How many messages wait on the other side, if it says so.
    fn lag(&self, messages: u64);

    /// The source heard something that cannot become an event, or lost something that the other side would have told:
    /// for a person. `position` is where in the source's own terms.
    fn lost(&self, position: &str, why: &str);
}

/// What a source is run with.
#[derive(Clone)]
pub struct SourceContext {
    /// Where events go.
    pub sink: Arc<dyn Sink>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Tells it to end.
    pub stop: CancellationToken,
    /// `<environment>/<integration>/<trigger>`: a name for what it keeps on the other side, such as a consumer group.
    pub name: String,
    /// What the manifest calls the connection.
    pub connection: ConnectionName,
    /// What the trigger's component may do: for a source that asks as the component would.
    pub grants: Grants,
}

impl SourceContext {
    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Why a source ended though nobody told it to: the supervisor runs it again after a while.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The connection is lost or cannot be made; what happened.
    #[error("{0}")]
    Lost(String),
    /// The other side asks to be left alone for so long.
    #[error("{why}")]
    Later {
        /// What happened.
        why: String,
        /// How long.
        after: Duration,
    },
    /// The other side or the settings do not allow it: a person has to mend it. Tried again all the same, slowly.
    #[error("{0}")]
    Refused(String),
    /// As the sink said.
    #[error(transparent)]
    Stopped(#[from] SinkError),
}

/// Listens on a connection.
#[async_trait]
pub trait Source: Send + Sync {
    /// Listens until `cx.stop`, and then leaves the other side in order. What was heard and not accepted by the sink
    /// must be heard again by the next run of it.
    ///
    /// # Errors
    ///
    /// It cannot go on.
    async fn run(&self, cx: SourceContext) -> Result<(), SourceError>;
}
