//! A single thing a component may do: one operation of one grant.
//!
//! Not here: whether a call is allowed; the grant itself decides that.

use crate::grant::{
    BlobGrant, Capability, EmailGrant, Grants, HttpGrant, HttpTarget, KvGrant, MessagingAction, MessagingGrant,
    PathPattern, Recipient, SqlGrant, TablePattern,
};
use crate::ids::{ConfigName, ConnectionName};
use crate::listen::{TypePattern, ValuePattern};
use crate::ports::sql::Verb;

/// Beyond so many, powers are compared as they are written: what one pattern means to another is not
/// worked out for a manifest of thousands.
const COMPARED: usize = 1_000;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Power {
    /// HTTP calls of one method.
    Http {
        /// Where to.
        target: HttpTarget,
        /// In capitals.
        method: String,
        /// Below the target.
        path: PathPattern,
        /// Redirects that are followed.
        redirects: u32,
        /// A call in doubt is made again.
        retry_in_doubt: bool,
    },
    /// Keys that start with this.
    Kv {
        /// Empty for all.
        prefix: String,
        /// Whether it may write too.
        write: bool,
    },
    /// A setting that may be read.
    Config(ConfigName),
    /// Events of these types that it may make.
    Events(TypePattern),
    /// Statements of one verb on a table.
    Sql {
        /// Where.
        connection: ConnectionName,
        /// What is done.
        verb: Verb,
        /// To what.
        table: TablePattern,
        /// A write in doubt is made again.
        retry_in_doubt: bool,
    },
    /// A function that may be called.
    SqlFunction {
        /// Where.
        connection: ConnectionName,
        /// Which.
        function: TablePattern,
    },
    /// Messages.
    Messaging {
        /// Where.
        connection: ConnectionName,
        /// What is done.
        action: MessagingAction,
        /// To which topics.
        topic: ValuePattern,
    },
    /// Objects whose names start with this.
    Blob {
        /// Where.
        connection: ConnectionName,
        /// Empty for all.
        prefix: String,
        /// Whether it may write too.
        write: bool,
    },
    /// Mail to somebody.
    EmailTo {
        /// By which server.
        connection: ConnectionName,
        /// To whom.
        recipient: Recipient,
    },
    /// Mail in somebody's name.
    EmailFrom {
        /// By which server.
        connection: ConnectionName,
        /// In whose.
        sender: Recipient,
    },
}

impl Power {
    /// Everything `grants` allow, each operation once.
    #[must_use]
    pub fn all_of(grants: &Grants) -> Vec<Self> {
        // Taken apart by name: a new kind of grant does not compile until it is listed here.
        let Grants { http, kv, config, events, sql, messaging, blob, email, deny: _ } = grants;
        let mut powers = Vec::new();
        for HttpGrant { target, methods, paths, redirects, retry_in_doubt } in http {
            for path in paths {
                powers.extend(methods.iter().map(|method| Self::Http {
                    target: target.clone(),
                    method: method.clone(),
                    path: path.clone(),
                    redirects: *redirects,
                    retry_in_doubt: *retry_in_doubt,
                }));
            }
        }
        powers.extend(kv.iter().map(|KvGrant { prefix, write }| Self::Kv { prefix: prefix.clone(), write: *write }));
        powers.extend(config.iter().cloned().map(Self::Config));
        powers.extend(events.iter().cloned().map(Self::Events));
        for SqlGrant { connection, verbs, tables, functions, retry_in_doubt } in sql {
            for table in tables {
                powers.extend(verbs.iter().map(|verb| Self::Sql {
                    connection: connection.clone(),
                    verb: *verb,
                    table: table.clone(),
                    // Reads are made again in any case.
                    retry_in_doubt: *retry_in_doubt && *verb != Verb::Select,
                }));
            }
            let function = |function: &TablePattern| Self::SqlFunction {
                connection: connection.clone(),
                function: function.clone(),
            };
            powers.extend(functions.iter().map(function));
        }
        for MessagingGrant { connection, actions, topics } in messaging {
            for topic in topics {
                powers.extend(actions.iter().map(|action| Self::Messaging {
                    connection: connection.clone(),
                    action: *action,
                    topic: topic.clone(),
                }));
            }
        }
        powers.extend(blob.iter().map(|BlobGrant { connection, prefix, write }| Self::Blob {
            connection: connection.clone(),
            prefix: prefix.clone(),
            write: *write,
        }));
        for EmailGrant { connection, recipients, senders } in email {
            let to =
                |recipient: &Recipient| Self::EmailTo { connection: connection.clone(), recipient: recipient.clone() };
            let from = |sender: &Recipient| Self::EmailFrom { connection: connection.clone(), sender: sender.clone() };
            powers.extend(recipients.iter().map(to));
            powers.extend(senders.iter().map(from));
        }
        powers
    }

    /// The capability it is part of.
    #[must_use]
    pub const fn capability(&self) -> Capability {
        match self {
            Self::Http { .. } => Capability::Http,
            Self::Kv { .. } => Capability::Kv,
            Self::Config(_) => Capability::Config,
            Self::Events(_) => Capability::Events,
            Self::Sql { .. } | Self::SqlFunction { .. } => Capability::Sql,
            Self::Messaging { .. } => Capability::Messaging,
            Self::Blob { .. } => Capability::Blob,
            Self::EmailTo { .. } | Self::EmailFrom { .. } => Capability::Email,
        }
    }

    /// Whether whoever has this may do all of `other`. When in doubt it says no, so that a power is
    /// rather called new than overlooked.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Http { target, method, path, redirects, retry_in_doubt },
                Self::Http { target: to, method: by, path: at, redirects: hops, retry_in_doubt: again },
            ) => target == to && method == by && path.covers(at) && redirects >= hops && (*retry_in_doubt || !*again),
            (Self::Kv { prefix, write }, Self::Kv { prefix: longer, write: writes }) => {
                longer.starts_with(prefix.as_str()) && (*write || !*writes)
            }
            (Self::Config(name), Self::Config(other)) => name == other,
            (Self::Events(types), Self::Events(other)) => types.covers(other),
            (
                Self::Sql { connection, verb, table, retry_in_doubt },
                Self::Sql { connection: on, verb: does, table: to, retry_in_doubt: again },
            ) => connection == on && verb == does && table.covers(to) && (*retry_in_doubt || !*again),
            (Self::SqlFunction { connection, function }, Self::SqlFunction { connection: on, function: other }) => {
                connection == on && function.covers(other)
            }
            (
                Self::Messaging { connection, action, topic },
                Self::Messaging { connection: on, action: does, topic: to },
            ) => connection == on && action == does && topic.covers(to),
            (
                Self::Blob { connection, prefix, write },
                Self::Blob { connection: on, prefix: longer, write: writes },
            ) => connection == on && longer.starts_with(prefix.as_str()) && (*write || !*writes),
            (Self::EmailTo { connection, recipient: who }, Self::EmailTo { connection: on, recipient: other })
            | (Self::EmailFrom { connection, sender: who }, Self::EmailFrom { connection: on, sender: other }) => {
                connection == on && who.covers(other)
            }
            _ => false,
        }
    }
}

/// Those of `these` that are not written in `those`: first what `those` cover all the same, then
/// what they do not.
pub(super) fn beyond(these: &[Power], those: &[Power]) -> (Vec<Power>, Vec<Power>) {
    let few = these.len() <= COMPARED && those.len() <= COMPARED;
    let mut fresh: Vec<Power> = Vec::new();
    for power in these {
        if !those.contains(power) && !fresh.contains(power) {
            fresh.push(power.clone());
        }
    }
    fresh.into_iter().partition(|power| few && those.iter().any(|other| other.covers(power)))
}
