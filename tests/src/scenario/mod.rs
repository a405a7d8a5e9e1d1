//! Scenarios: what must happen, whatever language the handler is written in. Each is a `scenario.toml` beside an example.
//!
//! - `file.rs` and `expect.rs`: the format, as it is written.
//! - `server.rs`: the kinds of real servers. Another kind is one arm in each of its three places.
//! - `outside.rs`, `places.rs`: the systems of a scenario that is played, and what `{…}` stands for.
//! - `play.rs`: the steps, one after the other; `act.rs` what happens in one, `run.rs` what its run came to,
//!   `over.rs` when all runs are over, and `look.rs` what the systems hold then.

mod act;
mod expect;
mod file;
mod look;
mod outside;
mod over;
mod places;
mod play;
mod run;
mod server;

pub use expect::Expect;
pub use file::{Action, Scenario, Step, languages};
pub use outside::Outside;
pub use run::Played;
