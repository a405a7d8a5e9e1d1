//! Write Jackfield integrations in Rust.
//!
//! An integration is a function that handles an event. The host calls it in a fresh sandbox, keeps
//! the event until it is handled, and adds the credentials to its calls.
//!
//! ```
//! use jackfield::{Context, Event, Output, Result, json};
//!
//! #[derive(serde::Deserialize)]
//! struct FeatureRequest {
//!     number: String,
//!     title: String,
//! }
//!
//! #[jackfield::handler]
//! fn on_request(event: Event<FeatureRequest>, cx: Context) -> Result<Option<Output>> {
//!     let seen = format!("seen/{}", event.data.number);
//!     if cx.kv.get::<u64>(&seen)?.is_some() {
//!         return Ok(None);
//!     }
//!     let issue: jackfield::Value = cx
//!         .http
//!         .post("github", "/repos/acme/app/issues")
//!         .json(&json!({ "title": event.data.title }))
//!         .send()?
//!         .error_for_status()?
//!         .json()?;
//!     cx.kv.set(&seen, &issue["number"])?;
//!     jackfield::log::info!(number = event.data.number; "opened an issue");
//!     Ok(Some(Output::json(&issue)?))
//! }
//! ```
//!
//! Build it with `cargo build --release --target wasm32-wasip2`, as a `cdylib`.
//!
//! What the component may do (which connection, which paths, which keys) is granted in the
//! integration's `jackfield.toml`; a call outside the grants fails with
//! [`ErrorKind::AccessDenied`].
//!
//! # Events may come twice
//!
//! A run that fails is tried again. Calls that changed something and succeeded are not made again:
//! the handler gets their recorded answers. That works because a handler asks for the same things in
//! the same order when it is tried again, so let no call depend on [`RunInfo::attempt`].

#[doc(hidden)]
pub mod bindings;
mod blob;
mod config;
mod context;
mod email;
mod error;
mod event;
mod events;
pub mod http;
pub mod kv;
pub mod log;
mod messaging;
mod output;
mod rt;
pub mod soap;
pub mod sql;

pub use blob::{Blob, Object, ObjectInfo, Objects};
pub use config::Config;
pub use context::{Context, RunInfo};
pub use email::{Attachment, Email, Mail};
pub use error::{Error, ErrorKind, Result};
pub use event::{Attributes, Bytes, Event, FromData};
pub use events::{Draft, Events};
pub use http::Http;
pub use jackfield_macros::handler;
pub use kv::Kv;
pub use messaging::{Message, Messaging, Reply};
pub use output::{IntoOutput, Output};
pub use serde_json::{Value, json};
pub use sql::Sql;

/// What the code written by [`handler`] uses. Not for people: it may change in any version.
#[doc(hidden)]
pub mod __rt {
    pub use crate::bindings;
    pub use crate::rt::{block_on, handle};
}
