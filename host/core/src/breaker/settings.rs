//! The pace and the breaker of a connection as its settings say: common to connections of every kind.
//!
//! Not here: the settings of one kind, which its connector reads.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::manifest::read_duration;
use crate::ports::connector::SettingProblem;
use crate::words::meant;

/// The keys of a connection's settings that are read here.
pub const KEYS: [&str; 2] = ["pace", "breaker"];
const PACE: [&str; 3] = ["rate", "burst", "concurrency"];
const BREAKER: [&str; 3] = ["failures", "first", "longest"];
const MOST_CALLS: u64 = 1_000_000;
const LONGEST: Duration = Duration::from_secs(3600);

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// From one call to the next, on average; none if there is no rate.
    pub interval: Option<Duration>,
    /// So many calls may leave at once before the rate counts.
    pub burst: u32,
    /// So many calls at the same time.
    pub concurrency: Option<u32>,
    /// So many calls in a row that find the other side not well open the breaker; 0: none ever does.
    pub failures: u32,
    /// How long it is open the first time; doubles while the other side stays away.
    pub first: Duration,
    /// And at most.
    pub longest: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: None,
            burst: 1,
            concurrency: None,
            failures: 10,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
        }
    }
}

impl Settings {
    /// Reads what a connection's settings say of pace and breaker.
    ///
    /// # Errors
    ///
    /// Every problem found.
    pub fn read(settings: &Map<String, Value>) -> Result<Self, Vec<SettingProblem>> {
        let mut read = Self::default();
        let mut reader = Reader(Vec::new());
        if let Some(pace) = reader.table(settings, "pace", &PACE) {
            if let Some(rate) = pace.get("rate") {
                read.interval = reader.rate("pace.rate", rate);
                // As much as a second's worth at once, unless it is said otherwise.
                let second = read.interval.map_or(1, |each| Duration::from_secs(1).as_nanos() / each.as_nanos().max(1));
                read.burst = u32::try_from(second).unwrap_or(u32::MAX).max(1);
            }
            if let Some(burst) = reader.whole(pace, "pace", "burst", 1) {
                read.burst = burst;
            }
            read.concurrency = reader.whole(pace, "pace", "concurrency", 1);
        }
        if let Some(breaker) = reader.table(settings, "breaker", &BREAKER) {
            if let Some(failures) = reader.whole(breaker, "breaker", "failures", 0) {
                read.failures = failures;
            }
            let (first, longest) = (reader.duration(breaker, "first"), reader.duration(breaker, "longest"));
            read.first = first.unwrap_or(read.first);
            read.longest = longest.unwrap_or_else(|| read.longest.max(read.first));
            if read.first > read.longest {
                reader.say("breaker.first", "is more than `breaker.longest`; pauses only grow");
            }
        }
        if reader.0.is_empty() { Ok(read) } else { Err(reader.0) }
    }
}

struct Reader(Vec<SettingProblem>);

impl Reader {
    fn say(&mut self, key: &str, problem: impl Into<String>) {
        self.0.push(SettingProblem { key: key.into(), problem: problem.into() });
    }

    fn table<'a>(
        &mut self,
        settings: &'a Map<String, Value>,
        key: &str,
        known: &[&str],
    ) -> Option<&'a Map<String, Value>> {
        let value = settings.get(key).filter(|value| !value.is_null())?;
        let Value::Object(table) = value else {
            self.say(key, format!("should be a table, with {}", known.join(", ")));
            return None;
        };
        for unknown in table.keys().filter(|name| !known.contains(&name.as_str())) {
            let problem = match meant(unknown, known.iter().copied()) {
                Some(known) => format!("is not a setting; did you mean `{key}.{known}`?"),
                None => format!("is not a setting; there are {}", known.join(", ")),
            };
            self.say(&format!("{key}.{}", crate::ids::shown(unknown)), problem);
        }
        Some(table)
    }

    fn whole(&mut self, table: &Map<String, Value>, at: &str, key: &str, least: u32) -> Option<u32> {
        let value = table.get(key)?;
        let whole = value.as_u64().filter(|n| (u64::from(least)..=MOST_CALLS).contains(n));
        let whole = whole.and_then(|n| u32::try_from(n).ok());
        if whole.is_none() {
            self.say(&format!("{at}.{key}"), format!("should be a whole number from {least} to {MOST_CALLS}"));
        }
        whole
    }

    fn duration(&mut self, table: &Map<String, Value>, key: &str) -> Option<Duration> {
        let value = table.get(key)?;
        let read = value.as_str().and_then(|text| read_duration(text).ok());
        let fits = read.filter(|d| (Duration::from_millis(1)..=LONGEST).contains(d));
        if fits.is_none() {
            self.say(&format!("breaker.{key}"), "should be a length of time from 1ms to 1h, such as `30s`");
        }
        fits
    }

    /// `10/s`, `600/m`, `1000/h`, or a whole number a second.
    fn rate(&mut self, key: &str, value: &Value) -> Option<Duration> {
        let (count, seconds) = match value {
            Value::Number(number) => (number.as_u64(), Some(1)),
            Value::String(text) => match text.split_once('/') {
                Some((count, unit)) => {
                    let seconds = [("s", 1), ("m", 60), ("h", 3600)].into_iter().find(|(name, _)| *name == unit.trim());
                    (count.trim().parse().ok(), seconds.map(|(_, seconds)| seconds))
                }
                None => (text.trim().parse().ok(), Some(1)),
            },
            _ => (None, None),
        };
        match (count.filter(|count| (1..=MOST_CALLS).contains(count)), seconds) {
            (Some(count), Some(seconds)) => Some(Duration::from_nanos(seconds * 1_000_000_000 / count)),
            _ => {
                self.say(
                    key,
                    format!("should be a number of calls, 1 to {MOST_CALLS}, a second, minute or hour: `10/s`"),
                );
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<Settings, Vec<SettingProblem>> {
        Settings::read(value.as_object().unwrap())
    }

    #[test]
    fn what_is_not_said_is_sane() {
        let usual = read(json!({ "base_url": "https://api.example.com" })).unwrap();
        assert_eq!(usual, Settings::default());
        assert_eq!((usual.failures, usual.interval, usual.concurrency), (10, None, None));
    }

    #[test]
    fn rates_are_read_by_their_unit() {
        for (rate, millis, burst) in [
            (json!("10/s"), 100, 10),
            (json!(4), 250, 4),
            (json!("30/m"), 2_000, 1),
            (json!("3600 / h"), 1_000, 1),
            (json!("2"), 500, 2),
        ] {
            let settings = read(json!({ "pace": { "rate": rate } })).unwrap();
            assert_eq!((settings.interval, settings.burst), (Some(Duration::from_millis(millis)), burst), "{rate}");
        }
        let settings = read(json!({ "pace": { "rate": "10/s", "burst": 1, "concurrency": 3 } })).unwrap();
        assert_eq!((settings.burst, settings.concurrency), (1, Some(3)));
        let settings = read(json!({ "breaker": { "failures": 0, "first": "5s", "longest": "10m" } })).unwrap();
        assert_eq!((settings.failures, settings.first, settings.longest.as_secs()), (0, Duration::from_secs(5), 600));
        // A first pause beyond the usual longest one moves that along.
        let settings = read(json!({ "breaker": { "first": "5m" } })).unwrap();
        assert_eq!(settings.longest, Duration::from_secs(300));
    }

    #[test]
    fn what_does_not_read_is_named_with_its_key() {
        for (settings, key) in [
            (json!({ "pace": 3 }), "pace"),
            (json!({ "pace": { "rate": "fast" } }), "pace.rate"),
            (json!({ "pace": { "rate": "0/s" } }), "pace.rate"),
            (json!({ "pace": { "rate": "1/d" } }), "pace.rate"),
            (json!({ "pace": { "burst": 0 } }), "pace.burst"),
            (json!({ "pace": { "brust": 1 } }), "pace.brust"),
            (json!({ "breaker": { "failures": -1 } }), "breaker.failures"),
            (json!({ "breaker": { "first": "2h" } }), "breaker.first"),
            (json!({ "breaker": { "first": "2m", "longest": "1m" } }), "breaker.first"),
        ] {
            let problems = read(settings.clone()).unwrap_err();
            assert_eq!(problems[0].key, key, "{settings}");
        }
    }
}
