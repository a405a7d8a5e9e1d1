//! `replay`: plays an exported run on this machine, without a host: the guest's calls are answered from
//! the file.
//!
//! Not here: how a recording is played (the core) and compiled (`offline`).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use jackfield_connectors::Surroundings;
use jackfield_core::artifact::Digest;
use jackfield_core::recording::playback::{Playback, PlaybackError, Played};
use jackfield_core::recording::{RecordedOutcome, Recording};
use jackfield_sandbox::code::CodeError;
use reqwest::Method;
use serde_json::{Value, json};

use super::Common;
use super::client::Client;
use super::credentials;
use super::error::CliError;
use super::project::Project;
use super::screen::{Screen, safe, safe_lines, span};
use crate::config;
use crate::offline::Offline;

/// Characters of an answer in the list of calls.
const ANSWER_CHARACTERS: usize = 72;
/// Lines of a stack.
const STACK_LINES: usize = 40;

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// A run's file, as `runs export` writes it
    file: PathBuf,
    /// The component to play it with [default: the recorded one, from the project here or the host]
    #[arg(long, value_name = "WASM")]
    component: Option<PathBuf>,
    /// Play it with another build than the recorded one; its calls are compared, the clock is not replayed
    #[arg(long)]
    any_version: bool,
}

pub(super) async fn run(args: ReplayArgs, common: &Common, screen: &Screen) -> Result<(), CliError> {
    let bad = |problem: String| CliError::input(format!("{}: {problem}", args.file.display()));
    let text = std::fs::read(&args.file).map_err(|e| bad(e.to_string()))?;
    let recording = Recording::read(&text).map_err(|e| bad(e.to_string()))?;
    let folder = config::user_cache().ok_or_else(|| CliError::input("neither XDG_CACHE_HOME nor HOME is set"))?;
    let cell = Offline::open(folder.join("replay")).map_err(|e| CliError::host(format!("{e:#}")))?;

    let compiling = Instant::now();
    let artifact = find(&args, &recording, &cell, common, screen).await?;
    {
        let _progress = screen.progress("compiling");
        cell.ready(artifact).await.map_err(refused)?;
    }
    let compiled = compiling.elapsed();
    let work = temporary_folder()?;
    let playing = Instant::now();
    let exact = artifact == recording.component.artifact;
    let playback = Playback::open(&recording, work.path(), exact, jackfield_connectors::all(&Surroundings::default()))
        .map_err(|e| match e {
            PlaybackError::Recording(_) => bad(e.to_string()),
            PlaybackError::Machine(_) => CliError::host(e.to_string()),
        })?;
    let report = cell.invoke(playback.work(artifact)).await;
    let played = playback.ended(report).await;
    let took = playing.elapsed();
    let told = Told { recording, played, exact, took, compiled };
    if !screen.answer(&told.json()) {
        told.show(screen);
    }
    if told.same() == Some(false) { Err(CliError::silent(1)) } else { Ok(()) }
}

pub(super) fn refused(error: CodeError) -> CliError {
    match error {
        CodeError::Refused(_) => CliError::input(error.to_string()),
        CodeError::Missing(_) | CodeError::Fault(_) => CliError::host(error.to_string()),
    }
}

/// A folder for what a play leaves behind.
pub(super) fn temporary_folder() -> Result<Folder, CliError> {
    let mut random = [0; 8];
    rand::fill(&mut random);
    // In memory where there is such a place: nothing here outlives the replay.
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let path = base.join(format!("jackfield-replay-{}", data_encoding::HEXLOWER.encode(&random)));
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&path).map_err(|e| CliError::host(format!("{}: {e}", path.display())))?;
    Ok(Folder(path))
}

/// A folder that goes with this.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The component to play with: the file that was named, what is here already, the project's, the host's.
async fn find(
    args: &ReplayArgs,
    recording: &Recording,
    cell: &Offline,
    common: &Common,
    screen: &Screen,
) -> Result<Digest, CliError> {
    let wanted = recording.component.artifact;
    if let Some(file) = &args.component {
        let bytes = std::fs::read(file).map_err(|e| CliError::input(format!("{}: {e}", file.display())))?;
        let found = Digest::of(&bytes);
        if found != wanted && !args.any_version {
            return Err(CliError::input(other_build(&file.display().to_string(), found, wanted)));
        }
        return cell.add(&bytes).await.map_err(refused);
    }
    let mut project = None;
    if let Ok(here) = Project::open(Path::new(".")) {
        let component = here.manifest.components.get(&recording.run.component);
        let file = component.map(|component| here.folder().join(&component.source));
        if let Some(file) = file
            && let Ok(bytes) = std::fs::read(&file)
        {
            let found = Digest::of(&bytes);
            if found == wanted || args.any_version {
                return cell.add(&bytes).await.map_err(refused);
            }
            project = Some(other_build(&file.display().to_string(), found, wanted));
        }
    }
    if cell.has(&wanted) {
        return Ok(wanted);
    }
    let known = common.host.is_some() || common.token.is_some() || credentials::load().is_some();
    let missing = project.unwrap_or_else(|| {
        format!(
            "the component {wanted} is not here\n  --component FILE names it, and `jackfield login` lets a host give it"
        )
    });
    if !known {
        return Err(CliError::input(missing));
    }
    let client = Client::new(common)?;
    let bytes = {
        let _progress = screen.progress("downloading the component");
        let request = client.request(Method::GET, &["artifacts", &wanted.to_string(), "content"]);
        let answer = client.send(request).await.map_err(|e| CliError::input(format!("{missing}\n  {}", e.text)))?;
        answer.bytes().await.map_err(|e| CliError::host(format!("the download broke off: {e}")))?
    };
    if Digest::of(&bytes) != wanted {
        return Err(CliError::host(format!("{} gave another component than {wanted}", client.host())));
    }
    cell.add(&bytes).await.map_err(refused)
}

fn other_build(file: &str, found: Digest, wanted: Digest) -> String {
    format!(
        "{file} is not the build that handled the run\n  recorded  {wanted}\n  this one  {found}\n  \
         --any-version    plays the run with this build and says where its calls differ"
    )
}

/// What is told of a replay.
struct Told {
    recording: Recording,
    played: Played,
    exact: bool,
    took: Duration,
    compiled: Duration,
}

impl Told {
    /// Whether it went as recorded; nothing if there is nothing to compare with.
    fn same(&self) -> Option<bool> {
        self.recording.outcome.as_ref().map(|_| self.played.differences(&self.recording).is_empty())
    }

    fn json(&self) -> Value {
        let diverged = self.played.diverged.as_ref().map(|other| {
            json!({
                "call": other.call, "recorded": other.recorded, "actual": other.actual,
                "recorded_request": other.sides.as_ref().map(|sides| &sides.recorded),
                "actual_request": other.sides.as_ref().map(|sides| &sides.actual),
            })
        });
        json!({
            "run": self.recording.run.id,
            "same": self.same(),
            "exact": self.exact,
            "differences": self.played.differences(&self.recording),
            "outcome": self.played.outcome(),
            "recorded": self.recording.outcome,
            "diverged": diverged,
            "calls": self.played.calls,
            "log": self.played.log,
            "log_difference": self.played.log_difference(&self.recording),
            "replay_ms": millis(self.took),
            "compile_ms": millis(self.compiled),
        })
    }

    fn show(&self, screen: &Screen) {
        let run = &self.recording.run;
        screen.line(format!(
            "{} · {} · {} · version {} · attempt {} of run {}",
            run.integration, run.component, run.environment, run.version, run.attempt, run.id
        ));
        if let Some(partial) = &self.recording.partial {
            screen.warning(safe(partial));
        }
        if !self.exact {
            screen.warning("another build than the recorded one: its calls are compared, the clock is not replayed");
        }
        let calls: Vec<_> = self.played.calls.iter().map(|call| self.row(call)).collect();
        if !calls.is_empty() {
            screen.line("");
            screen.table(&["#", "call", "result", "answer"], calls, "");
            screen.line("");
        }
        for line in &self.played.log {
            screen.line(format!("log  {:<5}  {}", line.level, safe(&line.message)));
        }
        let outcome = self.played.outcome();
        for frame in outcome.stack.iter().take(STACK_LINES) {
            screen.line(format!("     {}", safe(frame)));
        }
        if let Some(output) = &outcome.output
            && let Ok(bytes) = output.data.bytes()
            && !bytes.is_empty()
        {
            screen.line(format!("output  {}", safe_lines(&String::from_utf8_lossy(&bytes))));
        }
        if let Some(difference) = self.played.log_difference(&self.recording) {
            screen.warning(format!("the log is another one, {}", safe(&difference)));
        }
        let took = format!("replayed in {} ms, code ready in {}", millis(self.took), span(self.compiled));
        let how = said(&outcome);
        match self.same() {
            Some(true) => screen.done(format!("{how}: as recorded    {took}")),
            Some(false) => {
                for difference in self.played.differences(&self.recording) {
                    screen.wrong(safe(&difference));
                }
                screen.line(took);
            }
            None => screen.warning(format!("{how}; there is no recorded outcome to compare with    {took}")),
        }
    }

    fn row(&self, call: &jackfield_core::journal::CallSummary) -> Vec<String> {
        let recorded = self.recording.calls.iter().find(|recorded| recorded.call == call.call);
        let answer = recorded.filter(|_| call.replayed).map(|recorded| recorded.answer_in_short()).unwrap_or_default();
        let short: String = answer.chars().take(ANSWER_CHARACTERS).collect();
        let what = format!("{} {}", call.capability, call.what);
        vec![call.call.to_string(), safe(&what), safe(&call.result), safe(&short)]
    }
}

fn said(outcome: &RecordedOutcome) -> String {
    match &outcome.reason {
        Some(reason) => format!("{}: {}", outcome.outcome, safe(reason)),
        None => outcome.outcome.clone(),
    }
}

/// To a tenth.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e4).round() / 10.0
}
