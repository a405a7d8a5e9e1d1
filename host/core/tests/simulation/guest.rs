//! Guests: programs thrown with dice, which reach the world through the real hatch, and the sandbox that
//! runs them.
//!
//! A guest asks for what follows from its event and from what it was answered, as a real one does: what
//! it asks next carries a sum of all it observed, so that a replay that differs shows at once.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jackfield_core::clock::Clock;
use jackfield_core::hatch::testing::name;
use jackfield_core::hatch::{Hatch, Stop};
use jackfield_core::outcome::{Failure, Outcome, TimeLimit, Usage};
use jackfield_core::ports::http::{HttpAnswer, HttpCall};
use jackfield_core::ports::kv::{Addition, KvCall, KvValue};
use jackfield_core::ports::sandbox::{HostFault, Report, Sandbox, Work};

use crate::simulation::dice::Dice;
use crate::simulation::ledger::{Begins, Ledger};

/// One thing a guest does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Post {
        keyed: bool,
    },
    Put,
    Get,
    /// Adds one to a counter of our own store.
    Count,
    Nap(u64),
    /// Reads the clock.
    Clock,
    /// A POST and a GET at the same time.
    Both,
}

/// How an attempt ends that does not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Again,
    Never,
    Trap,
    /// The host's own fault.
    Panic,
    Hang,
}

/// What a guest does with its event.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) steps: Vec<Step>,
    /// So many attempts end `how`, before the step `at`.
    pub(crate) fails: u32,
    pub(crate) at: usize,
    pub(crate) how: How,
    /// Goes on when a call failed.
    pub(crate) stubborn: bool,
    /// Asks for something else in each attempt.
    pub(crate) fickle: bool,
}

impl Program {
    /// The program of an event's data: words such as `keyed,get,count`, or whatever is thrown for it. The
    /// same data is another program in another artifact.
    pub(crate) fn of(data: &str, artifact: u64) -> Self {
        if data.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Self::written(data);
        }
        let seed = data.bytes().fold(0_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self::thrown(&mut Dice::new(seed, artifact))
    }

    fn thrown(dice: &mut Dice) -> Self {
        let steps: Vec<Step> = (0..dice.between(1, 6))
            .map(|_| match dice.between(0, 15) {
                0..=3 => Step::Post { keyed: true },
                4..=6 => Step::Post { keyed: false },
                7 => Step::Put,
                8..=10 => Step::Get,
                11 | 12 => Step::Count,
                13 => Step::Nap(dice.between(1, 5_000)),
                14 => Step::Clock,
                _ => Step::Both,
            })
            .collect();
        let fails = match dice.between(0, 19) {
            0..=12 => 0,
            13..=16 => 1,
            17 | 18 => 2,
            _ => u32::MAX,
        };
        let how = match dice.between(0, 11) {
            0..=6 => How::Again,
            7 => How::Never,
            8 | 9 => How::Trap,
            10 => How::Hang,
            _ => How::Panic,
        };
        let at = dice.between(0, steps.len() as u64) as usize;
        let how = if fails == u32::MAX && how == How::Panic { How::Again } else { how };
        Self { steps, fails, at, how, stubborn: dice.chance(150), fickle: dice.chance(60) }
    }

    fn written(data: &str) -> Self {
        let step = |word: &str| match word {
            "keyed" => Step::Post { keyed: true },
            "plain" => Step::Post { keyed: false },
            "put" => Step::Put,
            "get" => Step::Get,
            "count" => Step::Count,
            "clock" => Step::Clock,
            "both" => Step::Both,
            nap => Step::Nap(nap.parse().expect("a number of milliseconds, or a step's word")),
        };
        let steps: Vec<Step> = data.split(',').map(step).collect();
        Self { at: steps.len(), steps, fails: 0, how: How::Again, stubborn: false, fickle: false }
    }
}

/// Runs programs.
pub(crate) struct Guests {
    pub(crate) ledger: Ledger,
    pub(crate) clock: Arc<dyn Clock>,
    /// The process it is in.
    pub(crate) boot: u64,
}

#[async_trait]
impl Sandbox for Guests {
    async fn invoke(&self, work: Work) -> Result<Report, HostFault> {
        let data = String::from_utf8_lossy(&work.event.data).into_owned();
        let artifact = u64::from_le_bytes(work.artifact.as_bytes()[..8].try_into().expect("eight bytes"));
        let program = Program::of(&data, artifact);
        let info = work.hatch.info();
        self.ledger.begins(&Begins {
            run: info.fence.run,
            fence: info.fence.number,
            artifact: work.artifact,
            version: info.target.version,
            boot: self.boot,
            trace: &info.traceparent,
            event: &work.event.id,
            data: &data,
            fickle: program.fickle,
        });
        let mut guest = Guest { sandbox: self, hatch: &work.hatch, program: &program, sum: 0 };
        let timeout = work.limits.timeout;
        let polls = self.ledger.book().drop_after.take().unwrap_or(u32::MAX);
        let outcome = tokio::select! {
            biased;
            () = work.stop.cancelled() => Outcome::Cancelled,
            () = self.clock.sleep(timeout) => Outcome::OutOfTime { limit: TimeLimit::Timeout, allowed: timeout },
            outcome = polled(polls, guest.run()) => outcome.unwrap_or(Outcome::Cancelled),
        };
        self.ledger.say(format_args!("ended {} {}", info.fence.run, outcome.label()));
        Ok(Report { outcome, usage: Usage::default() })
    }
}

/// What `future` gives, unless it is dropped first: after so many polls.
async fn polled<T>(polls: u32, future: impl Future<Output = T>) -> Option<T> {
    let (mut left, mut future) = (polls, Box::pin(future));
    poll_fn(move |cx| {
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

struct Guest<'a> {
    sandbox: &'a Guests,
    hatch: &'a Arc<Hatch>,
    program: &'a Program,
    /// Of all it observed.
    sum: u64,
}

impl Guest<'_> {
    async fn run(&mut self) -> Outcome {
        let program = self.program;
        for (place, step) in program.steps.iter().enumerate() {
            if self.fails_at(place) {
                return self.fail().await;
            }
            match self.step(*step).await {
                Ok(true) => {}
                Ok(false) if program.stubborn => {}
                Ok(false) => return failed(true, "a call failed"),
                Err(stop) => return Outcome::Trapped { message: stop.to_string(), frames: vec![] },
            }
        }
        if self.fails_at(program.steps.len()) { self.fail().await } else { Outcome::Succeeded { output: None } }
    }

    fn fails_at(&self, place: usize) -> bool {
        place == self.program.at && self.hatch.info().attempt <= self.program.fails
    }

    async fn fail(&self) -> Outcome {
        match self.program.how {
            How::Again => failed(true, "not this time"),
            How::Never => failed(false, "never"),
            How::Trap => Outcome::Trapped { message: "unreachable".into(), frames: vec![] },
            How::Panic => Outcome::HostFault { message: "the host panicked in this attempt".into(), panicked: true },
            How::Hang => {
                self.sandbox.clock.sleep(Duration::MAX).await;
                failed(true, "the end of time")
            }
        }
    }

    fn observe(&mut self, what: &str) {
        for byte in what.bytes() {
            self.sum = (self.sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Whether it went well.
    async fn step(&mut self, step: Step) -> Result<bool, Stop> {
        match step {
            Step::Post { keyed } => {
                let number = self.hatch.number()?;
                let answer = self.ask(number, "POST", keyed).await?;
                Ok(self.take(&answer))
            }
            Step::Put => {
                let number = self.hatch.number()?;
                let answer = self.ask(number, "PUT", false).await?;
                Ok(self.take(&answer))
            }
            Step::Get => {
                let number = self.hatch.number()?;
                let answer = self.ask(number, "GET", true).await?;
                Ok(self.take(&answer))
            }
            Step::Both => {
                let (first, second) = (self.hatch.number()?, self.hatch.number()?);
                let (one, other) = tokio::join!(self.ask(first, "POST", true), self.ask(second, "GET", false));
                let (one, other) = (self.take(&one?), self.take(&other?));
                Ok(one && other)
            }
            Step::Count => {
                let number = self.hatch.number()?;
                let run = self.hatch.info().fence.run;
                let add = KvCall::Increment(Addition { key: format!("{run}/{number}"), by: 1 });
                let answer = self.hatch.kv(number, "default", add).await?;
                if let Ok(KvValue::Sum(sum)) = answer {
                    self.sandbox.ledger.counted((run, number), self.hatch.info().fence.number, sum);
                }
                self.observe(&format!("{answer:?}"));
                Ok(answer.is_ok())
            }
            Step::Nap(millis) => {
                // As the sandbox does it: a poll of one timer.
                if self.hatch.recorded_poll(1)?.is_none() {
                    self.sandbox.clock.sleep(Duration::from_millis(millis)).await;
                    self.hatch.polled(1, vec![0])?;
                }
                Ok(true)
            }
            Step::Clock => {
                let moment = self.hatch.time()?;
                self.observe(&format!("{moment:?}"));
                Ok(true)
            }
        }
    }

    fn take(&mut self, answer: &HttpAnswer) -> bool {
        self.observe(&shown(answer));
        answer.as_ref().is_ok_and(|response| response.status < 300)
    }

    async fn ask(&self, number: u32, method: &str, keyed: bool) -> Result<HttpAnswer, Stop> {
        let fence = self.hatch.info().fence;
        let mut body = format!("{:016x}", self.sum);
        if self.program.fickle {
            body.push_str(&format!(" in attempt {}", fence.number));
        }
        let request = HttpCall {
            connection: Some(name(if keyed { "keyed" } else { "plain" })),
            method: method.into(),
            url: format!("/{}/{number}", fence.run),
            headers: vec![],
            body: Bytes::from(body.clone()),
            timeout: None,
            max_redirects: 0,
        };
        let answer = self.hatch.http(number, request).await?;
        let done = method != "GET" && answer.as_ref().is_ok_and(|response| response.status < 300);
        let call = (fence.run, number);
        self.sandbox.ledger.answered(call, self.sandbox.boot, &body, &shown(&answer), done);
        Ok(answer)
    }
}

fn shown(answer: &HttpAnswer) -> String {
    match answer {
        Ok(response) => format!("{} {}", response.status, String::from_utf8_lossy(&response.body)),
        Err(error) => format!("{error:?}"),
    }
}

fn failed(retryable: bool, message: &str) -> Outcome {
    Outcome::Failed(Failure {
        name: "Error".into(),
        message: message.into(),
        stack: None,
        retryable,
        retry_after: None,
    })
}
