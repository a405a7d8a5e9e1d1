//! Go: the ordinary toolchain.

use super::version_of;

/// Older ones were not tried with the SDK's glue, which depends on the runtime's own ways.
const OLDEST: (u32, u32) = (1, 26);

pub(super) fn check() -> Result<String, String> {
    match version_of("go", &["version"]) {
        Some((version, pair)) if pair >= OLDEST => Ok(format!("go {version}")),
        Some((version, _)) => Err(format!("Go is {version}: 1.26 or later is needed: https://go.dev/dl")),
        None => Err("Go is not here: 1.26 or later, https://go.dev/dl".into()),
    }
}
