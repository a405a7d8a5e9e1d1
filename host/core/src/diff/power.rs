//! A single thing a component may do: one operation of one grant.
//!
//! Not here: whether a call is allowed; the grant itself decides that.

use crate::grant::{Capability, Grants, HttpGrant, HttpTarget, KvGrant, PathPattern};
use crate::ids::ConfigName;
use crate::listen::TypePattern;

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
}

impl Power {
    /// Everything `grants` allow, each operation once.
    #[must_use]
    pub fn all_of(grants: &Grants) -> Vec<Self> {
        // Taken apart by name: a new kind of grant does not compile until it is listed here.
        let Grants { http, kv, config, events, deny: _ } = grants;
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
