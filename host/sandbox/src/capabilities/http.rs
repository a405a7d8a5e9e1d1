//! `http`: calls to other systems. Request and response are held in memory.

use std::time::Duration;

use jackfield_core::ports::http::{HttpCall, HttpError, HttpResponse};
use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::plugin::http;
use crate::state::State;

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    http::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

impl http::Host for State {
    async fn send(&mut self, request: http::Request) -> Result<Result<http::Response, http::Error>> {
        let call = self.hatch.number()?;
        let connection = match request.connection.as_deref().map(str::parse).transpose() {
            Ok(connection) => connection,
            Err(bad) => return Ok(Err(http::Error::Invalid(format!("connection: {bad}")))),
        };
        let request = HttpCall {
            connection,
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: request.body.into(),
            timeout: request.timeout_ms.map(|ms| Duration::from_millis(ms.into())),
            max_redirects: request.max_redirects,
        };
        Ok(self.hatch.http(call, request).await?.map(response).map_err(error))
    }
}

fn response(response: HttpResponse) -> http::Response {
    http::Response { status: response.status, headers: response.headers, body: response.body.into() }
}

fn error(error: HttpError) -> http::Error {
    match error {
        HttpError::AccessDenied(text) => http::Error::AccessDenied(text),
        HttpError::Invalid(text) => http::Error::Invalid(text),
        HttpError::Unavailable(text) => http::Error::Unavailable(text),
        HttpError::Timeout(text) => http::Error::Timeout(text),
        HttpError::InDoubt(text) => http::Error::InDoubt(text),
        HttpError::TooLarge(text) => http::Error::TooLarge(text),
    }
}
