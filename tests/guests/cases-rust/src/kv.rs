//! Keys and values.

use std::thread::sleep;
use std::time::Duration;

use jackfield::{Bytes, Context, Kv, Result, Value, json};

use crate::told;

pub fn values(cx: &Context) -> Result<Value> {
    let kv = &cx.kv;
    let every_byte: Vec<u8> = (0..=255).collect();
    kv.set("text", "Zoë \u{2603}")?;
    kv.set("number", &1.5)?;
    kv.set("object", &json!({ "a": [1, null, true] }))?;
    kv.set("schlüssel", &1)?;
    kv.set_bytes("bytes", &every_byte)?;
    let bytes: Bytes = kv.get("bytes")?.unwrap_or_default();
    let first = kv.entry::<f64>("number")?.map(|entry| entry.version);
    kv.set("number", &2.5)?;
    let second = kv.entry::<f64>("number")?.map(|entry| entry.version);
    let removed = [kv.remove("schlüssel")?, kv.remove("schlüssel")?];
    Ok(json!({
        "text": kv.get::<String>("text")?,
        "number": kv.get::<f64>("number")?,
        "object": kv.get::<Value>("object")?,
        "bytes": [bytes.len(), bytes[255], bytes.to_vec() == every_byte],
        "missing": kv.get::<Value>("missing")?,
        "a write changes the version": first != second,
        "removed": removed,
    }))
}

pub fn ttl(cx: &Context) -> Result<Value> {
    let kv = &cx.kv;
    let second = Duration::from_secs(1);
    kv.set_for("a", &1, second)?;
    let created = kv.compare_and_set_for("b", None, &2, second)?;
    let done = kv.batch().set_for("c", &3, second).set("d", &4).commit()?;
    let before = kv.get_many::<u32>(&["a", "b", "c", "d"])?;
    sleep(Duration::from_millis(1_300));
    let after = kv.get_many::<u32>(&["a", "b", "c", "d"])?;
    let never = told(kv.set_for("a", &1, Duration::ZERO));
    Ok(json!([created, done, before, after, never]))
}

pub fn many(cx: &Context) -> Result<Value> {
    cx.kv.set("a", &1)?;
    cx.kv.set("b", "two")?;
    let found = cx.kv.get_many::<Value>(&["b", "missing", "a", "b"])?;
    let names: Vec<String> = (0..101).map(|number| format!("key-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Ok(json!([found, cx.kv.get_many::<Value>(&[])?, told(cx.kv.get_many::<Value>(&names))]))
}

pub fn compare(cx: &Context) -> Result<Value> {
    let kv = &cx.kv;
    let created = [kv.compare_and_set("key", None, &1)?, kv.compare_and_set("key", None, &2)?];
    let version = kv.entry::<u32>("key")?.map(|entry| entry.version);
    let changed = kv.compare_and_set("key", version.as_deref(), &3)?;
    let changed_again = kv.compare_and_set("key", version.as_deref(), &4)?;
    let bytes = kv.compare_and_set_bytes("bytes", None, &[0, 255])?;
    Ok(json!([created, changed, changed_again, bytes, kv.get::<u32>("key")?]))
}

pub fn batch(cx: &Context) -> Result<Value> {
    let kv = &cx.kv;
    kv.set("old", &1)?;
    let version = kv.entry::<u32>("old")?.map(|entry| entry.version);
    let done = kv
        .batch()
        .check("old", version.as_deref())
        .check("new", None)
        .set("new", &json!({ "made": true }))
        .set_bytes("bytes", &[0, 255])
        .increment("count", 2)
        .increment("count", -5)
        .remove("old")
        .remove("never there")
        .commit()?;
    let refused = kv.batch().set("new", "other").check("new", None).commit()?;
    let empty = kv.batch().commit()?;
    let too_many = (0..101).fold(kv.batch(), |batch, number| batch.set(format!("many-{number}"), &number)).commit();
    Ok(json!([done, refused, empty, told(too_many)]))
}

pub fn counters(cx: &Context) -> Result<Value> {
    let kv = &cx.kv;
    let large = 9_007_199_254_740_993_i64;
    let sums = [
        kv.increment("count", 5)?,
        kv.increment("count", -8)?,
        kv.increment("count", 0)?,
        kv.increment("large", large)?,
        kv.increment("large", 1)?,
        kv.increment("most", i64::MAX)?,
        kv.increment("least", i64::MIN)?,
    ];
    kv.set("text", "x")?;
    let failed = [
        told(kv.increment("most", 1)),
        told(kv.increment("least", -1)),
        told(kv.increment("text", 1)),
        told(kv.batch().set("other", &1).increment("text", 1).commit()),
    ];
    // As text: not every language's JSON has all 64 bits.
    Ok(json!([sums.map(|sum| sum.to_string()), failed, kv.get::<i64>("count")?]))
}

pub fn keys(cx: &Context) -> Result<Value> {
    let kv = &cx.kv;
    for hundred in 0..21 {
        let batch = (0..100).fold(kv.batch(), |batch, n| batch.set(format!("page/{:04}", hundred * 100 + n), &n));
        batch.commit()?;
    }
    kv.set("other", &1)?;
    let all = kv.keys("page/").collect::<Result<Vec<_>>>()?;
    let sorted = all.is_sorted();
    let everything = kv.keys("").collect::<Result<Vec<_>>>()?;
    let first = kv.keys("page/").take(2).collect::<Result<Vec<_>>>()?;
    let none = kv.keys("nothing/").collect::<Result<Vec<_>>>()?;
    Ok(json!([all.len(), sorted, all.last(), everything.len(), first, none]))
}

pub fn refused(cx: &Context) -> Result<Value> {
    let kv = &cx.kv;
    let other = Kv::connection("other");
    Ok(json!([
        told(kv.set("closed/key", &1)),
        told(kv.set("read-only/key", &1)),
        kv.get::<u32>("read-only/key")?,
        told(kv.keys("").collect::<Result<Vec<_>>>()),
        told(kv.get::<Value>("")),
        told(kv.set(&"k".repeat(513), &1)),
        told(kv.get::<Value>("open/\n")),
        told(kv.set_bytes("open/large", &vec![b'x'; (1 << 20) + 1])),
        told(other.get::<Value>("open/key")),
    ]))
}

pub fn unfit(cx: &Context) -> Result<Value> {
    cx.kv.set_bytes("text", b"no json")?;
    cx.kv.set("list", &[1, 2])?;
    let not_json = told(cx.kv.get::<Value>("text"));
    let other = told(cx.kv.get::<String>("list"));
    Ok(json!([not_json, other]))
}
