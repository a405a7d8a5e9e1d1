//! Config: the settings of an integration in its environment. Secrets are not among them.

use serde::de::DeserializeOwned;

use crate::bindings::jackfield::plugin::config;
use crate::error::{Error, ErrorKind, Result};

/// The settings of this integration in this environment.
///
/// Secrets are not among them: they stay in the host, which adds them to the calls of a connection.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Config {}

impl Config {
    /// A setting's value, or none if the environment does not set it. Text is given as it is; a
    /// number, a boolean, a list or a table as JSON.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AccessDenied`]: the manifest does not grant the name.
    #[track_caller]
    pub fn get(&self, name: &str) -> Result<Option<String>> {
        config::get(name).map_err(denied)
    }

    /// A setting's value that must be there.
    ///
    /// # Errors
    ///
    /// As [`Config::get`]; and the environment does not set it, which is worth another attempt:
    /// somebody may set it meanwhile.
    #[track_caller]
    pub fn require(&self, name: &str) -> Result<String> {
        match self.get(name)? {
            Some(value) => Ok(value),
            None => Err(Error::new(format_args!(
                "the setting `{name}` is not set here: set it with `jackfield config set`"
            ))
            .named("missing-setting")),
        }
    }

    /// A setting that is a number, a boolean, a list or a table.
    ///
    /// # Errors
    ///
    /// As [`Config::get`]; and the value does not fit `T`.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        match self.get(name)? {
            None => Ok(None),
            Some(text) => match serde_json::from_str(&text) {
                Ok(value) => Ok(Some(value)),
                Err(problem) => {
                    Err(Error::of(ErrorKind::Invalid, format_args!("the setting `{name}` does not fit: {problem}")))
                }
            },
        }
    }

    /// Every granted setting that has a value, by name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AccessDenied`]: the manifest grants none.
    #[track_caller]
    pub fn all(&self) -> Result<Vec<(String, String)>> {
        config::get_all().map_err(denied)
    }
}

#[track_caller]
fn denied(error: config::Error) -> Error {
    match error {
        config::Error::AccessDenied(text) => Error::of(ErrorKind::AccessDenied, text),
    }
}
