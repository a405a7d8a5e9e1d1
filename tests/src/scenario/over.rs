//! When all runs of a scenario are over: how many succeeded, which are dead letters and why, and the host that is killed in
//! between.

use std::time::Duration;

use serde_json::Value;

use super::expect::Dead;
use super::file::Step;
use super::play::Play;
use crate::api::Api;
use crate::wait;

/// How long all runs of a step may take: two cores may be busy with other things.
const LIMIT: Duration = Duration::from_secs(240);

/// The runs of the host, by what became of them.
struct Tally {
    succeeded: Vec<Value>,
    dead: Vec<Value>,
    under_way: usize,
}

impl Tally {
    fn over(&self) -> u64 {
        (self.succeeded.len() + self.dead.len()) as u64
    }
}

impl Play<'_> {
    /// Kills the host when so many runs are over, and starts it again.
    pub(super) async fn kill_after(&mut self, step: &Step, runs: u64) {
        let at = self.of(step, "kill_after");
        let some = || async { (self.tally().await.over() >= runs).then_some(()) };
        wait::until(&format!("{at}: {runs} runs are over"), LIMIT, some).await;
        self.host.kill9().await;
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
    pub(super) async fn all_over(&mut self, step: &Step, succeeded: u64) {
        let all = self.all(step);
        let over = || async {
            let tally = self.tally().await;
            (tally.over() >= all && tally.under_way == 0).then_some(tally)
        };
        let tally = wait::until(&self.of(step, &format!("{all} runs are over")), LIMIT, over).await;
        let dead = self.told(&tally.dead).await;
        let reasons = || dead.iter().map(|dead| &dead.reason).collect::<Vec<_>>();
        let at = self.of(step, "expect.succeeded");
        assert_eq!(tally.succeeded.len() as u64, succeeded, "{at}; dead letters: {:#?}", reasons());
        match &step.expect.dead {
            None => assert!(dead.is_empty(), "{at}; dead letters: {:#?}", reasons()),
            Some(Dead::Count(count)) => assert_eq!(dead.len() as u64, *count, "{at}; dead letters: {:#?}", reasons()),
            Some(Dead::File(file)) => self.same_dead_letters(step, file, dead),
        }
    }

    async fn tally(&self) -> Tally {
        let api = self.host.api();
        let mut under_way = 0;
        for state in ["queued", "running", "waiting"] {
            under_way += api.runs_in(state).await.len();
        }
        let doubts = api.runs_in("needs-decision").await;
        if let Some(run) = doubts.first() {
            let run = api.run(run["id"].as_str().unwrap_or_default()).await;
            panic!("a run waits for a decision: {}; {:#}", Api::brief(&run), run["in_doubt"]);
        }
        Tally { succeeded: api.runs_in("succeeded").await, dead: api.runs_in("dead-lettered").await, under_way }
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
