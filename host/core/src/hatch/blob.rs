//! The hatch's objects: names, sizes, and which prefixes are granted.

use std::sync::Arc;
use std::time::Duration;

use super::outward::{Asked, Exchange, NotMade, Sent, told};
use super::{Hatch, On, Stop, encode_answer};
use crate::grant::Capability;
use crate::ids::{ConnectionName, shown as printable};
use crate::journal::{ArgumentHash, Class, What};
use crate::limits::{BLOB_NAME_BYTES, BLOB_PAGE};
use crate::pace::Gate;
use crate::ports::blob::{Blob, BlobAnswer, BlobCall, BlobDone, BlobError};
use crate::ports::outward::{Failure, Sending};

impl Hatch {
    /// Makes a call about an object, or hands over its recorded answer. It runs in a task of its own, and is recorded
    /// even if this future is dropped.
    ///
    /// # Errors
    ///
    /// The attempt must end.
    pub async fn blob(self: &Arc<Self>, call: u32, connection: String, request: BlobCall) -> Result<BlobAnswer, Stop> {
        let hatch = Arc::clone(self);
        self.in_a_task(async move { hatch.blob_call(call, &connection, request).await }).await
    }

    async fn blob_call(&self, call: u32, connection: &str, request: BlobCall) -> Result<BlobAnswer, Stop> {
        let (place, writes) = request.place();
        let text = format!("{} {} {}", word(&request), printable(connection), printable(place));
        let what = What { capability: Capability::Blob, text };
        let (port, gate) = match self.check_blob(connection, &request) {
            Ok(checked) => checked,
            Err(refused) => {
                if let BlobError::AccessDenied(text) = &refused {
                    self.refuse(call, Capability::Blob, &what.text, text);
                }
                return Ok(Err(refused));
            }
        };
        let encoded = encode_answer(&On { connection, call: &request });
        let hash = ArgumentHash::of([encoded.as_slice()]);
        // Writing the same again comes to the same.
        let class = if writes { Class::Repeatable } else { Class::Read };
        let exchange = BlobExchange { port, gate, what, class, limit: self.limits.blob_bytes, request };
        self.carry_out(call, Asked { hash, class, request: || encoded }, &exchange).await
    }

    #[expect(clippy::type_complexity, reason = "the two things its one caller takes apart at once")]
    fn check_blob(
        &self,
        connection: &str,
        request: &BlobCall,
    ) -> Result<(Arc<dyn Blob>, Option<Arc<Gate>>), BlobError> {
        let (place, writes) = request.place();
        let not_granted = || {
            let access = if writes { "" } else { ", access = \"read\"" };
            BlobError::AccessDenied(format!(
                "blob = [{{ connection = \"{}\", prefix = \"{}\"{access} }}]",
                printable(connection),
                printable(place)
            ))
        };
        let name: ConnectionName = connection.parse().map_err(|_| not_granted())?;
        check_name(place, matches!(request, BlobCall::List { .. }))?;
        let granted = self
            .grants
            .blob
            .iter()
            .any(|grant| grant.connection == name && place.starts_with(&grant.prefix) && (grant.write || !writes));
        let found = self.port(&name, "objects", |opened| opened.blob.clone()).filter(|_| granted);
        let Some((port, linked)) = found else { return Err(not_granted()) };
        let port = port.map_err(BlobError::Unavailable)?;
        match request {
            BlobCall::Put(object) if object.data.len() as u64 > self.limits.blob_bytes => {
                let (bytes, limit) = (object.data.len(), self.limits.blob_bytes);
                let text = format!("the object has {bytes} bytes; the limit is {limit} (limits.blob)");
                Err(BlobError::TooLarge(text))
            }
            BlobCall::Get { range: Some((_, length)), .. } if u64::from(*length) > self.limits.blob_bytes => {
                let limit = self.limits.blob_bytes;
                let text = format!("a part of {length} bytes is asked for; the limit is {limit} (limits.blob)");
                Err(BlobError::TooLarge(text))
            }
            BlobCall::Get { range: Some((_, 0)), .. } => Err(BlobError::Invalid("a part has 1 byte or more".into())),
            BlobCall::List { limit, .. } if !(1..=BLOB_PAGE).contains(limit) => {
                Err(BlobError::Invalid(format!("limit is 1 to {BLOB_PAGE}, not {limit}")))
            }
            _ => Ok((port, linked.gate.clone())),
        }
    }
}

/// Names mean the same to every storage, and lead nowhere else.
fn check_name(name: &str, prefix: bool) -> Result<(), BlobError> {
    let wrong = if name.len() > BLOB_NAME_BYTES {
        format!("has {} bytes; the most are {BLOB_NAME_BYTES}", name.len())
    } else if name.chars().any(char::is_control) {
        "has a control character".into()
    } else if prefix && name.is_empty() {
        return Ok(());
    } else if name.is_empty() {
        "is empty".into()
    } else {
        // The last part of a prefix may be the beginning of a name, or nothing.
        let parts = name.split('/').collect::<Vec<_>>();
        let whole = if prefix { &parts[..parts.len() - 1] } else { &parts[..] };
        match whole.iter().find(|part| matches!(**part, "" | "." | "..")) {
            None => return Ok(()),
            Some(&"") => "has an empty part: no `/` at either end and no two in a row".into(),
            Some(part) => format!("has a part `{part}`, which means another folder to some storages"),
        }
    };
    Err(BlobError::Invalid(format!("name `{}` {wrong}", printable(name))))
}

struct BlobExchange {
    port: Arc<dyn Blob>,
    gate: Option<Arc<Gate>>,
    what: What,
    class: Class,
    limit: u64,
    request: BlobCall,
}

impl Exchange for BlobExchange {
    type Answer = BlobAnswer;

    fn what(&self) -> &What {
        &self.what
    }

    fn gate(&self) -> Option<&Arc<Gate>> {
        self.gate.as_ref()
    }

    fn timeout(&self) -> Duration {
        self.port.timeout()
    }

    fn sent_bytes(&self) -> u64 {
        match &self.request {
            BlobCall::Put(object) => object.data.len() as u64,
            _ => 0,
        }
    }

    fn most(&self) -> (u64, u32) {
        (self.limit, BLOB_PAGE)
    }

    async fn class(&self, _: Duration) -> Result<Class, Failure> {
        Ok(self.class)
    }

    async fn send(&self, with: Sending, _: Class) -> Sent<BlobAnswer> {
        let came = self.port.run(&self.request, &with).await;
        let received = |done: &BlobDone| match done {
            BlobDone::Data(Some(data)) => data.len() as u64,
            _ => 0,
        };
        told(came, received, error)
    }

    fn not_made(&self, why: NotMade) -> BlobAnswer {
        Err(match why {
            NotMade::Interrupted => BlobError::Unavailable("the host was interrupted before the answer came".into()),
            NotMade::Failed(failure) => error(failure),
        })
    }

    fn shown(answer: &BlobAnswer) -> String {
        match answer {
            Ok(BlobDone::Info(None) | BlobDone::Data(None)) => "none".into(),
            Ok(BlobDone::Info(Some(info))) => format!("{} bytes", info.size),
            Ok(BlobDone::Data(Some(data))) => format!("{} bytes", data.len()),
            Ok(BlobDone::Written(_) | BlobDone::Removed) => "ok".into(),
            Ok(BlobDone::Page { objects, .. }) => format!("{} objects", objects.len()),
            Err(BlobError::AccessDenied(_)) => "access-denied".into(),
            Err(BlobError::Invalid(_)) => "invalid".into(),
            Err(BlobError::Refused(_)) => "refused".into(),
            Err(BlobError::Unavailable(_)) => "unavailable".into(),
            Err(BlobError::TooLarge(_)) => "too large".into(),
        }
    }

    fn is_ok(answer: &BlobAnswer) -> bool {
        answer.is_ok()
    }
}

fn error(failure: Failure) -> BlobError {
    match failure {
        Failure::Invalid(text) => BlobError::Invalid(text),
        Failure::Refused { message, .. } | Failure::Conflict(message) => BlobError::Refused(message),
        Failure::Denied(text) | Failure::NotExecuted(text) => BlobError::Unavailable(text),
        Failure::Broken { message, .. } => BlobError::Unavailable(message),
        Failure::TooLarge { message, .. } => BlobError::TooLarge(message),
    }
}

const fn word(request: &BlobCall) -> &'static str {
    match request {
        BlobCall::Stat(_) => "stat",
        BlobCall::Get { .. } => "get",
        BlobCall::Put(_) => "put",
        BlobCall::Remove(_) => "remove",
        BlobCall::List { .. } => "list",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        for good in ["a", "2026/07/invoice 1.pdf", "ä/ö", "a.b", ".hidden", "a..b"] {
            assert!(check_name(good, false).is_ok(), "{good:?}");
        }
        for bad in ["", "/a", "a/", "a//b", "../a", "a/../b", "a/.", "a\u{0}b", "a\nb", &"a".repeat(1_025)] {
            assert!(check_name(bad, false).is_err(), "{bad:?}");
        }
        for good in ["", "a/", "a/b", "a/.."] {
            assert!(check_name(good, true).is_ok(), "{good:?}");
        }
        for bad in ["/", "../a", "a//b"] {
            assert!(check_name(bad, true).is_err(), "{bad:?}");
        }
    }
}
