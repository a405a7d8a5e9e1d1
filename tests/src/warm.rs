//! What a test's host starts from: a first start that is over, and the code that was compiled for hosts before it.
//!
//! Compiled code is sealed with a key that a host makes at its first start. Hosts that start from the same one have the
//! same key, so what one of them compiled the others need not: guests in languages with a large runtime take ten seconds
//! each. Kept between runs of the tests; another schema or engine begins anew.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::env;
use crate::host::Host;

/// How long compiled code is kept.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// The files of a first start, and where they belong: in the host's data, or beside it.
const FILES: [(&str, bool); 3] = [("jackfield.db", true), ("setup-token", true), ("master.key", false)];

/// Makes the data of a host that was started once, as [`born`] has it, and has not been logged in to.
///
/// # Panics
///
/// Files cannot be made.
pub(crate) fn start_from(born: &Path, folder: &Path, data: &Path) {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(data.join("code")).expect("a data folder can be made");
    fs::set_permissions(data, fs::Permissions::from_mode(0o700)).expect("a folder of ours");
    for (name, of_data) in FILES {
        let to = if of_data { data } else { folder };
        fs::copy(born.join(name), to.join(name)).expect("a file of the first start can be copied");
    }
    link(&code(), &data.join("code"));
}

/// Keeps what a host compiled for those that come after it.
pub(crate) fn keep(data: &Path) {
    link(&data.join("code"), &code());
}

/// Every compiled component of one folder in the other, too. Not from another file system: then it is compiled again.
fn link(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if Path::new(&name).extension().is_some_and(|extension| extension == "cwasm") {
            let _ = fs::hard_link(entry.path(), to.join(name));
        }
    }
}

/// Removes what was compiled long ago: guests change.
fn forget() {
    for entry in fs::read_dir(code()).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|made| made.elapsed().ok());
        if age.is_some_and(|age| age > KEPT) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Beside the built programs, so that a `cargo clean` takes it along.
fn place() -> PathBuf {
    let own = std::env::current_exe().expect("a process knows its own file");
    let debug = own.ancestors().find(|folder| folder.ends_with("debug") || folder.ends_with("release"));
    debug.expect("it is built by cargo").join("warm")
}

/// A cache folder for commands that play recordings and fixtures, whoever runs them.
#[must_use]
pub fn user_cache() -> PathBuf {
    place().join("user")
}

fn code() -> PathBuf {
    place().join("code")
}

/// The folder of the files of a first start; made if this schema has none yet. Whoever asks has no host: it starts one.
pub(crate) async fn born() -> PathBuf {
    static BORN: OnceCell<PathBuf> = OnceCell::const_new();
    let made = BORN.get_or_init(|| async {
        let schema = fs::read_dir(env::repository("host/core/src/store/sqlite/migrations"));
        let born = place().join(format!("born-{}", schema.expect("the schema is in files").count()));
        fs::create_dir_all(code()).expect("a folder can be made");
        forget();
        if !born.exists() {
            let made = Box::pin(first_start()).await.expect("the files of a first start can be taken");
            // Another program may have been quicker: then its key is the one.
            let _ = fs::rename(made.path(), &born);
        }
        born
    });
    made.await.clone()
}

async fn first_start() -> io::Result<TempDir> {
    let mut host = Host::options().first_start().prepare().await;
    host.try_restart(|_| ()).await.map_err(|status| io::Error::other(format!("a host ended: {status}")))?;
    host.stop().await;
    let made = tempfile::tempdir_in(place())?;
    for (name, of_data) in FILES {
        let from = if of_data { host.data() } else { host.folder().to_owned() };
        fs::copy(from.join(name), made.path().join(name))?;
    }
    Ok(made)
}
