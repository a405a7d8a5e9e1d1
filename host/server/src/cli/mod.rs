//! The command line: a plain client of the admin API, one file per command.
//!
//! Exit codes: 0 done, 1 the run failed, 2 your input, 3 the host. `--json` prints what the API
//! answered. Nothing asks when standard input is not a terminal.

mod backup;
mod build;
mod check;
mod client;
mod completion;
mod componentize;
mod config;
mod connections;
mod credentials;
mod deadletters;
mod deploy;
mod difference;
mod doctor;
mod environments;
mod error;
mod export;
mod inspect;
mod login;
mod logs;
mod project;
mod replay;
mod restore;
mod run;
mod runs;
mod screen;
mod secrets;
mod status;
mod tokens;
mod triggers;
mod versions;
mod world;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use client::Client;
use error::CliError;
use screen::Screen;

/// A self-hosted host for integrations written in any language.
#[derive(Debug, Parser)]
#[command(name = "jackfield", version = crate::VERSION, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
struct Common {
    /// Print what the API answered, as JSON
    #[arg(long, global = true)]
    json: bool,
    /// The admin API [default: the host of the last `login`, else http://127.0.0.1:8081]
    #[arg(long, global = true, env = "JACKFIELD_HOST", value_name = "URL")]
    host: Option<String>,
    /// The token to use instead of the one that `login` kept
    #[arg(long, global = true, env = "JACKFIELD_TOKEN", value_name = "TOKEN", hide_env_values = true, hide = true)]
    token: Option<String>,
}

/// Where a command works.
#[derive(Clone, Debug, Args)]
struct InEnvironment {
    /// The environment
    #[arg(long, env = "JACKFIELD_ENV", default_value = "dev", value_name = "NAME")]
    env: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the host
    Serve(crate::serve::ServeArgs),
    /// Swap the one-time set-up token for a token of your own
    Login(login::LoginArgs),
    /// Build the components of a manifest, each in the world that its grants allow
    Build(build::BuildArgs),
    /// Check a manifest and its components, without a host
    Check(check::CheckArgs),
    /// Upload the components of a manifest and release them to an environment
    Deploy(deploy::DeployArgs),
    /// List the versions of an integration, and where each is active
    Versions(versions::VersionsArgs),
    /// Say what differs between two versions; without numbers, the active one and the one before
    Diff(versions::DiffArgs),
    /// Make an older version the active one again
    Rollback(versions::RollbackArgs),
    /// Say what a component imports, exports and needs
    Inspect(inspect::InspectArgs),
    /// Start a run by hand
    Run(run::RunArgs),
    /// List runs, show one, export it, cancel it, decide over a call in doubt, resume it
    #[command(subcommand)]
    Runs(runs::RunsCommand),
    /// Play an exported run on this machine, without a host
    Replay(replay::ReplayArgs),
    /// List dead letters, resume them, start them fresh or discard them, one by one or in bulk
    #[command(subcommand)]
    Deadletters(deadletters::DeadlettersCommand),
    /// Show what guests logged
    Logs(logs::LogsArgs),
    /// Set, list and test connections
    #[command(subcommand)]
    Connections(connections::ConnectionsCommand),
    /// Set and list secrets; their values never come back
    #[command(subcommand)]
    Secrets(secrets::SecretsCommand),
    /// Set and list the settings that guests may read
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// List triggers and the addresses of their hooks
    #[command(subcommand)]
    Triggers(triggers::TriggersCommand),
    /// List environments, and set where their notices go
    #[command(subcommand)]
    Environments(environments::EnvironmentsCommand),
    /// Make, list and revoke tokens of the admin API
    #[command(subcommand)]
    Tokens(tokens::TokensCommand),
    /// Say how the host is
    Status,
    /// Write everything to one file while the host runs
    Backup(backup::BackupArgs),
    /// Put a backup in place, in a folder of its own; the host then starts held
    Restore(restore::RestoreArgs),
    /// Look whether everything is as it should be, and say what mends it
    Doctor(doctor::DoctorArgs),
    /// Print what a shell needs to complete commands
    Completion(completion::CompletionArgs),
}

/// Reads the arguments, does what they say, and answers with the exit code.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(help_or_problem) => {
            // Printing to a closed pipe is nobody's problem.
            let _ = help_or_problem.print();
            return if help_or_problem.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let screen = Screen::new(cli.common.json);
    let done = match cli.command {
        Command::Serve(args) => {
            crate::serve::run(args).map_err(|problem| match problem.downcast_ref::<crate::config::Problems>() {
                Some(problems) => CliError::input(format!("the host does not start:\n\n{problems}")),
                None => CliError::host(format!("{problem:#}")),
            })
        }
        command => in_runtime(dispatch(command, &cli.common, &screen)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen.error(&error);
            ExitCode::from(error.code)
        }
    }
}

fn in_runtime(work: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| CliError::host(format!("no runtime: {e}")))?;
    runtime.block_on(async {
        tokio::select! {
            done = work => done,
            _ = tokio::signal::ctrl_c() => Err(CliError::silent(130)),
        }
    })
}

async fn dispatch(command: Command, common: &Common, screen: &Screen) -> Result<(), CliError> {
    let client = || Client::new(common);
    match command {
        Command::Serve(_) => Ok(()),
        Command::Login(args) => login::run(args, common, screen).await,
        Command::Build(args) => build::run(&args, screen),
        Command::Check(args) => check::run(&args, screen),
        Command::Deploy(args) => deploy::run(args, &client()?, screen).await,
        Command::Versions(args) => versions::versions(args, &client()?, screen).await,
        Command::Diff(args) => versions::diff(args, &client()?, screen).await,
        Command::Rollback(args) => versions::rollback(args, &client()?, screen).await,
        Command::Inspect(args) => inspect::run(&args, screen),
        Command::Run(args) => run::run(args, &client()?, screen).await,
        Command::Runs(command) => runs::run(command, &client()?, screen).await,
        Command::Replay(args) => Box::pin(replay::run(args, common, screen)).await,
        Command::Deadletters(command) => deadletters::run(command, &client()?, screen).await,
        Command::Logs(args) => logs::run(args, &client()?, screen).await,
        Command::Connections(command) => connections::run(command, &client()?, screen).await,
        Command::Secrets(command) => secrets::run(command, &client()?, screen).await,
        Command::Config(command) => config::run(command, &client()?, screen).await,
        Command::Triggers(command) => triggers::run(command, &client()?, screen).await,
        Command::Environments(command) => environments::run(command, &client()?, screen).await,
        Command::Tokens(command) => tokens::run(command, &client()?, screen).await,
        Command::Status => status::run(&client()?, screen).await,
        Command::Backup(args) => backup::run(args, &client()?, screen).await,
        Command::Restore(args) => restore::run(&args, common, screen).await,
        Command::Doctor(args) => doctor::run(&args, common, screen).await,
        Command::Completion(args) => completion::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_well_formed() {
        Cli::command().debug_assert();
    }

    /// The commands are a public surface: a change here is a change people notice.
    #[test]
    fn commands_are_those_documented() {
        let command = Cli::command();
        let names: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(
            names.join(" "),
            "serve login build check deploy versions diff rollback inspect run runs replay deadletters logs connections secrets \
             config triggers environments tokens status backup restore doctor completion"
        );
    }
}
