//! What an event can ask for.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jackfield::{Bytes, Context, Draft, Error, Output, Result, Value, json, log};
use serde::Deserialize;

use crate::canary::{self, Needle};

/// What a step answered.
pub enum Answer {
    /// Goes into the list.
    Value(Value),
    /// Is the output, at once.
    Output(Output),
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// Answers with the event and the run.
    Echo,
    /// Answers with an output of this size.
    Output {
        status: Option<u16>,
        content_type: Option<String>,
        text: Option<String>,
        bytes: Option<usize>,
        headers: Option<BTreeMap<String, String>>,
    },
    /// Fails, as long as the attempt's number is below `until`.
    Fail {
        message: Option<String>,
        name: Option<String>,
        #[serde(default = "yes")]
        retryable: bool,
        retry_after_ms: Option<u64>,
        until: Option<u32>,
    },
    /// Rejects the event.
    Reject { message: String },
    /// Panics, as long as the attempt's number is below `until`.
    Panic { message: String, until: Option<u32> },
    /// Exits.
    Exit { status: i32 },
    /// Computes for ever.
    Loop,
    /// Recurses for ever.
    Recurse,
    /// Allocates so many bytes, MiB by MiB, and touches them.
    Alloc { bytes: usize },
    /// Writes lines.
    Log {
        level: String,
        message: String,
        #[serde(default)]
        attributes: BTreeMap<String, String>,
    },
    /// Writes many lines.
    LogFlood {
        lines: u32,
        #[serde(default = "hundred")]
        bytes: usize,
    },
    /// Prints to standard output and standard error.
    Print { out: Option<String>, err: Option<String> },
    /// Makes an HTTP call. `{attempt}` in its URL is the attempt's number.
    Call(Call),
    /// Makes the same call many times.
    ManyCalls { times: u32, call: Call },
    /// Uses a key.
    Kv(KvStep),
    /// Reads settings.
    Config { name: Option<String> },
    /// Emits events, all in one call.
    Emit { events: Vec<Emission> },
    /// Waits.
    Sleep { ms: u64 },
    /// Reads the clocks so often, so many milliseconds apart.
    Clock {
        times: u32,
        #[serde(default)]
        apart_ms: u64,
    },
    /// Random bytes, in hex.
    Random { bytes: usize },
    /// What is left of its time, in milliseconds.
    Remaining,
    /// Looks for needles in all that this guest can see.
    Canary {
        needles: Vec<Needle>,
        /// Kept in memory meanwhile: a needle for it must be found.
        #[serde(default)]
        control: String,
    },
}

fn yes() -> bool {
    true
}

fn hundred() -> usize {
    100
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    connection: Option<String>,
    method: String,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    json: Option<Value>,
    text: Option<String>,
    bytes: Option<usize>,
    timeout_ms: Option<u64>,
    #[serde(default)]
    redirects: u32,
    /// Fails the attempt unless the status is 200 to 299.
    #[serde(default)]
    check: bool,
    /// Goes on when there is no response, and says why.
    #[serde(default)]
    tolerate: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emission {
    #[serde(rename = "type")]
    event_type: String,
    id: Option<String>,
    subject: Option<String>,
    #[serde(default)]
    extensions: BTreeMap<String, String>,
    /// What is to be done by whoever hears it.
    #[serde(default)]
    json: Value,
    #[serde(default)]
    delay_s: u64,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum KvStep {
    Get { key: String },
    Set { key: String, value: Value, ttl_s: Option<u64> },
    Fill { key: String, bytes: usize },
    Remove { key: String },
    Increment { key: String, by: i64 },
    CompareAndSet { key: String, version: Option<String>, value: Value },
    Keys { prefix: String },
    /// Every key and its value in hex, as it is stored.
    Dump,
}

impl Step {
    pub fn take(self, cx: &Context, event: &Value) -> Result<Answer> {
        Ok(Answer::Value(match self {
            Self::Echo => json!({ "event": event, "run": run(cx) }),
            Self::Output { status, content_type, text, bytes, headers } => {
                let data = text.unwrap_or_else(|| "x".repeat(bytes.unwrap_or(0)));
                let mut output = Output::new(content_type.unwrap_or_else(|| "text/plain".into()), data);
                for (name, value) in headers.unwrap_or_default() {
                    output = output.header(name, value);
                }
                return Ok(Answer::Output(match status {
                    Some(status) => output.status(status),
                    None => output,
                }));
            }
            Self::Fail { message, name, retryable, retry_after_ms, until } => {
                if until.is_some_and(|until| cx.run().attempt >= until) {
                    return Ok(Answer::Value(json!("did not fail")));
                }
                let mut error = Error::new(message.unwrap_or_else(|| "as told".into()))
                    .named(name.unwrap_or_else(|| "Told".into()));
                if let Some(delay) = retry_after_ms {
                    error = error.retry_after(Duration::from_millis(delay));
                }
                return Err(if retryable { error } else { error.not_retryable() });
            }
            Self::Reject { message } => return Err(Error::rejected(message)),
            Self::Panic { message, until } => {
                if until.is_some_and(|until| cx.run().attempt >= until) {
                    return Ok(Answer::Value(json!("did not panic")));
                }
                panic!("{message}")
            }
            Self::Exit { status } => std::process::exit(status),
            Self::Loop => {
                let mut n = 0u64;
                loop {
                    n = black_box(n.wrapping_add(1));
                }
            }
            Self::Recurse => json!(recurse(1)),
            Self::Alloc { bytes } => {
                let mut kept = Vec::new();
                while kept.len() << 20 < bytes {
                    kept.push(black_box(vec![1u8; 1 << 20]));
                }
                json!(kept.len() << 20)
            }
            Self::Log { level, message, attributes } => {
                let level = match level.as_str() {
                    "trace" => log::Level::Trace,
                    "debug" => log::Level::Debug,
                    "info" => log::Level::Info,
                    "warn" => log::Level::Warn,
                    _ => log::Level::Error,
                };
                let pairs: Vec<_> = attributes.iter().map(|(k, v)| (k.as_str(), v as &dyn std::fmt::Display)).collect();
                log::write(level, message, &pairs);
                Value::Null
            }
            Self::LogFlood { lines, bytes } => {
                let text = "flood ".repeat(bytes / 6 + 1);
                for line in 0..lines {
                    log::info!("{line} {text}");
                }
                json!(lines)
            }
            Self::Print { out, err } => {
                if let Some(text) = out {
                    println!("{text}");
                }
                if let Some(text) = err {
                    eprintln!("{text}");
                }
                Value::Null
            }
            Self::Call(call) => call.make(cx)?,
            Self::ManyCalls { times, call } => {
                let mut last = Value::Null;
                for _ in 0..times {
                    last = call.clone().make(cx)?;
                }
                last
            }
            Self::Kv(step) => step.take(cx)?,
            Self::Config { name: Some(name) } => json!(cx.config.get(&name)?),
            Self::Config { name: None } => json!(cx.config.all()?),
            Self::Emit { events } => json!(cx.events.emit_all(events.into_iter().map(Emission::draft))?),
            Self::Sleep { ms } => {
                sleep(Duration::from_millis(ms));
                Value::Null
            }
            Self::Clock { times, apart_ms } => {
                let begun = Instant::now();
                let mut readings = Vec::new();
                for _ in 0..times {
                    let wall = SystemTime::now().duration_since(UNIX_EPOCH)?;
                    readings.push(json!([wall.as_nanos() as u64, begun.elapsed().as_nanos() as u64]));
                    if apart_ms > 0 {
                        sleep(Duration::from_millis(apart_ms));
                    }
                }
                json!(readings)
            }
            Self::Random { bytes } => json!(random(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>()),
            Self::Remaining => json!(cx.remaining().as_millis() as u64),
            Self::Canary { needles, control } => {
                // All that can be seen is read into memory first, and kept there.
                let seen = (
                    run(cx),
                    std::env::vars().collect::<Vec<_>>(),
                    std::env::args().collect::<Vec<_>>(),
                    cx.config.all(),
                    std::fs::read_dir("/").is_ok(),
                );
                let mut answer = canary::look(&needles);
                let (_, variables, arguments, _, files) = black_box(&seen);
                black_box(&control);
                answer["variables"] = json!(variables.len());
                answer["arguments"] = json!(arguments.len());
                answer["files"] = json!(files);
                answer
            }
        }))
    }
}

impl Call {
    fn make(self, cx: &Context) -> Result<Value> {
        let url = if self.url.contains("{attempt}") {
            self.url.replace("{attempt}", &cx.run().attempt.to_string())
        } else {
            self.url
        };
        let mut request = match self.connection {
            Some(connection) => cx.http.request(self.method, connection, url),
            None => cx.http.request_url(self.method, url),
        };
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(value) = self.json {
            request = request.json(&value);
        } else if let Some(text) = self.text {
            request = request.body(text);
        } else if let Some(bytes) = self.bytes {
            request = request.body(vec![b'x'; bytes]);
        }
        if let Some(ms) = self.timeout_ms {
            request = request.timeout(Duration::from_millis(ms));
        }
        let response = match request.redirects(self.redirects).send() {
            Ok(response) if self.check => response.error_for_status()?,
            Ok(response) => response,
            Err(error) if self.tolerate => return Ok(json!({ "error": error.name(), "message": error.message() })),
            Err(error) => return Err(error),
        };
        let headers: BTreeMap<_, _> = response.headers.iter().collect();
        // A large body is told by its size: the output has a limit of its own.
        let body = if response.body.len() > 64 * 1024 { json!(response.body.len()) } else { json!(response.text()) };
        Ok(json!({ "status": response.status, "headers": headers, "body": body }))
    }
}

impl Emission {
    fn draft(self) -> Draft {
        let mut draft = Draft::new(self.event_type).json(&self.json).after(Duration::from_secs(self.delay_s));
        if let Some(id) = self.id {
            draft = draft.id(id);
        }
        if let Some(subject) = self.subject {
            draft = draft.subject(subject);
        }
        self.extensions.into_iter().fold(draft, |draft, (name, value)| draft.extension(name, value))
    }
}

impl KvStep {
    fn take(self, cx: &Context) -> Result<Value> {
        let kv = &cx.kv;
        Ok(match self {
            Self::Get { key } => match kv.entry::<Value>(&key)? {
                Some(entry) => json!({ "value": entry.value, "version": entry.version }),
                None => Value::Null,
            },
            Self::Set { key, value, ttl_s: None } => json!(kv.set(&key, &value)?),
            Self::Set { key, value, ttl_s: Some(ttl) } => json!(kv.set_for(&key, &value, Duration::from_secs(ttl))?),
            Self::Fill { key, bytes } => json!(kv.set_bytes(&key, &Bytes::from(vec![b'x'; bytes]))?),
            Self::Remove { key } => json!(kv.remove(&key)?),
            Self::Increment { key, by } => json!(kv.increment(&key, by)?),
            Self::CompareAndSet { key, version, value } => {
                json!(kv.compare_and_set(&key, version.as_deref(), &value)?)
            }
            Self::Keys { prefix } => json!(kv.keys(prefix).collect::<Result<Vec<_>>>()?),
            Self::Dump => {
                let mut all = BTreeMap::new();
                for key in kv.keys("") {
                    let key = key?;
                    let value: Bytes = kv.get(&key)?.unwrap_or_default();
                    all.insert(key, value.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
                }
                json!(all)
            }
        })
    }
}

fn run(cx: &Context) -> Value {
    let run = cx.run();
    json!({
        "id": run.id, "attempt": run.attempt, "idempotency_key": run.idempotency_key, "trigger": run.trigger,
        "integration": run.integration, "environment": run.environment, "component": run.component,
        "version": run.version, "deadline": run.deadline, "traceparent": run.traceparent,
    })
}

#[expect(unconditional_recursion, reason = "that is the step")]
fn recurse(n: u64) -> u64 {
    black_box(recurse(black_box(n) + 1)) + 1
}

fn random(bytes: usize) -> Vec<u8> {
    unsafe extern "C" {
        /// wasi-libc's door to `wasi:random/random`: at most 256 bytes a call.
        fn getentropy(buffer: *mut u8, bytes: usize) -> i32;
    }
    let mut buffer = vec![0; bytes];
    for part in buffer.chunks_mut(256) {
        // SAFETY: the buffer is writable and as long as said.
        let failed = unsafe { getentropy(part.as_mut_ptr(), part.len()) };
        assert_eq!(failed, 0, "no random bytes");
    }
    buffer
}
