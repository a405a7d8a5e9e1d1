//! When all runs of a scenario are over: how many succeeded, which are dead letters and why, and the host that is killed in
//! between.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::expect::Dead;
use super::file::Step;
use super::play::Play;
use crate::api::Api;

/// How long all runs of a step may take: two cores may be busy with other things.
const LIMIT: Duration = Duration::from_secs(240);

/// The runs of the host, by what became of them.
struct Tally {
    succeeded: u64,
    dead: Vec<Value>,
    under_way: usize,
}

impl Tally {
    fn over(&self) -> u64 {
        self.succeeded + self.dead.len() as u64
    }
}

impl Play<'_> {
    /// Kills the host when so many runs are over, and starts it again.
    pub(super) async fn kill_after(&mut self, step: &Step, runs: u64) {
        let at = self.of(step, "kill_after");
        self.until(&at, |tally| tally.over() >= runs).await;
        // The worst moment is while mails are on their way: their server falls silent, and goes on when the host is gone.
        if let Some(smtp) = self.outside.smtp() {
            smtp.pause();
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        self.host.kill9().await;
        if let Some(smtp) = self.outside.smtp() {
            smtp.resume();
        }
        self.host.restart().await;
        let (over, all) = (self.tally().await.over(), self.all(step));
        assert!(
            over < all,
            "{at}: all {over} runs were over when the host was killed; a `pace` of a connection slows it"
        );
    }

    /// How many runs must be over.
    fn all(&self, step: &Step) -> u64 {
        let dead = match &step.expect.dead {
            None => 0,
            Some(Dead::Count(count)) => *count,
            Some(Dead::File(file)) => (self.rows(file).len() - 1) as u64,
        };
        step.expect.succeeded.unwrap_or_default() + dead
    }

    /// Waits until all runs are over, and looks what became of them.
    pub(super) async fn all_over(&self, step: &Step, succeeded: u64) {
        let (at, all) = (self.of(step, "expect.succeeded"), self.all(step));
        let tally = self.until(&at, |tally| tally.over() >= all && tally.under_way == 0).await;
        let dead = self.told(&tally.dead).await;
        let reasons = || dead.iter().map(|dead| &dead.reason).collect::<Vec<_>>();
        assert_eq!(tally.succeeded, succeeded, "{at}; dead letters: {:#?}", reasons());
        match &step.expect.dead {
            None => assert!(dead.is_empty(), "{at}; dead letters: {:#?}", reasons()),
            Some(Dead::Count(count)) => assert_eq!(dead.len() as u64, *count, "{at}; dead letters: {:#?}", reasons()),
            Some(Dead::File(file)) => self.same_dead_letters(step, file, dead),
        }
    }

    async fn until(&self, at: &str, done: impl Fn(&Tally) -> bool) -> Tally {
        let begun = Instant::now();
        loop {
            let tally = self.tally().await;
            if done(&tally) {
                return tally;
            }
            let Tally { succeeded, ref dead, under_way } = tally;
            let dead = dead.len();
            assert!(
                begun.elapsed() < LIMIT,
                "{at}: after {LIMIT:?} {succeeded} runs succeeded, {dead} are dead letters, {under_way} are under way"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn tally(&self) -> Tally {
        let api = self.host.api();
        for run in api.runs_in("needs-decision").await {
            self.decide(run["id"].as_str().unwrap_or_default()).await;
        }
        let mut under_way = 0;
        for state in ["queued", "running", "waiting", "needs-decision"] {
            under_way += api.runs_in(state).await.len();
        }
        let dead = api.runs_in("dead-lettered").await;
        let succeeded = api.runs_in("succeeded").await.len() as u64;
        Tally { succeeded, dead, under_way }
    }

    /// What a person does whose host was killed while a mail was on its way: looks whether it came. If it did, the run goes on
    /// from there; if not, the mail is sent. The mail is known by its subject, which has the name of the event's subject in it.
    async fn decide(&self, id: &str) {
        let api = self.host.api();
        let run = api.run(id).await;
        let doubt = &run["in_doubt"];
        let mails = doubt.as_array().is_some_and(|calls| calls.iter().all(|call| call["capability"] == "email"));
        assert!(mails, "only a person can decide: {}; {doubt:#}", Api::brief(&run));
        let subject = run["event"]["subject"].as_str().unwrap_or_default();
        let name = subject.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or_default();
        let came = self.smtp().all().await;
        let came = came.iter().any(|mail| mail["Subject"].as_str().is_some_and(|of| of.ends_with(&format!(" {name}"))));
        let word = if came { "skip" } else { "retry" };
        let answered = api.post(&format!("/v1/runs/{id}/decide"), &json!({ "decision": word })).await;
        assert_eq!(answered.status, 200, "{word} for {subject}: {:#}", answered.body);
    }

    /// Why runs are dead letters.
    async fn told(&self, runs: &[Value]) -> Vec<DeadLetter> {
        let mut told = Vec::new();
        for run in runs {
            let run = self.host.api().run(run["id"].as_str().unwrap_or_default()).await;
            let event = &run["event"];
            told.push(DeadLetter {
                subject: event["subject"].as_str().unwrap_or_default().to_owned(),
                data: event.get("data").or_else(|| event.get("data_text")).cloned().unwrap_or_default(),
                reason: run["reason"].as_str().unwrap_or_default().to_owned(),
            });
        }
        told
    }

    /// Each row of the file is a dead letter, and there are no others.
    fn same_dead_letters(&self, step: &Step, file: &str, mut dead: Vec<DeadLetter>) {
        let at = format!("step `{}`: {}", step.name, self.scenario.folder.join(file).display());
        let rows = self.rows(file);
        let (head, rows) = rows.split_first().unwrap_or_else(|| panic!("{at}: it is empty"));
        assert_eq!(rows.len(), dead.len(), "{at}: so many are dead letters: {dead:#?}");
        for row in rows {
            let [which, reason] = &row[..] else { panic!("{at}: a row has two cells: {row:?}") };
            let same = |letter: &DeadLetter| match head[0].as_str() {
                "line" => letter.data == self.line(which, &at),
                "subject" => letter.subject == *which,
                other => panic!("{at}: the first column is `line` or `subject`, not `{other}`"),
            };
            let of_it = |letter: &DeadLetter| same(letter) && letter.reason.contains(reason.as_str());
            let Some(place) = dead.iter().position(of_it) else {
                let said: Vec<_> = dead.iter().filter(|letter| same(letter)).map(|letter| &letter.reason).collect();
                panic!("{at}: {which}: {reason}\nis not what is said: {said:#?}");
            };
            dead.swap_remove(place);
        }
    }

    /// A line that was sent, as the API shows it.
    fn line(&self, number: &str, at: &str) -> Value {
        let index = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let line = index.and_then(|index| self.sent.get(index));
        let line = line.unwrap_or_else(|| panic!("{at}: no line {number} was sent"));
        serde_json::from_slice(line).unwrap_or_else(|_| String::from_utf8_lossy(line).into())
    }

    fn rows(&self, file: &str) -> Vec<Vec<String>> {
        csv(&self.scenario.text(file))
    }
}

/// A run that is dead.
#[derive(Debug)]
struct DeadLetter {
    subject: String,
    data: Value,
    reason: String,
}

/// The cells of a CSV file, by RFC 4180.
fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut letters) = (false, text.chars().peekable());
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => cell.extend(letters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            other => cell.push(other),
        }
    }
    if !row.is_empty() || !cell.is_empty() {
        row.push(cell);
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read() {
        let rows = csv("line,reason\n1,\"a \"\"b\"\", c\nd\"\r\n2,\n\"\",x");
        assert_eq!(rows, [["line", "reason"], ["1", "a \"b\", c\nd"], ["2", ""], ["", "x"]]);
    }
}
