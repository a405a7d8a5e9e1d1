//! The outside of a case: a stub server that answers by rules.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use crate::stubs::echo::Echo;
use crate::stubs::{Answer, Api, Kind, Record};

/// What one kind of request is answered with. The first rule that is about a request, and not used up, counts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Only this method.
    pub method: Option<String>,
    /// Only this path.
    pub path: String,
    /// For so many requests.
    pub times: Option<u32>,
    /// The status.
    #[serde(default = "ok")]
    pub status: u16,
    /// Headers besides the media type; a name may come twice.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The media type.
    #[serde(default)]
    pub content_type: String,
    /// The body as JSON.
    pub json: Option<Value>,
    /// The body as text.
    pub text: Option<String>,
    /// The body in base64.
    pub base64: Option<String>,
    /// What the request meets instead of the answer, or before it.
    pub meets: Option<Kind>,
}

fn ok() -> u16 {
    200
}

/// See the module.
pub struct Outside {
    rules: Vec<Rule>,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    /// How often each rule was used.
    times: BTreeMap<usize, u32>,
    /// The rule of each request, by its number.
    chosen: BTreeMap<u64, usize>,
}

impl Outside {
    /// One that answers by `rules`, and with what was asked where they say nothing.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules, used: Mutex::default() }
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rule {
    fn is_about(&self, request: &Record) -> bool {
        self.method.as_ref().is_none_or(|method| *method == request.method) && self.path == request.path
    }

    fn answer(&self, base: &str) -> Answer {
        let body = match (&self.json, &self.text, &self.base64) {
            (Some(json), ..) => json.to_string().into_bytes(),
            (_, Some(text), _) => text.clone().into_bytes(),
            (.., Some(base64)) => STANDARD.decode(base64).expect("a rule's base64 is base64"),
            _ => Vec::new(),
        };
        let headers =
            self.headers.iter().map(|(name, value)| (name.clone(), value.replace("{outside}", base))).collect();
        Answer { status: self.status, headers, content_type: self.content_type.clone(), body: body.into() }
    }
}

impl Api for Outside {
    fn answer(&self, request: &Record, base: &str) -> Answer {
        let chosen = self.used().chosen.get(&request.number).copied();
        match chosen {
            Some(rule) => self.rules[rule].answer(base),
            None => Echo.answer(request, base),
        }
    }

    fn meets(&self, request: &Record) -> Option<Kind> {
        let mut used = self.used();
        let place = self.rules.iter().enumerate().find_map(|(place, rule)| {
            let times = used.times.get(&place).copied().unwrap_or_default();
            (rule.is_about(request) && rule.times.is_none_or(|most| times < most)).then_some(place)
        })?;
        *used.times.entry(place).or_default() += 1;
        used.chosen.insert(request.number, place);
        self.rules[place].meets.clone()
    }
}
