//! `doctor`: one line a check, with the command that mends it.

use std::path::PathBuf;

use clap::Args;
use jackfield_core::release::Language;
use serde_json::json;

use super::Common;
use super::client::Client;
use super::error::CliError;
use super::screen::{Screen, safe, size, text};
use super::toolchain;

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// The host's data folder
    #[arg(long, default_value = "jackfield-data", value_name = "FOLDER")]
    data: PathBuf,
}

struct Check {
    ok: bool,
    /// A thing to know rather than to mend.
    hint: bool,
    what: &'static str,
    detail: String,
}

impl Check {
    fn ok(what: &'static str, detail: impl Into<String>) -> Self {
        Self { ok: true, hint: false, what, detail: detail.into() }
    }

    fn wrong(what: &'static str, detail: impl Into<String>) -> Self {
        Self { ok: false, hint: false, what, detail: detail.into() }
    }

    fn hint(what: &'static str, detail: impl Into<String>) -> Self {
        Self { ok: false, hint: true, what, detail: detail.into() }
    }
}

pub(super) async fn run(args: &DoctorArgs, common: &Common, screen: &Screen) -> Result<(), CliError> {
    let mut checks = vec![disk(args), files(), kernel(), time_zones()];
    checks.splice(0..0, tools());
    checks.extend(master_key(args));
    checks.extend(host(common).await);
    let sound = checks.iter().all(|check| check.ok || check.hint);
    let answer: Vec<_> =
        checks.iter().map(|c| json!({ "ok": c.ok, "hint": c.hint, "what": c.what, "detail": c.detail })).collect();
    if !screen.answer(&json!({ "ok": sound, "checks": answer })) {
        for check in &checks {
            let line = format!("{:<12} {}", check.what, safe(&check.detail));
            match (check.ok, check.hint) {
                (true, _) => screen.done(line),
                (false, true) => screen.warning(line),
                (false, false) => screen.wrong(line),
            }
        }
    }
    if sound { Ok(()) } else { Err(CliError::silent(3)) }
}

/// The tools of each language: a hint, since nobody needs all of them.
fn tools() -> impl Iterator<Item = Check> {
    Language::ALL.into_iter().map(|language| match toolchain::check(language) {
        Ok(found) => Check::ok(language.label(), found),
        Err(missing) => Check::hint(language.label(), missing),
    })
}

fn disk(args: &DoctorArgs) -> Check {
    let existing = args.data.ancestors().find(|folder| folder.exists()).unwrap_or(std::path::Path::new("."));
    match rustix::fs::statvfs(existing) {
        Ok(space) => {
            let free = space.f_bavail.saturating_mul(space.f_frsize);
            let detail = format!("{} free for {}", size(free), args.data.display());
            if free < 1 << 30 {
                Check::wrong("disk", format!("{detail}: make room, 1 GB at least"))
            } else {
                Check::ok("disk", detail)
            }
        }
        Err(problem) => Check::wrong("disk", format!("{}: {problem}", existing.display())),
    }
}

fn files() -> Check {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    match limit {
        Some(limit) if limit < 4_096 => {
            Check::hint("files", format!("{limit} open files: ulimit -n 65536, or LimitNOFILE=65536 in the unit"))
        }
        Some(limit) => Check::ok("files", format!("{limit} open files")),
        None => Check::ok("files", "any number of open files"),
    }
}

fn kernel() -> Check {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy().into_owned();
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse::<u32>().ok());
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if version >= (6, 7) {
        Check::ok("kernel", format!("{release}: instances are recycled with PAGEMAP_SCAN"))
    } else {
        Check::hint("kernel", format!("{release}: from 6.7 on, fresh instances cost about half"))
    }
}

fn time_zones() -> Check {
    match jiff::tz::TimeZone::get("Europe/Berlin") {
        Ok(_) => Check::ok("time zones", "the time-zone data reads"),
        Err(problem) => Check::wrong("time zones", format!("{problem}: apt-get install tzdata")),
    }
}

fn master_key(args: &DoctorArgs) -> Option<Check> {
    use std::os::unix::fs::MetadataExt as _;
    let file = crate::config::user_folder()?.join("master.key");
    let key = std::fs::metadata(&file).ok()?;
    if key.mode() & 0o077 != 0 {
        return Some(Check::wrong("master key", format!("others can read it: chmod 600 {}", file.display())));
    }
    match std::fs::metadata(&args.data) {
        Ok(data) if data.dev() == key.dev() => Some(Check::hint(
            "master key",
            format!("{} and the data are on one volume: whoever takes the volume has both", file.display()),
        )),
        _ => Some(Check::ok("master key", file.display().to_string())),
    }
}

async fn host(common: &Common) -> Vec<Check> {
    let asked = async { Client::new(common)?.get(&["status"], &[]).await };
    match asked.await {
        Ok(status) => {
            let mut checks = vec![Check::ok(
                "host",
                format!("jackfield {} · {}", text(&status, "version"), text(&status, "engine")),
            )];
            if status.get("held") == Some(&serde_json::Value::Bool(true)) {
                checks.push(Check::wrong("hold", "held after a restore: jackfield restore --release-hold"));
            }
            checks
        }
        Err(problem) => {
            vec![Check::hint("host", problem.text.lines().next().unwrap_or("does not answer").to_owned())]
        }
    }
}
