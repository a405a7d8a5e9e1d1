//! `test --record`: a run of the host becomes a fixture, as short as one that passes can be.

use std::path::{Path, PathBuf};
use std::time::Instant;

use jackfield_core::recording::Recording;
use jackfield_core::recording::fixture::{BadFixture, Fixture, Length, reduced};
use reqwest::Method;

use super::super::Common;
use super::super::client::Client;
use super::super::error::CliError;
use super::super::project::Project;
use super::super::screen::Screen;
use super::{Bench, TestArgs, Tested, find, tell};

/// Characters of the name of a file.
const NAME: usize = 60;

pub(super) async fn run(
    run: &str,
    args: &TestArgs,
    project: &Project,
    common: &Common,
    screen: &Screen,
) -> Result<(), CliError> {
    let client = Client::new(common)?;
    let text = client.send(client.request(Method::GET, &["runs", run, "export"])).await?.bytes().await;
    let text = text.map_err(|e| CliError::host(format!("the export broke off: {e}")))?;
    let recording = Recording::read(&text).map_err(|e| CliError::host(e.to_string()))?;
    let (of, here) = (&recording.run.integration, &project.manifest.name);
    if of != here {
        return Err(CliError::input(format!(
            "run {} is of the integration `{of}`, and the project here is `{here}`\n  Name its project: jackfield test FOLDER --record {}",
            recording.run.id, recording.run.id
        )));
    }
    if let Some(partial) = &recording.partial {
        return Err(CliError::input(format!("run {} is no test: {partial}", recording.run.id)));
    }
    let file = args.to.clone().unwrap_or_else(|| file(project, &recording));
    // Somebody may have put thought into it.
    if file.exists() {
        return Err(CliError::input(format!(
            "{} is there already, and is left as it is\n  Remove it, or write another file: --to FILE",
            file.display()
        )));
    }
    let bad = |e: BadFixture| CliError::input(format!("run {} is no test of this project: {e}", recording.run.id));
    let name = file.file_stem().map_or_else(|| "test".into(), |name| name.to_string_lossy().into_owned());
    let begun = Instant::now();
    let first = Fixture::read(reduced(&recording, Length::Short).as_bytes(), &name, &project.manifest).map_err(bad)?;
    let bench = Bench::open(project, [first.component()], args, screen).await?;
    let ready = begun.elapsed();
    let mut best: Option<(String, Tested)> = None;
    for length in Length::ALL {
        let text = reduced(&recording, length);
        let fixture = Fixture::read(text.as_bytes(), &name, &project.manifest).map_err(bad)?;
        let playing = Instant::now();
        let result = bench.play(&fixture).await?;
        let tested = Tested { file: file.clone(), took: playing.elapsed(), result };
        let differ = |tested: &Tested| tested.result.as_ref().map_or(usize::MAX, |verdict| verdict.differences.len());
        if best.as_ref().is_none_or(|(_, best)| differ(&tested) < differ(best)) {
            best = Some((text, tested));
        }
        if best.as_ref().is_some_and(|(_, best)| differ(best) == 0) {
            break;
        }
    }
    let Some((text, tested)) = best else { return Ok(()) };
    write(&file, &text).map_err(|e| CliError::input(format!("{}: {e}", file.display())))?;
    screen.done(format!("{} written", file.display()));
    screen.warning("it holds what the event and the calls held, perhaps personal data: look before you commit it");
    tell::all(&[tested], ready, args.verbose, screen)
}

/// Its name: the event's id, if that can be one, else the run's.
fn file(project: &Project, recording: &Recording) -> PathBuf {
    let id = recording.event.id.to_lowercase();
    let plain: String =
        id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).take(NAME).collect();
    let plain = plain.trim_matches('-');
    let name = if plain.is_empty() { recording.run.id.to_string() } else { plain.to_owned() };
    let folder = project.folder().join(find::FOLDER);
    let file = folder.join(format!("{name}.json"));
    file.strip_prefix("./").map(Path::to_owned).unwrap_or(file)
}

/// A new file: one that came to be meanwhile is not overwritten either.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut new = std::fs::OpenOptions::new().write(true).create_new(true).open(file)?;
    std::io::Write::write_all(&mut new, text.as_bytes())
}
