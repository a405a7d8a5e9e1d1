//! What stands between the host's call and the handler: decoding, errors, panics.

use std::future::Future;
use std::io::Write as _;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Poll, Wake, Waker};

use crate::bindings::jackfield::plugin::types;
use crate::{Context, Error, Event, FromData, IntoOutput, log};

/// Calls a handler with an event as the host gave it.
///
/// # Errors
///
/// What the handler failed with; `rejected` when the data does not fit the handler's type.
pub fn handle<T, O, E, H>(event: types::Event, handler: H) -> Result<Option<types::Output>, types::Failure>
where
    T: FromData,
    O: IntoOutput,
    E: Into<Error>,
    H: FnOnce(Event<T>, Context) -> Result<O, E>,
{
    std::panic::set_hook(Box::new(tell_of_panic));
    #[cfg(feature = "log")]
    log::install();
    let answer = Event::read(event).and_then(|event| handler(event, Context::default()).map_err(Into::into));
    // A line that is not ended waits for its end, which does not come: the instance ends here. Who takes what is printed
    // does not fail.
    let _ = std::io::stdout().flush();
    match answer {
        Ok(output) => Ok(output.into_output().map(Into::into)),
        Err(error) => Err(error.into_failure()),
    }
}

/// A panic ends in a trap, which says nothing: its message and place become the last line of the log.
fn tell_of_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("(a panic without text)");
    match panic.location() {
        Some(at) => log::write(log::Level::Error, format_args!("panicked at {at}: {message}"), &[]),
        None => log::write(log::Level::Error, format_args!("panicked: {message}"), &[]),
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Drives an async handler to its end.
///
/// The host's functions answer before they return, so a handler that awaits only them is never pending.
/// One that yields is polled again.
///
/// # Panics
///
/// The handler waits for something that nothing in a single thread without a reactor can bring about.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(woken.clone());
    let mut cx = TaskContext::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        assert!(
            woken.0.swap(false, Ordering::Relaxed),
            "the handler awaits something that is never ready: there is no timer and no reactor here"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(data: &str) -> types::Event {
        types::Event {
            id: "1".into(),
            source: "/manual".into(),
            event_type: "jackfield.manual".into(),
            subject: None,
            time: None,
            content_type: None,
            schema: None,
            extensions: vec![],
            meta: vec![],
            data: data.into(),
        }
    }

    #[test]
    fn an_answer_is_handed_over() {
        let answer = handle(raw("3"), |event: Event<u32>, _| crate::Output::json(&(event.data + 1)));
        assert_eq!(answer.unwrap().unwrap().data, b"4");
        assert!(handle(raw("3"), |_: Event<()>, _| Ok::<_, Error>(())).unwrap().is_none());
    }

    #[test]
    fn a_handler_is_not_called_with_data_it_cannot_read() {
        let answer = handle(raw("x"), |_: Event<u32>, _| -> crate::Result<()> { panic!("called") });
        assert!(matches!(answer, Err(types::Failure::Rejected(_))));
    }

    #[test]
    fn a_handler_may_fail_with_any_error() {
        let answer = handle(raw(""), |_: Event<()>, _| "x".parse::<u32>().map(|_| ()));
        assert!(matches!(answer, Err(types::Failure::Error(info)) if info.name == "ParseIntError" && info.retryable));
    }

    #[test]
    fn a_future_that_yields_is_polled_again() {
        let mut left = 3;
        let out = block_on(std::future::poll_fn(|cx| {
            if left == 0 {
                return Poll::Ready(7);
            }
            left -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        }));
        assert_eq!(out, 7);
    }

    #[test]
    #[should_panic(expected = "never ready")]
    fn a_future_that_waits_for_ever_is_told() {
        block_on(std::future::pending::<()>());
    }
}
