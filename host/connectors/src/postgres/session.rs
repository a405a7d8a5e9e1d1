//! Sessions: how one is made through the host's network, the pool of them, and how one is lent for a call.
//!
//! Not here: what a call does with one (`call.rs`), and what a failure means (`failure.rs`).

use std::future::Future;
use std::io;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Connect, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Timeouts};
use futures_util::{Stream, StreamExt, stream};
use jackfield_core::ports::connector::{Secrets, SettingProblem};
use jackfield_core::ports::outward::Failure;
use secrecy::ExposeSecret;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{MakeTlsConnect, NoTls, TlsConnect};
use tokio_postgres::{AsyncMessage, CancelToken, Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::task::TaskTracker;

use super::failure;
use super::settings::Settings;
use super::wire::{Failed, Watched, WatchedTls};
use crate::address::Origin;
use crate::dial::DialError;
use crate::network::Network;
use crate::tls;

/// What a session begins with, whatever the role or the database would have: what statements and values are read by.
/// `RESET ALL` leads back here.
const OPTIONS: &str = "-c timezone=UTC -c datestyle=ISO,MDY -c intervalstyle=postgres -c bytea_output=hex \
    -c extra_float_digits=1 -c standard_conforming_strings=on -c default_transaction_read_only=off \
    -c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=60000";

/// How long telling the server to end a statement may take.
const CANCEL_WITHIN: Duration = Duration::from_secs(5);

/// What a server says beside its answers.
pub(super) type Messages = Pin<Box<dyn Stream<Item = Result<AsyncMessage, Error>> + Send>>;

/// Makes sessions. Cheap to clone.
#[derive(Clone)]
pub(super) struct Dialer {
    network: Network,
    settings: Arc<Settings>,
    config: Config,
    tls: Option<MakeRustlsConnect>,
    tasks: TaskTracker,
}

impl Dialer {
    /// With the secret that the settings name.
    pub(super) fn new(network: &Network, settings: Arc<Settings>, secrets: &Secrets) -> Result<Self, SettingProblem> {
        let password = secrets.iter().find(|(name, _)| *name == settings.secret).map(|(_, value)| value);
        let Some(password) = password else {
            let problem = format!("names the secret `{}`, which has no value here", settings.secret);
            return Err(SettingProblem { key: "credential.secret".into(), problem });
        };
        let tls = match settings.tls {
            false => None,
            true => {
                let config = tls::client(settings.ca.as_deref(), &[])
                    .map_err(|problem| SettingProblem { key: "ca".into(), problem })?;
                Some(MakeRustlsConnect::new((*config).clone()))
            }
        };
        let mut config = Config::new();
        config
            .user(&settings.user)
            .password(password.expose_secret())
            .dbname(&settings.database)
            .application_name("jackfield")
            .options(OPTIONS)
            .ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        Ok(Self { network: network.clone(), settings, config, tls, tasks: TaskTracker::new() })
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A connection to the server, to an address that was checked.
    pub(super) async fn tcp(&self) -> Result<TcpStream, DialError> {
        let (host, port) = (self.settings.host.as_str(), self.settings.port);
        let addresses = self.network.addresses(host, port, Origin::Operator).await?;
        self.network.connect(host, &addresses).await
    }

    /// A session, and what its server says beside its answers: nothing moves unless that is read.
    ///
    /// # Errors
    ///
    /// A [`DialError`] is found among the error's sources.
    pub(super) async fn session(&self) -> Result<(Client, Messages), Error> {
        let within = self.settings.connect_timeout;
        let opening = async {
            let tcp = match self.tcp().await {
                Ok(tcp) => tcp,
                Err(e) => return self.failed(e).await,
            };
            match &self.tls {
                None => opened(&self.config, Watched::new(tcp), NoTls).await,
                Some(tls) => opened(&self.config, tcp, WatchedTls(self.named(tls)?)).await,
            }
        };
        match timeout(within, opening).await {
            Ok(opened) => opened,
            Err(_) => {
                let Settings { host, port, .. } = &*self.settings;
                let seconds = within.as_secs_f32();
                let late = format!("`{host}:{port}` gave no session within {seconds}s (connect_timeout)");
                self.failed(DialError::Failed(late)).await
            }
        }
    }

    /// TLS that insists on the name of the settings.
    fn named(&self, tls: &MakeRustlsConnect) -> Result<impl TlsConnect<TcpStream, Future: Send + 'static, Stream: Send + 'static> + use<>, Error> {
        let mut tls = tls.clone();
        match MakeTlsConnect::<TcpStream>::make_tls_connect(&mut tls, &self.settings.host) {
            Ok(tls) => Ok(tls),
            Err(never) => match never {},
        }
    }

    async fn failed<T>(&self, why: DialError) -> Result<T, Error> {
        let mut config = self.config.clone();
        config.ssl_mode(SslMode::Disable);
        match config.connect_raw(Failed(Some(io::Error::other(why))), NoTls).await {
            Ok(_) => unreachable!("a stream that fails at once opens no session"),
            Err(e) => Err(e),
        }
    }

    /// Tells the server to end what a session does.
    async fn cancel(&self, token: CancelToken) {
        let cancelling = async {
            let Ok(tcp) = self.tcp().await else { return };
            // Told or not: the session is closed besides, which ends it a little later.
            let _ = match &self.tls {
                None => token.cancel_query_raw(tcp, NoTls).await,
                Some(tls) => match self.named(tls) {
                    Ok(tls) => token.cancel_query_raw(tcp, tls).await,
                    Err(e) => Err(e),
                },
            };
        };
        let _ = timeout(CANCEL_WITHIN, cancelling).await;
    }
}

async fn opened<S, T>(config: &Config, stream: S, tls: T) -> Result<(Client, Messages), Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: TlsConnect<S, Stream: Send + 'static>,
{
    let (client, mut connection) = config.connect_raw(stream, tls).await?;
    Ok((client, Box::pin(stream::poll_fn(move |cx| connection.poll_message(cx)))))
}

impl Connect for Dialer {
    fn connect(
        &self,
        _: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + '_>> {
        Box::pin(async move {
            let (client, mut messages) = self.session().await?;
            // Notices may hold data of the statements; nobody reads them.
            let task = self.tasks.spawn(async move { while let Some(Ok(_)) = messages.next().await {} });
            Ok((client, task))
        })
    }
}

/// The sessions of one opened connection. Cheap to clone; they are closed when the last clone goes.
#[derive(Clone)]
pub(super) struct Sessions {
    pool: Pool,
    dialer: Dialer,
}

impl Sessions {
    pub(super) fn new(dialer: Dialer) -> Self {
        // A call cleans the session it is lent in the round trip in which it begins.
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect(dialer.config.clone(), dialer.clone(), config);
        let size = usize::from(dialer.settings.pool);
        let pool = Pool::builder(manager).max_size(size).runtime(Runtime::Tokio1).build();
        Self { pool: pool.expect("a pool with a runtime can be built"), dialer }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.dialer.settings
    }

    /// A session of one's own until it is given back. Nothing was sent in it.
    pub(super) async fn lend(&self, deadline: Instant) -> Result<Lent, Failure> {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeouts = Timeouts { wait: Some(left), create: Some(left), recycle: Some(left) };
        let busy = || {
            let pool = self.settings().pool;
            Failure::NotExecuted(format!("all sessions of the connection were in use for too long (pool = {pool})"))
        };
        match timeout_at(deadline, self.pool.timeout_get(&timeouts)).await {
            Ok(Ok(object)) => Ok(Lent { object: Some(object), dialer: self.dialer.clone() }),
            Ok(Err(PoolError::Backend(e))) => Err(failure::not_opened(&e, self.settings())),
            Ok(Err(PoolError::Timeout(deadpool_postgres::TimeoutType::Wait))) => Err(busy()),
            Ok(Err(PoolError::Timeout(_))) | Err(_) => {
                Err(Failure::NotExecuted("there was no session in time; nothing was sent".into()))
            }
            Ok(Err(e)) => Err(Failure::NotExecuted(format!("there is no session: {e}"))),
        }
    }
}

/// A session that was lent. Unless it is given back, it is closed and the server is told to end what it does in it: so
/// whatever happens to a call, cut short or dropped, it leaves no transaction open.
pub(super) struct Lent {
    object: Option<Object>,
    dialer: Dialer,
}

impl Lent {
    /// For the next call. Only where no transaction is open, or its end is on the way.
    pub(super) fn give_back(mut self) {
        drop(self.object.take());
    }

    /// Whether another call had it before.
    pub(super) fn used(&self) -> bool {
        self.object.as_ref().is_some_and(|object| Object::metrics(object).recycle_count > 0)
    }
}

impl Deref for Lent {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.object.as_ref().expect("it is taken out only when it is given back or dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else { return };
        let token = object.cancel_token();
        let closed = object.is_closed();
        drop(Object::take(object));
        if let (false, Ok(runtime)) = (closed, Handle::try_current()) {
            let dialer = self.dialer.clone();
            let tasks = dialer.tasks.clone();
            tasks.spawn_on(async move { dialer.cancel(token).await }, &runtime);
        }
    }
}
