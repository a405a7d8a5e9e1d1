//! What becomes of a file once its event is on disk: it stays, goes, or is moved.
//!
//! A file that was replaced meanwhile is another one, which nobody has heard of yet: it stays. Not here: hearing.

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

use super::HIDDEN;
use super::root::{Facts, Root, Trouble, facts, sync};
use super::settings::Then;

/// How many names are tried for a file that is moved to where one of its name lies.
const MOST_NAMES: u32 = 10_000;

/// Does it. `false`: the file is another one by now, or gone. Blocking.
///
/// # Errors
///
/// It stays where it is.
pub(super) fn leave(root: &Root, name: &str, then: &Then, was: &Facts) -> Result<bool, Trouble> {
    let (parent, last) = root.parent(name, false)?;
    match facts(&parent, last) {
        Ok(now) if now.print() == was.print() => {}
        Ok(_) | Err(Trouble::None) => return Ok(false),
        Err(trouble) => return Err(trouble),
    }
    let (to, first) = match then {
        Then::Keep => return Ok(true),
        // Out of the way first, so that what is removed is certainly what was looked at.
        Then::Delete => (None, format!("{HIDDEN}done-{:016x}", was.print())),
        Then::Move(folder) => (Some(root.parent(&format!("{folder}/{name}"), true)?.0), last.to_owned()),
    };
    let target = to.as_ref().unwrap_or(&parent);
    for n in 0..MOST_NAMES {
        let new = if n == 0 { first.clone() } else { numbered(&first, n) };
        match rustix::fs::renameat_with(&parent, last, target, &new, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::EXIST) => continue,
            Err(Errno::NOENT) => return Ok(false),
            Err(e) => return Err(e.into()),
        }
        if !facts(target, &new).is_ok_and(|now| now.print() == was.print()) {
            // Somebody put another one there in between: back with it.
            let back = rustix::fs::renameat_with(target, &new, &parent, last, RenameFlags::NOREPLACE);
            return back.map(|()| false).map_err(Trouble::from);
        }
        match &to {
            None => rustix::fs::unlinkat(target, &new, AtFlags::empty())?,
            Some(target) => sync(target)?,
        }
        sync(&parent)?;
        return Ok(true);
    }
    Err(Trouble::Other(Errno::EXIST))
}

/// `a.csv` becomes `a.1.csv`.
fn numbered(name: &str, n: u32) -> String {
    match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => format!("{stem}.{n}.{ending}"),
        _ => format!("{name}.{n}"),
    }
}
