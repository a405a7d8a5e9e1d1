//! Ports that stay a server's own, from its first start over every restart until the test process ends.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::TcpListener;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::env;

/// Below what kernels give to clients of their own accord: while a server is down, nobody's outgoing connection takes
/// its port.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// The ports of this process. Each is locked by a file, so that another test process takes none of them meanwhile.
static TAKEN: LazyLock<Mutex<BTreeMap<u16, File>>> = LazyLock::new(Mutex::default);

/// A port of 127.0.0.1 that nobody listens on.
///
/// # Panics
///
/// There is none.
pub(super) fn take() -> u16 {
    let folder = env::tools().join("ports");
    std::fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    // Processes begin at different places, or they would all try the same ones first.
    let begin = (std::process::id() % u32::from(COUNT)) as u16;
    for step in 0..COUNT {
        let port = FIRST + begin.wrapping_mul(7).wrapping_add(step) % COUNT;
        if taken.contains_key(&port) {
            continue;
        }
        let Ok(file) = File::create(folder.join(port.to_string())) else { continue };
        if file.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            taken.insert(port, file);
            return port;
        }
    }
    panic!("no port from {FIRST} to {} is free", FIRST + COUNT - 1);
}
