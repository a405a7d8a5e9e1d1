//! The hatch's kv calls: keys, sizes and grants; reads are recorded, writes are one transaction
//! with their record.

use std::time::Duration;

use super::{Begun, Hatch, Stop, encode_answer};
use crate::gauntlet::crash_point;
use crate::grant::Capability;
use crate::ids::shown as printable;
use crate::journal::{ArgumentHash, Class, LookUp, Verdict, What};
use crate::limits::{KV_BATCH, KV_BATCH_BYTES, KV_KEY_BYTES, KV_PAGE, KV_VALUE_BYTES};
use crate::metrics::CallResult;
use crate::ports::kv::{KvAnswer, KvCall, KvError, KvOperation, KvValue};
use crate::store::kv::LocalCall;

impl Hatch {
    /// Makes a kv call, or hands over its recorded answer.
    ///
    /// # Errors
    ///
    /// The attempt must end.
    pub async fn kv(&self, call: u32, connection: &str, request: KvCall) -> Result<KvAnswer, Stop> {
        if connection != "default" {
            let text = format!("there is no kv connection `{}`; `default` is the host's own", printable(connection));
            return Ok(Err(KvError::Invalid(text)));
        }
        let what = What { capability: Capability::Kv, text: request.label() };
        if let Err(refused) = request.check().and_then(|()| self.granted(&request)) {
            if let KvError::AccessDenied(text) = &refused {
                self.refuse(call, Capability::Kv, &what.text, text);
            }
            return Ok(Err(refused));
        }
        let encoded = encode_answer(&request);
        let hash = ArgumentHash::of([encoded.as_slice()]);
        let class = if request.writes() { Class::Local } else { Class::Read };
        match self.look_up_asked(call, &what, &hash, class, || encoded)? {
            LookUp::Answered { verdict, answer, took_ms } => {
                return self.replay::<KvAnswer>(call, &what, verdict, &answer, took_ms, shown);
            }
            LookUp::Fresh { .. } | LookUp::Interrupted { .. } => {}
        }
        let answer = if request.writes() {
            self.kv_write(call, what, hash, request).await?
        } else {
            let answer = match self.outside.store.kv_read(&self.info.target.scope(), &request).await {
                Ok(answer) => answer,
                Err(fault) => return Err(self.end(Stop::HostFault(fault.to_string()))),
            };
            let begun = Begun { call, what, hash, class: Class::Read, generation: 0, interrupted: false };
            self.record(&begun, Verdict::Done, Duration::ZERO, &answer, shown(&answer));
            answer
        };
        let result = if answer.is_ok() { CallResult::Ok } else { CallResult::Error };
        self.outside.metrics.call(&self.info.target, Capability::Kv, result);
        Ok(answer)
    }

    async fn kv_write(&self, call: u32, what: What, hash: ArgumentHash, request: KvCall) -> Result<KvAnswer, Stop> {
        let (number, reply) = {
            // The write takes its place in line under the lock: the order on disk is the order here.
            let mut journal = self.journal();
            let chunk = journal.begin_local();
            let number = chunk.number;
            let local = LocalCall { chunk, call, what: what.clone(), hash };
            let scope = self.info.target.scope();
            (number, self.outside.store.kv_write(self.info.fence, scope, request, local))
        };
        let answer = self.stored(reply).await?;
        crash_point("kv-after-commit");
        let verdict = verdict(&answer);
        self.journal().end_local(number, call, what.clone(), hash, verdict, encode_answer(&answer));
        self.show(crate::journal::CallSummary {
            call,
            capability: Capability::Kv,
            what: what.text,
            result: shown(&answer),
            took_ms: 0,
            replayed: false,
            in_doubt: false,
        });
        Ok(answer)
    }

    fn granted(&self, request: &KvCall) -> Result<(), KvError> {
        let denied = request.keys().into_iter().find(|(key, write)| !self.grants.kv(key, *write));
        match denied {
            None => Ok(()),
            Some((key, write)) => {
                let access = if write { "" } else { ", access = \"read\"" };
                Err(KvError::AccessDenied(format!("kv = [{{ prefix = \"{}\"{access} }}]", printable(key))))
            }
        }
    }
}

/// Whether a write changed something: only then is it an effect that a retry must not repeat.
#[must_use]
pub(crate) fn verdict(answer: &KvAnswer) -> Verdict {
    match answer {
        Ok(KvValue::Flag(false)) | Err(_) => Verdict::Refused,
        Ok(_) => Verdict::Done,
    }
}

impl KvCall {
    /// Whether it may change something.
    #[must_use]
    pub const fn writes(&self) -> bool {
        !matches!(self, Self::Get(_) | Self::GetMany(_) | Self::Keys { .. })
    }

    /// The keys it touches (for `keys`, the prefix) and whether it may write them.
    fn keys(&self) -> Vec<(&str, bool)> {
        match self {
            Self::Get(key) => vec![(key, false)],
            Self::GetMany(keys) => keys.iter().map(|key| (key.as_str(), false)).collect(),
            Self::Keys { prefix, .. } => vec![(prefix, false)],
            Self::Set(set) => vec![(&set.key, true)],
            Self::Remove(key) => vec![(key, true)],
            Self::Increment(add) => vec![(&add.key, true)],
            Self::CompareAndSet { expected, .. } => vec![(&expected.key, true)],
            Self::Batch(operations) => operations.iter().map(|operation| (operation.key(), true)).collect(),
        }
    }

    pub(crate) fn label(&self) -> String {
        let word = match self {
            Self::Get(_) => "get",
            Self::GetMany(_) => "get-many",
            Self::Set(_) => "set",
            Self::Remove(_) => "remove",
            Self::Keys { .. } => "keys",
            Self::Increment(_) => "increment",
            Self::CompareAndSet { .. } => "compare-and-set",
            Self::Batch(_) => "batch",
        };
        let keys = self.keys();
        let first = keys.first().map_or("", |(key, _)| key);
        let more = if keys.len() > 1 { format!(" and {} more", keys.len() - 1) } else { String::new() };
        format!("{word} {}{more}", printable(first))
    }

    /// Checks keys and sizes against the limits of the interface.
    ///
    /// # Errors
    ///
    /// [`KvError::Invalid`], naming the limit.
    pub fn check(&self) -> Result<(), KvError> {
        let invalid = |text: String| Err(KvError::Invalid(text));
        let prefix_only = matches!(self, Self::Keys { .. });
        for (key, _) in self.keys() {
            if key.len() > KV_KEY_BYTES || (key.is_empty() && !prefix_only) {
                return invalid(format!("a key has 1 to {KV_KEY_BYTES} bytes; this one has {}", key.len()));
            }
            if key.chars().any(char::is_control) {
                return invalid(format!("key `{}` has a control character", printable(key)));
            }
        }
        let value_fits = |value: &[u8]| {
            if value.len() > KV_VALUE_BYTES {
                return invalid(format!("a value has at most {KV_VALUE_BYTES} bytes; this one has {}", value.len()));
            }
            Ok(())
        };
        let lives = |ttl: Option<u32>| {
            if ttl == Some(0) { invalid("a time to live is 1 second or more".into()) } else { Ok(()) }
        };
        match self {
            Self::GetMany(keys) if keys.len() > KV_BATCH => invalid(format!("at most {KV_BATCH} keys at once")),
            Self::Keys { limit, .. } if !(1..=KV_PAGE).contains(limit) => {
                invalid(format!("limit is 1 to {KV_PAGE}, not {limit}"))
            }
            Self::Set(set) => value_fits(&set.value).and(lives(set.ttl_seconds)),
            Self::CompareAndSet { value, ttl_seconds, .. } => value_fits(value).and(lives(*ttl_seconds)),
            Self::Batch(operations) => {
                if operations.len() > KV_BATCH {
                    return invalid(format!("a batch has at most {KV_BATCH} operations, not {}", operations.len()));
                }
                let mut bytes = 0;
                for operation in operations {
                    if let KvOperation::Set(set) = operation {
                        value_fits(&set.value)?;
                        lives(set.ttl_seconds)?;
                        bytes += set.value.len() as u64;
                    }
                }
                if bytes > KV_BATCH_BYTES {
                    return invalid(format!("a batch carries at most {KV_BATCH_BYTES} bytes, not {bytes}"));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl KvOperation {
    fn key(&self) -> &str {
        match self {
            Self::Set(set) => &set.key,
            Self::Remove(key) => key,
            Self::Increment(add) => &add.key,
            Self::Check(condition) => &condition.key,
        }
    }
}

fn shown(answer: &KvAnswer) -> String {
    match answer {
        Ok(KvValue::Entry(None)) => "none".into(),
        Ok(KvValue::Entry(Some(entry))) => format!("{} bytes", entry.value.len()),
        Ok(KvValue::Entries(entries)) => format!("{} found", entries.iter().flatten().count()),
        Ok(KvValue::Done) => "ok".into(),
        Ok(KvValue::Flag(flag)) => flag.to_string(),
        Ok(KvValue::Page { keys, .. }) => format!("{} keys", keys.len()),
        Ok(KvValue::Sum(sum)) => sum.to_string(),
        Err(KvError::AccessDenied(_)) => "access-denied".into(),
        Err(KvError::Invalid(_)) => "invalid".into(),
        Err(KvError::Quota(_)) => "quota".into(),
        Err(KvError::Unavailable(_)) => "unavailable".into(),
    }
}
