//! A fault: why a command was not carried out, before it is put into the caller's words.

use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::store::StoreError;

/// See the module.
#[derive(Debug)]
pub(super) enum Fault {
    /// Decided here.
    Refused(StoreError),
    /// SQLite's answer.
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

/// A row that holds what this program never wrote.
pub(super) fn bad_row(problem: &str) -> Fault {
    Fault::Refused(StoreError::Unavailable(format!("the database is damaged: {problem}")))
}

/// How far a fault reaches.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// The command alone.
    Command(StoreError),
    /// The transaction: the disk is full.
    Full,
    /// The process: what is on disk is not known any more.
    Stop(String),
}

impl Fault {
    /// How far it reaches.
    pub(super) fn reach(self) -> Reach {
        let error = match self {
            Self::Refused(error) => return Reach::Command(error),
            Self::Sql(error) => error,
        };
        let text = error.to_string();
        let Some(code) = error.sqlite_error() else {
            return Reach::Command(StoreError::Unavailable(text));
        };
        match code.code {
            ErrorCode::DiskFull => Reach::Full,
            // The shared index of the log could not grow: the disk is full, nothing was lost.
            ErrorCode::SystemIoFailure if code.extended_code == ffi::SQLITE_IOERR_SHMSIZE => Reach::Full,
            ErrorCode::SystemIoFailure => Reach::Stop(format!("{text} ({})", code.extended_code)),
            ErrorCode::ConstraintViolation => Reach::Command(StoreError::Conflict(text)),
            ErrorCode::OperationInterrupted => {
                Reach::Command(StoreError::Unavailable("the query took too long; ask for less".into()))
            }
            _ => Reach::Command(StoreError::Unavailable(text)),
        }
    }

    /// For somebody who only reads: a failed read stops nobody else.
    pub(super) fn into_answer(self) -> StoreError {
        match self.reach() {
            Reach::Command(error) => error,
            Reach::Full => StoreError::DiskFull,
            Reach::Stop(text) => StoreError::Unavailable(text),
        }
    }
}
