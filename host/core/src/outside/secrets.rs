//! Secrets: sealed before they are stored, opened for connections alone.
//!
//! Not here: sealing itself ([`crate::seal`]).

use std::sync::Arc;

use secrecy::SecretString;

use super::Outside;
use crate::ids::{EnvironmentName, SecretName};
use crate::ports::connector::{Connector, Secrets};
use crate::seal::{MasterKey, Place, Sealed, SecretAad};
use crate::store::StoreError;
use crate::store::registry::Connection;
use crate::store::secrets::SecretInfo;

impl Outside {
    /// Seals and stores a secret.
    ///
    /// # Errors
    ///
    /// As the store.
    pub async fn set_secret(
        &self,
        environment: &EnvironmentName,
        name: &SecretName,
        value: &SecretString,
    ) -> Result<SecretInfo, StoreError> {
        let master = self.master.read().await;
        loop {
            let version = self.store.secret(environment, name).await?.map_or(1, |(version, _)| version + 1);
            let aad = SecretAad { environment: environment.as_str(), name: name.as_str(), version };
            let sealed = master.seal(&*self.rng, &aad, value);
            let set = self.clock.now();
            match self.store.set_secret(environment.clone(), name.clone(), version, sealed, set).await {
                Ok(()) => {
                    self.connection_changed(environment);
                    return Ok(SecretInfo { name: name.clone(), version, set });
                }
                // Somebody set it meanwhile: seal for the next version.
                Err(StoreError::Conflict(_)) => {}
                Err(other) => return Err(other),
            }
        }
    }

    /// A secret's value.
    ///
    /// # Errors
    ///
    /// As the store; `Unavailable` if the value does not open under the master key.
    pub async fn secret(
        &self,
        environment: &EnvironmentName,
        name: &SecretName,
    ) -> Result<Option<SecretString>, StoreError> {
        let master = self.master.read().await;
        let Some((version, sealed)) = self.store.secret(environment, name).await? else { return Ok(None) };
        let aad = SecretAad { environment: environment.as_str(), name: name.as_str(), version };
        let value = master.open(&aad, &sealed);
        value.map(Some).map_err(|e| StoreError::Unavailable(format!("secret `{name}` of {environment}: {e}")))
    }

    /// The id of the master key that everything is sealed under.
    pub async fn master_key_id(&self) -> String {
        self.master.read().await.id()
    }

    /// Seals everything under another master key, while the host runs. Gives how many values that was.
    ///
    /// `new` must be on disk already: once the store has committed, nothing opens without it.
    ///
    /// # Errors
    ///
    /// As [`SecretStore::reseal`](crate::store::secrets::SecretStore::reseal); after `Unavailable` or
    /// `Stopped` it is not known which key it is sealed under.
    pub async fn reseal(&self, new: MasterKey) -> Result<u32, StoreError> {
        let mut master = self.master.write().await;
        let (from, to) = (MasterKey::from_bytes(*master.to_bytes()), MasterKey::from_bytes(*new.to_bytes()));
        let rng = Arc::clone(&self.rng);
        let reseal = move |place: &Place<'_>, sealed: &Sealed| from.rewrap(&to, &*rng, place, sealed);
        let count = self.store.reseal(Box::new(reseal)).await?;
        *master = new;
        Ok(count)
    }

    /// The secrets that a connection names, and the first that is missing, explained.
    pub(super) async fn secrets_of(
        &self,
        environment: &EnvironmentName,
        connection: &Connection,
        connector: &Arc<dyn Connector>,
    ) -> Result<(Secrets, Option<String>), StoreError> {
        let mut secrets = Vec::new();
        for name in connector.secrets(&connection.settings) {
            let known = match name.parse::<SecretName>() {
                Ok(name) => self.secret(environment, &name).await?,
                Err(_) => None,
            };
            let Some(value) = known else {
                let missing = format!(
                    "connection `{}` needs secret `{name}`: jackfield secrets set {name} --env {environment}",
                    connection.name
                );
                return Ok((secrets, Some(missing)));
            };
            secrets.push((name, value));
        }
        Ok((secrets, None))
    }
}
