//! Ending: which outcome an attempt has, from what the engine, the limits and the hatch know.

use jackfield_core::grant::Grants;
use jackfield_core::hatch::Stop;
use jackfield_core::limits::{Limit, Limits};
use jackfield_core::outcome::{Failure, Outcome};
use jackfield_core::ports::sandbox::HostFault;
use std::time::Duration;
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap};
use wasmtime_wasi::I32Exit;

use super::event::lifted;
use super::frames::frames;
use crate::bindings::handler;
use crate::limits::{Clocks, HANDLES};
use crate::state::State;
use crate::wasi::stdio::cut;

/// A guest's text in an outcome, in bytes.
const TEXT_BYTES: usize = 16 << 10;
/// A guest's stack in an outcome, in bytes.
const STACK_BYTES: usize = 64 << 10;
/// An error's name, in bytes.
const NAME_BYTES: usize = 256;

/// How the guest's code came to its end.
pub(super) enum Ending {
    /// No instance came to be.
    NotStarted(wasmtime::Error),
    /// The handler returned.
    Returned(Result<Option<handler::Output>, handler::Failure>),
    /// It trapped, or was made to.
    Trapped(wasmtime::Error),
    /// Somebody called it off.
    Cancelled,
    /// It waited, and its time ran out.
    TimedOut,
}

/// What the ending is called. The first reason that applies counts.
pub(super) fn outcome(ending: Ending, state: &State, limits: &Limits, clocks: &Clocks) -> Result<Outcome, HostFault> {
    match state.hatch.stopped() {
        Some(Stop::HostFault(fault)) => return Err(HostFault(fault)),
        Some(Stop::OverBudget { limit, allowed }) => return Ok(Outcome::OverBudget { limit, allowed }),
        Some(Stop::NonDeterminism(difference)) => return Ok(Outcome::Failed(difference.failure())),
        Some(Stop::Held { connection, back_in, why }) => {
            return Ok(match ending {
                Ending::Cancelled => Outcome::Cancelled,
                // It did without the call.
                Ending::Returned(Ok(output)) => answered(output, limits),
                _ => Outcome::Held { connection: connection.to_string(), back_in, why },
            });
        }
        None => {}
    }
    let error = match ending {
        Ending::Cancelled => return Ok(Outcome::Cancelled),
        Ending::Returned(Ok(output)) => return Ok(answered(output, limits)),
        Ending::Returned(Err(failure)) => {
            return Ok(out_of_memory(state).unwrap_or_else(|| Outcome::Failed(failed(failure))));
        }
        Ending::TimedOut => None,
        Ending::NotStarted(e) if e.is::<PoolConcurrencyLimitError>() => {
            return Err(HostFault(format!("no room for another instance: {e:#}")));
        }
        Ending::NotStarted(e) | Ending::Trapped(e) => Some(e),
    };
    if let Some(out_of_memory) = out_of_memory(state) {
        return Ok(out_of_memory);
    }
    if let Some(limit) = clocks.over() {
        return Ok(Outcome::OutOfTime { limit, allowed: clocks.allowed(limit) });
    }
    let Some(error) = error else {
        return Err(HostFault("the attempt ended for no reason anybody knows".into()));
    };
    if let Some(over) = over_budget(&error, limits, state.hatch.grants()) {
        return Ok(over);
    }
    Ok(Outcome::Trapped { message: message(&error, state), frames: frames(&error) })
}

/// A component that does not fit the linker: the deploy that let it through was another host's.
pub(super) fn not_linked(error: &wasmtime::Error) -> Outcome {
    Outcome::Trapped { message: format!("the component cannot be linked with its grants: {error:#}"), frames: vec![] }
}

fn answered(output: Option<handler::Output>, limits: &Limits) -> Outcome {
    let output = output.map(lifted);
    let size = output.as_ref().map_or(0, |output| {
        let headers: usize = output.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        output.data.len() + headers + output.content_type.as_ref().map_or(0, String::len)
    });
    if size as u64 > limits.output_bytes {
        return Outcome::OverBudget { limit: Limit::Output, allowed: limits.output_bytes };
    }
    Outcome::Succeeded { output }
}

fn failed(failure: handler::Failure) -> Failure {
    match failure {
        handler::Failure::Rejected(text) => Failure {
            name: "rejected".into(),
            message: cut(&text, TEXT_BYTES).into(),
            stack: None,
            retryable: false,
            retry_after: None,
        },
        handler::Failure::Error(error) => Failure {
            name: cut(&error.name, NAME_BYTES).into(),
            message: cut(&error.message, TEXT_BYTES).into(),
            stack: error.stack.map(|stack| cut(&stack, STACK_BYTES).into()),
            retryable: error.retryable,
            retry_after: error.retry_after_ms.map(|ms| Duration::from_millis(ms.into())),
        },
    }
}

fn out_of_memory(state: &State) -> Option<Outcome> {
    let wanted_bytes = state.memory.wanted_bytes()?;
    Some(Outcome::OutOfMemory { limit_bytes: state.memory.limit_bytes(), wanted_bytes })
}

/// A limit that the engine enforces, told by its errors. Two of them have no type of their own.
fn over_budget(error: &wasmtime::Error, limits: &Limits, grants: &Grants) -> Option<Outcome> {
    let says = |words: &str| error.chain().any(|cause| cause.to_string().contains(words));
    let table_full = matches!(error.downcast_ref(), Some(ResourceTableError::Full));
    if table_full || says("store handle limit exceeded") {
        return Some(Outcome::OverBudget { limit: Limit::Handles, allowed: HANDLES as u64 });
    }
    if says("fuel allocated for hostcalls has been exhausted") {
        let allowed = 2 * limits.largest_argument_bytes(grants);
        return Some(Outcome::OverBudget { limit: Limit::Argument, allowed });
    }
    None
}

/// The guest's last words where a guest speaks before it goes; else the engine's name of the trap.
fn message(error: &wasmtime::Error, state: &State) -> String {
    let words = state.stdio.last_words();
    let exit = error.downcast_ref::<I32Exit>();
    let gave_up = exit.is_some() || matches!(error.downcast_ref(), Some(Trap::UnreachableCodeReached));
    let name = match exit {
        Some(I32Exit(status)) => format!("the guest called exit with status {status}"),
        None => error.root_cause().to_string(),
    };
    let message = match words {
        Some(words) if gave_up => words,
        Some(words) => format!("{name}; it last said: {words}"),
        None => name,
    };
    cut(&message, TEXT_BYTES).to_owned()
}
