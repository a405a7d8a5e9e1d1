//! `test`: plays a project's fixtures on this machine, without a host and without a network.
//!
//! All in one process, each component loaded once. Not here: what a fixture is and how one is played (the core).

mod find;
mod record;
mod tell;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use jackfield_connectors::Surroundings;
use jackfield_core::artifact::Digest;
use jackfield_core::ids::ComponentName;
use jackfield_core::recording::fixture::play::{Play, Verdict};
use jackfield_core::recording::fixture::{BadFixture, Fixture};
use jackfield_core::recording::playback::PlaybackError;

use super::error::CliError;
use super::project::Project;
use super::replay::{refused, temporary_folder};
use super::screen::Screen;
use super::{Common, build, sources};
use crate::config;
use crate::offline::Offline;

#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// A project's folder or its manifest, and fixtures [default: all in its `tests` folder]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The fixtures of this component alone
    #[arg(long, value_name = "NAME")]
    component: Option<ComponentName>,
    /// Make a fixture of a run of the host, and play it
    #[arg(long, value_name = "RUN")]
    record: Option<String>,
    /// The file that --record writes [default: tests/<event id>.json]
    #[arg(long, value_name = "FILE", requires = "record")]
    to: Option<PathBuf>,
    /// Test what `jackfield build` makes, as it would be released; else what `jackfield dev` makes, which is quick
    #[arg(long)]
    release: bool,
    /// Do not build what is older than its sources
    #[arg(long)]
    no_build: bool,
    /// Show what the guest logged, of those that pass too
    #[arg(long, short)]
    verbose: bool,
}

/// A file and what came of it.
struct Tested {
    file: PathBuf,
    took: Duration,
    result: Result<Verdict, BadFixture>,
}

pub(super) async fn run(args: TestArgs, common: &Common, screen: &Screen) -> Result<(), CliError> {
    let (mut project, files) = find::files(&args.paths, args.record.is_some())?;
    if !args.release {
        project.use_dev_components();
    }
    if let Some(name) = &args.component {
        build::known(&project, name)?;
    }
    if let Some(run) = &args.record {
        return Box::pin(record::run(run, &args, &project, common, screen)).await;
    }
    let mut read = Vec::new();
    for file in files {
        let fixture = read_one(&file, &project)?;
        let other = |fixture: &Fixture| args.component.as_ref().is_some_and(|name| name != fixture.component());
        if !fixture.as_ref().is_ok_and(other) {
            read.push((file, fixture));
        }
    }
    let mut components: Vec<_> =
        read.iter().filter_map(|(_, fixture)| Some(fixture.as_ref().ok()?.component())).collect();
    components.sort();
    components.dedup();
    let begun = Instant::now();
    let bench = Bench::open(&project, components, &args, screen).await?;
    let ready = begun.elapsed();
    let mut all = Vec::new();
    for (file, fixture) in read {
        let playing = Instant::now();
        let result = match fixture {
            Ok(fixture) => bench.play(&fixture).await?,
            Err(bad) => Err(bad),
        };
        all.push(Tested { file, took: playing.elapsed(), result });
    }
    tell::all(&all, ready, args.verbose, screen)
}

fn read_one(file: &Path, project: &Project) -> Result<Result<Fixture, BadFixture>, CliError> {
    let text = std::fs::read(file).map_err(|e| CliError::input(format!("{}: {e}", file.display())))?;
    let name = file.file_stem().map_or_else(|| "test".into(), |name| name.to_string_lossy().into_owned());
    Ok(Fixture::read(&text, &name, &project.manifest))
}

/// Components, built and loaded.
struct Bench {
    cell: Offline,
    artifacts: BTreeMap<ComponentName, Digest>,
}

impl Bench {
    /// Builds what is older than its sources, and loads what is wanted.
    async fn open(
        project: &Project,
        components: impl IntoIterator<Item = &ComponentName>,
        args: &TestArgs,
        screen: &Screen,
    ) -> Result<Self, CliError> {
        let folder = config::user_cache().ok_or_else(|| CliError::input("neither XDG_CACHE_HOME nor HOME is set"))?;
        let cell = Offline::open(folder.join("replay")).map_err(|e| CliError::host(format!("{e:#}")))?;
        let mut artifacts = BTreeMap::new();
        for name in components {
            let component = &project.manifest.components[name];
            if let Some(why) = sources::stale(project.folder(), &project.file, component) {
                let file = project.folder().join(&component.source);
                if !args.no_build {
                    screen.line(Screen::dim(&format!("building {name}: {why}")));
                    build::one(project, name, component, !args.release, screen)?;
                } else if file.is_file() {
                    screen.warning(format!("component `{name}`: {why}; jackfield build builds it"));
                }
            }
            let file = project.folder().join(&component.source);
            let bytes = std::fs::read(&file).map_err(|e| {
                CliError::input(format!("component `{name}`: {}: {e}\n    build it: jackfield build", file.display()))
            })?;
            let artifact = cell.add(&bytes).await.map_err(refused)?;
            let _progress = screen.progress(format!("compiling {name}"));
            cell.ready(artifact).await.map_err(refused)?;
            artifacts.insert(name.clone(), artifact);
        }
        Ok(Self { cell, artifacts })
    }

    /// Plays a fixture of one of its components.
    async fn play(&self, fixture: &Fixture) -> Result<Result<Verdict, BadFixture>, CliError> {
        let artifact = self.artifacts[fixture.component()];
        let folder = temporary_folder()?;
        let play = match Play::open(fixture, folder.path(), jackfield_connectors::all(&Surroundings::default())).await {
            Ok(play) => play,
            Err(PlaybackError::Recording(bad)) => {
                return Ok(Err(BadFixture { place: String::new(), problem: bad.to_string() }));
            }
            Err(PlaybackError::Machine(problem)) => return Err(CliError::host(problem)),
        };
        let report = self.cell.invoke(play.work(artifact)).await;
        Ok(Ok(play.ended(report).await))
    }
}
