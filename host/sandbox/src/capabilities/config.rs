//! `config`: the settings of an integration.

use jackfield_core::hatch::ConfigError;
use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::plugin::config;
use crate::state::State;

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    config::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

impl config::Host for State {
    async fn get(&mut self, name: String) -> Result<Result<Option<String>, config::Error>> {
        let call = self.hatch.number()?;
        let answer = self.hatch.config_get(call, &name).await?;
        Ok(answer.map_err(|ConfigError::AccessDenied(line)| config::Error::AccessDenied(line)))
    }

    async fn get_all(&mut self) -> Result<Result<Vec<(String, String)>, config::Error>> {
        let call = self.hatch.number()?;
        Ok(Ok(self.hatch.config_get_all(call).await?))
    }
}
