//! S30 … S34: keys and values.

use std::time::Duration;

use serde_bytes::ByteBuf;

use super::super::StoreError;
use super::super::kv::LocalCall;
use super::super::queue::{Claim, Settle};
use super::{Death, Harness, KV_BYTES, accepted, claim_one, ending, scope, soon};
use crate::grant::Capability;
use crate::ids::Scope;
use crate::journal::{ArgumentHash, Chunk, Class, Record, Verdict, What, decode};
use crate::ports::kv::{Addition, Assignment, Condition, KvAnswer, KvCall, KvEntry, KvError, KvOperation, KvValue};

/// A claimed run whose guest writes, and how many chunks its journal has.
struct Guest {
    claim: Claim,
    chunks: u32,
}

impl Guest {
    async fn new(h: &mut dyn Harness) -> Self {
        accepted(h, "guest").await;
        Self { claim: claim_one(h).await, chunks: 0 }
    }

    async fn write_in(&mut self, h: &dyn Harness, scope: Scope, call: KvCall) -> Result<KvAnswer, StoreError> {
        let local = LocalCall {
            chunk: Chunk { number: self.chunks, bytes: vec![1] },
            call: self.chunks + 1,
            what: What { capability: Capability::Kv, text: "write".into() },
            hash: ArgumentHash::of([&b"arguments"[..]]),
        };
        let answer = h.store().kv_write(self.claim.fence, scope, call, local).await;
        self.chunks += u32::from(answer.is_ok());
        answer
    }

    async fn write(&mut self, h: &dyn Harness, call: KvCall) -> KvAnswer {
        self.write_in(h, scope("dev", "demo"), call).await.expect("the store works")
    }
}

async fn read_in(h: &dyn Harness, scope: Scope, call: KvCall) -> KvValue {
    h.store().kv_read(&scope, &call).await.expect("the store works").expect("it is read")
}

async fn get(h: &dyn Harness, key: &str) -> Option<KvEntry> {
    match read_in(h, scope("dev", "demo"), KvCall::Get(key.into())).await {
        KvValue::Entry(entry) => entry,
        other => panic!("{other:?}"),
    }
}

async fn text(h: &dyn Harness, key: &str) -> Option<String> {
    get(h, key).await.map(|entry| String::from_utf8(entry.value.into_vec()).expect("tests write text"))
}

fn assign(key: &str, value: &str, ttl_seconds: Option<u32>) -> Assignment {
    Assignment { key: key.into(), value: ByteBuf::from(value.as_bytes()), ttl_seconds }
}

fn set(key: &str, value: &str) -> KvCall {
    KvCall::Set(assign(key, value, None))
}

/// S30
pub async fn s30_a_write_and_its_record_are_one(h: &mut dyn Harness) {
    let mut guest = Guest::new(h).await;
    assert_eq!(guest.write(h, set("a", "1")).await, Ok(KvValue::Done));
    assert_eq!(guest.write(h, KvCall::Remove("b".into())).await, Ok(KvValue::Flag(false)));
    let chunks = h.store().load(guest.claim.fence.run).await.expect("loaded");
    let mut verdicts = Vec::new();
    for chunk in &chunks {
        for record in decode(chunk).expect("it reads") {
            let Record::Result { call, class, verdict, answer, .. } = record else { panic!("{record:?}") };
            assert_eq!(class, Class::Local);
            let answer: KvAnswer = rmp_serde::from_slice(&answer).expect("it reads");
            verdicts.push((call, verdict, answer));
        }
    }
    let expected = [(1, Verdict::Done, Ok(KvValue::Done)), (2, Verdict::Refused, Ok(KvValue::Flag(false)))];
    assert_eq!(verdicts, expected);
    // A chunk that does not follow takes the write with it.
    let chunks = std::mem::replace(&mut guest.chunks, 7);
    let refused = guest.write_in(h, scope("dev", "demo"), set("a", "2")).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    guest.chunks = chunks;
    assert_eq!(text(h, "a").await.as_deref(), Some("1"));
    // So does a superseded fence.
    let run = guest.claim.fence.run;
    let end = ending(&guest.claim, "failed", Settle::Waiting { due: soon(h, 0), hard: false });
    h.store().settle(guest.claim.fence, end).await.expect("settled");
    claim_one(h).await;
    let refused = guest.write_in(h, scope("dev", "demo"), set("a", "3")).await;
    assert_eq!(refused, Err(StoreError::Superseded { run }));
    assert_eq!(text(h, "a").await.as_deref(), Some("1"));
    assert_eq!(h.store().load(run).await.expect("loaded").len(), 2);
    h.owner_is_gone(Death::Unmarked).await;
    assert_eq!(text(h, "a").await.as_deref(), Some("1"));
}

/// S31
pub async fn s31_scopes_do_not_see_each_other(h: &mut dyn Harness) {
    let mut guest = Guest::new(h).await;
    let scopes = [scope("dev", "demo"), scope("prod", "demo"), scope("dev", "demo-a"), scope("dev", "a")];
    for (number, scope) in scopes.iter().enumerate() {
        let call = set("a/key", &number.to_string());
        guest.write_in(h, scope.clone(), call).await.expect("the store works").expect("written");
    }
    for (number, scope) in scopes.iter().enumerate() {
        let KvValue::Entry(Some(entry)) = read_in(h, scope.clone(), KvCall::Get("a/key".into())).await else {
            panic!("it is there")
        };
        assert_eq!(*entry.value, number.to_string().into_bytes());
        let all = KvCall::Keys { prefix: String::new(), cursor: None, limit: 10 };
        let expected = KvValue::Page { keys: vec!["a/key".into()], next: None };
        assert_eq!(read_in(h, scope.clone(), all).await, expected);
    }
    let never = scope("prod", "never-written");
    assert_eq!(read_in(h, never, KvCall::Get("a/key".into())).await, KvValue::Entry(None));
}

/// S31 over arbitrary names; threat row 47: keys are kept by the scope's id, never by a joined string.
pub async fn s31_threat_047_no_text_of_a_key_leads_into_another_scope(h: &mut dyn Harness) {
    let mut guest = Guest::new(h).await;
    let scopes = [scope("dev", "a"), scope("dev", "b"), scope("prod", "a"), scope("dev", "a-b")];
    let tricks = [
        "../b/key",
        "..\\b\\key",
        "b/key",
        "/key",
        "//key",
        "a/key",
        "dev/b/key",
        "2:key",
        "key%00",
        "KEY",
        "Key",
        "kéy",
        "ke\u{301}y",
        "key'; DROP TABLE kv; --",
        "%",
        "_",
        "*",
        "\u{ffff}",
        "key ",
        " key",
    ];
    for (number, scope) in scopes.iter().enumerate() {
        for key in tricks {
            let value = format!("{number} {key}");
            guest.write_in(h, scope.clone(), set(key, &value)).await.expect("the store works").expect("written");
        }
    }
    for (number, scope) in scopes.iter().enumerate() {
        for key in tricks {
            let read = read_in(h, scope.clone(), KvCall::Get(key.into())).await;
            let KvValue::Entry(Some(entry)) = read else { panic!("{key:?} of {scope} is gone") };
            assert_eq!(*entry.value, format!("{number} {key}").into_bytes(), "{key:?} of {scope}");
        }
        // A prefix is text: `%` and `_` stand for themselves.
        for prefix in ["%", "_", "*"] {
            let call = KvCall::Keys { prefix: prefix.into(), cursor: None, limit: 1_000 };
            assert_eq!(read_in(h, scope.clone(), call).await, KvValue::Page { keys: vec![prefix.into()], next: None });
        }
        let call = KvCall::Keys { prefix: String::new(), cursor: None, limit: 1_000 };
        let KvValue::Page { keys, .. } = read_in(h, scope.clone(), call).await else { panic!("a page") };
        assert_eq!(keys.len(), tricks.len(), "{scope} sees keys of others, or fewer than its own");
    }
}

/// S32
pub async fn s32_a_value_whose_time_is_over_is_not_there(h: &mut dyn Harness) {
    let mut guest = Guest::new(h).await;
    for key in ["get", "remove", "count", "compare", "batch", "page"] {
        let call = KvCall::Set(assign(key, "41", Some(10)));
        assert_eq!(guest.write(h, call).await, Ok(KvValue::Done));
    }
    assert_eq!(guest.write(h, set("for-ever", "1")).await, Ok(KvValue::Done));
    h.clock().advance(Duration::from_secs(9));
    assert_eq!(text(h, "get").await.as_deref(), Some("41"));
    let one = KvCall::Increment(Addition { key: "count".into(), by: 1 });
    assert_eq!(guest.write(h, one.clone()).await, Ok(KvValue::Sum(42)));
    h.clock().advance(Duration::from_secs(1));
    assert_eq!(get(h, "get").await, None);
    assert_eq!(guest.write(h, KvCall::Remove("remove".into())).await, Ok(KvValue::Flag(false)));
    assert_eq!(guest.write(h, one).await, Ok(KvValue::Sum(1)), "its time to live was kept, and is over");
    let absent = |key: &str| Condition { key: key.into(), version: None };
    let compare = KvCall::CompareAndSet { expected: absent("compare"), value: ByteBuf::from("new"), ttl_seconds: None };
    assert_eq!(guest.write(h, compare).await, Ok(KvValue::Flag(true)));
    let batch =
        KvCall::Batch(vec![KvOperation::Check(absent("batch")), KvOperation::Set(assign("batch", "new", None))]);
    assert_eq!(guest.write(h, batch).await, Ok(KvValue::Flag(true)));
    let all = KvCall::Keys { prefix: String::new(), cursor: None, limit: 10 };
    let keys = ["batch", "compare", "count", "for-ever"].map(String::from).to_vec();
    assert_eq!(read_in(h, scope("dev", "demo"), all).await, KvValue::Page { keys, next: None });
    h.clock().advance(Duration::from_secs(1 << 30));
    assert_eq!(text(h, "batch").await.as_deref(), Some("new"), "a write without a time to live ends it");
}

/// S33
pub async fn s33_batch_and_check(h: &mut dyn Harness) {
    let mut guest = Guest::new(h).await;
    guest.write(h, set("a", "1")).await.expect("written");
    let first = get(h, "a").await.expect("it is there").version;
    guest.write(h, set("a", "1")).await.expect("written");
    let second = get(h, "a").await.expect("it is there").version;
    assert_ne!(first, second, "every write changes the version");
    let check = |version: &str| KvOperation::Check(Condition { key: "a".into(), version: Some(version.into()) });
    let writes = |guard: KvOperation| {
        KvCall::Batch(vec![
            KvOperation::Set(assign("b", "2", None)),
            KvOperation::Remove("a".into()),
            KvOperation::Increment(Addition { key: "c".into(), by: 5 }),
            guard,
        ])
    };
    assert_eq!(guest.write(h, writes(check(&first))).await, Ok(KvValue::Flag(false)));
    assert_eq!((text(h, "a").await.as_deref(), get(h, "b").await, get(h, "c").await), (Some("1"), None, None));
    let not_a_counter = KvOperation::Increment(Addition { key: "b".into(), by: i64::MAX });
    let failed = guest.write(h, writes(not_a_counter)).await;
    assert!(matches!(failed, Err(KvError::Invalid(_))), "{failed:?}");
    assert_eq!((text(h, "a").await.as_deref(), get(h, "b").await), (Some("1"), None));
    let mut operations = vec![check(&second)];
    let KvCall::Batch(rest) = writes(KvOperation::Remove("never".into())) else { unreachable!() };
    operations.extend(rest);
    assert_eq!(guest.write(h, KvCall::Batch(operations)).await, Ok(KvValue::Flag(true)));
    let many = KvCall::GetMany(["a", "b", "c"].map(String::from).to_vec());
    let KvValue::Entries(entries) = read_in(h, scope("dev", "demo"), many).await else { panic!("entries") };
    let values: Vec<_> = entries.into_iter().map(|entry| entry.map(|entry| entry.value.into_vec())).collect();
    assert_eq!(values, [None, Some(b"2".to_vec()), Some(b"5".to_vec())]);
    // A version is never used again, not for the same key made anew, nor after a restart.
    h.owner_is_gone(Death::Unmarked).await;
    let mut guest = Guest { claim: claim_one(h).await, chunks: guest.chunks };
    guest.write(h, set("a", "1")).await.expect("written");
    let third = get(h, "a").await.expect("it is there").version;
    assert!(third != first && third != second);
    let compare = |version: &str| KvCall::CompareAndSet {
        expected: Condition { key: "a".into(), version: Some(version.into()) },
        value: ByteBuf::from("new"),
        ttl_seconds: None,
    };
    assert_eq!(guest.write(h, compare(&second)).await, Ok(KvValue::Flag(false)));
    assert_eq!(guest.write(h, compare(&third)).await, Ok(KvValue::Flag(true)));
    assert_eq!(text(h, "a").await.as_deref(), Some("new"));
}

/// S33
pub async fn s33_counters(h: &mut dyn Harness) {
    let mut guest = Guest::new(h).await;
    let add = |by| KvCall::Increment(Addition { key: "n".into(), by });
    assert_eq!(guest.write(h, add(5)).await, Ok(KvValue::Sum(5)));
    assert_eq!(guest.write(h, add(-7)).await, Ok(KvValue::Sum(-2)));
    assert_eq!(text(h, "n").await.as_deref(), Some("-2"), "a counter is decimal text");
    assert!(matches!(guest.write(h, add(i64::MIN)).await, Err(KvError::Invalid(_))));
    guest.write(h, set("n", "many")).await.expect("written");
    assert!(matches!(guest.write(h, add(1)).await, Err(KvError::Invalid(_))));
    assert_eq!(text(h, "n").await.as_deref(), Some("many"));
}

/// S33
pub async fn s33_pages(h: &mut dyn Harness) {
    let mut guest = Guest::new(h).await;
    for key in ["a", "p/1", "p/2", "p/ä", "p/\u{0}", "p/3", "q"] {
        guest.write(h, set(key, "")).await.expect("written");
    }
    let mut cursor = None;
    let mut seen = Vec::new();
    loop {
        let call = KvCall::Keys { prefix: "p/".into(), cursor, limit: 2 };
        let KvValue::Page { keys, next } = read_in(h, scope("dev", "demo"), call).await else { panic!("a page") };
        assert!(keys.len() <= 2);
        seen.extend(keys);
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["p/\u{0}", "p/1", "p/2", "p/3", "p/ä"]);
}

/// S34
pub async fn s34_the_quota_refuses_and_changes_nothing(h: &mut dyn Harness) {
    let mut guest = Guest::new(h).await;
    let large = "x".repeat(KV_BYTES as usize - 10);
    assert_eq!(guest.write(h, set("a", &large)).await, Ok(KvValue::Done));
    let refused = guest.write(h, set("bbbbbbbbbb", "b")).await;
    let Err(KvError::Quota(text_)) = refused else { panic!("{refused:?}") };
    assert!(text_.contains("1000") && text_.contains("quota"), "{text_}");
    assert_eq!(get(h, "bbbbbbbbbb").await, None);
    let batch = KvCall::Batch(vec![
        KvOperation::Set(assign("small", "1", None)),
        KvOperation::Set(assign("other", "22222222", None)),
    ]);
    assert!(matches!(guest.write(h, batch).await, Err(KvError::Quota(_))));
    assert_eq!(get(h, "small").await, None);
    // Less is never refused, and another integration has its own.
    assert_eq!(guest.write(h, KvCall::Set(assign("a", &large[1..], Some(5)))).await, Ok(KvValue::Done));
    let other = guest.write_in(h, scope("dev", "other"), set("a", &large)).await;
    assert_eq!(other, Ok(Ok(KvValue::Done)));
    h.owner_is_gone(Death::Unmarked).await;
    let mut guest = Guest { claim: claim_one(h).await, chunks: guest.chunks };
    assert!(matches!(guest.write(h, set("b", &large)).await, Err(KvError::Quota(_))), "it is kept across a restart");
    // What has expired is not in the way.
    h.clock().advance(Duration::from_secs(5));
    assert_eq!(guest.write(h, set("b", &large)).await, Ok(KvValue::Done));
    assert_eq!(guest.write(h, KvCall::Remove("b".into())).await, Ok(KvValue::Flag(true)));
    assert_eq!(guest.write(h, set("c", &large)).await, Ok(KvValue::Done));
}

/// S34, threat row 51: an integration over its quota stands in nobody's way but its own, and what it
/// removes counts again.
pub async fn s34_threat_051_freed_keys_count_again(h: &mut dyn Harness) {
    let mut guest = Guest::new(h).await;
    let half = "x".repeat(KV_BYTES as usize / 2 - 10);
    for key in ["a", "b"] {
        assert_eq!(guest.write(h, set(key, &half)).await, Ok(KvValue::Done));
    }
    for _ in 0..3 {
        assert!(matches!(guest.write(h, set("c", &half)).await, Err(KvError::Quota(_))));
    }
    for key in ["a", "b"] {
        let other = guest.write_in(h, scope("dev", "other"), set(key, &half)).await;
        assert_eq!(other, Ok(Ok(KvValue::Done)));
        let elsewhere = guest.write_in(h, scope("prod", "demo"), set(key, &half)).await;
        assert_eq!(elsewhere, Ok(Ok(KvValue::Done)), "another environment has its own");
    }
    assert_eq!(guest.write(h, KvCall::Remove("a".into())).await, Ok(KvValue::Flag(true)));
    assert_eq!(guest.write(h, set("c", &half)).await, Ok(KvValue::Done));
    assert!(matches!(guest.write(h, set("a", &half)).await, Err(KvError::Quota(_))), "and no more than was freed");
    // What it reads is there all the while.
    assert_eq!(text(h, "b").await.as_deref(), Some(half.as_str()));
}
