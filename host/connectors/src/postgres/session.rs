//! Sessions: how one is made through the host's network, the pool of them, and how one is lent for a call.
//!
//! Not here: what a call does with one (`call.rs`), and what a failure means (`failure.rs`).

use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use jackfield_core::ports::connector::{Secrets, SettingProblem};
use jackfield_core::ports::outward::Failure;
use secrecy::ExposeSecret;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{MakeTlsConnect, NoTls, TlsConnect};
use tokio_postgres::{AsyncMessage, CancelToken, Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::task::TaskTracker;

use super::call::started;
use super::failure::{self, NotOpened, Stage};
use super::settings::Settings;
use super::wire::{Oversized, Watched, WatchedTls};
use crate::address::Origin;
use crate::dial::DialError;
use crate::network::Network;
use crate::tls;

/// What a session begins with, whatever the role or the database would have: what statements and values are read by.
/// `RESET ALL` leads back here.
const OPTIONS: &str = "-c timezone=UTC -c datestyle=ISO,MDY -c intervalstyle=postgres -c bytea_output=hex \
    -c extra_float_digits=1 -c standard_conforming_strings=on -c default_transaction_read_only=off \
    -c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=60000";

/// Takes back whatever a call, by a function or a trigger that it had run, may have left in its session. The same as
/// `DISCARD ALL`, but for the statements that the client library keeps for itself.
const CLEAN: &str = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; \
    SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES";

/// Sessions that nobody used for so long are closed.
const IDLE: Duration = Duration::from_secs(600);

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

    /// A session, and what its server says beside its answers: nothing moves unless that is read. `oversized` is filled when
    /// it is closed for a message that is too large.
    pub(super) async fn session(&self, oversized: &Seen) -> Result<(Client, Messages), NotOpened> {
        let within = self.settings.connect_timeout;
        let opening = async {
            let tcp = self.tcp().await?;
            let opened = match &self.tls {
                None => opened(&self.config, Watched::new(tcp, oversized), NoTls).await,
                Some(tls) => opened(&self.config, tcp, WatchedTls::new(self.named(tls), oversized)).await,
            };
            opened.map_err(NotOpened::Server)
        };
        match timeout(within, opening).await {
            Ok(opened) => opened,
            Err(_) => {
                let Settings { host, port, .. } = &*self.settings;
                let seconds = within.as_secs_f32();
                let late = format!("`{host}:{port}` gave no session within {seconds}s (connect_timeout)");
                Err(DialError::Failed(late).into())
            }
        }
    }

    /// TLS that insists on the name of the settings.
    fn named(&self, tls: &MakeRustlsConnect) -> impl TlsConnect<TcpStream, Future: Send, Stream: Send> + use<> {
        let mut tls = tls.clone();
        match MakeTlsConnect::<TcpStream>::make_tls_connect(&mut tls, &self.settings.host) {
            Ok(tls) => tls,
            Err(never) => match never {},
        }
    }

    /// Tells the server to end what a session does.
    async fn cancel(&self, token: CancelToken) {
        let cancelling = async {
            let Ok(tcp) = self.tcp().await else { return };
            // Told or not: the session is closed besides, which ends it a little later.
            let _ = match &self.tls {
                None => token.cancel_query_raw(tcp, NoTls).await,
                Some(tls) => token.cancel_query_raw(tcp, self.named(tls)).await,
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

/// A message that closed its session.
pub(super) type Seen = Arc<OnceLock<Oversized>>;

/// A session, as it is kept.
struct Session {
    client: Arc<Client>,
    /// What was sent to clean it, after the last call.
    cleaning: JoinSet<Result<(), Error>>,
    /// Cleaning failed.
    unclean: bool,
    /// Whether a call had it.
    used: bool,
    /// Since when nobody has it.
    since: Instant,
    oversized: Seen,
    /// Keeps it going; the session is closed with it.
    _going: JoinSet<()>,
}

/// The sessions of one opened connection. Cheap to clone; they are closed when the last clone goes.
#[derive(Clone)]
pub(super) struct Sessions {
    dialer: Dialer,
    idle: Arc<Mutex<Vec<Session>>>,
    free: Arc<Semaphore>,
}

impl Sessions {
    pub(super) fn new(dialer: Dialer) -> Self {
        let free = Arc::new(Semaphore::new(usize::from(dialer.settings.pool)));
        Self { dialer, idle: Arc::default(), free }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.dialer.settings
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session of one's own until it is given back. Nothing was sent in it.
    pub(super) async fn lend(&self, deadline: Instant) -> Result<Lent, Failure> {
        let Ok(Ok(permit)) = timeout_at(deadline, Arc::clone(&self.free).acquire_owned()).await else {
            let pool = self.settings().pool;
            let busy = format!("all sessions of the connection were in use for too long (pool = {pool})");
            return Err(Failure::NotExecuted(busy));
        };
        let kept = {
            let mut idle = self.idle();
            idle.retain(|session| !session.client.is_closed() && session.since.elapsed() < IDLE);
            idle.pop()
        };
        let session = match kept {
            Some(session) => session,
            None => match timeout_at(deadline, self.made()).await {
                Ok(made) => made.map_err(|e| failure::not_opened(&e, self.settings()))?,
                Err(_) => return Err(Failure::NotExecuted("there was no session in time; nothing was sent".into())),
            },
        };
        Ok(Lent { session: Some(session), sessions: self.clone(), _permit: permit })
    }

    async fn made(&self) -> Result<Session, NotOpened> {
        let oversized = Seen::default();
        let (client, mut messages) = self.dialer.session(&oversized).await?;
        let mut going = JoinSet::new();
        // Notices may hold data of the statements; nobody reads them.
        going.spawn(async move { while let Some(Ok(_)) = messages.next().await {} });
        let client = Arc::new(client);
        Ok(Session {
            client,
            cleaning: JoinSet::new(),
            unclean: false,
            used: false,
            since: Instant::now(),
            oversized,
            _going: going,
        })
    }
}

/// A session that was lent. Unless it is given back, it is closed and the server is told to end what it does in it: so
/// whatever happens to a call, cut short or dropped, it leaves no transaction open.
pub(super) struct Lent {
    session: Option<Session>,
    sessions: Sessions,
    _permit: OwnedSemaphorePermit,
}

impl Lent {
    /// For the next call. Only where no transaction is open.
    pub(super) fn give_back(self) {
        self.end_with(CLEAN.to_owned());
    }

    /// Ends the transaction, and gives the session back.
    pub(super) fn undo(self) {
        self.end_with(format!("ROLLBACK; {CLEAN}"));
    }

    /// Sends what ends the call, and does not wait for it: whoever has the session next is behind that.
    fn end_with(mut self, last: String) {
        let Some(mut session) = self.session.take().filter(|session| !session.client.is_closed()) else { return };
        let client = Arc::clone(&session.client);
        let sent = started(async move { client.batch_execute(&last).await });
        session.cleaning.spawn(sent.answer());
        self.sessions.idle().push(Session { used: true, since: Instant::now(), ..session });
    }

    /// Waits until what the last call left is taken back.
    ///
    /// # Errors
    ///
    /// It was not: then nothing may be done in the session.
    pub(super) async fn cleaned(&mut self) -> Result<(), Error> {
        let Some(session) = &mut self.session else { return Ok(()) };
        while let Some(Ok(cleaned)) = session.cleaning.join_next().await {
            session.unclean |= cleaned.is_err();
            cleaned?;
        }
        Ok(())
    }

    /// Whether [`Lent::cleaned`] failed.
    pub(super) fn is_unclean(&self) -> bool {
        self.session().unclean
    }

    /// The session's client, to be used while it is lent.
    pub(super) fn client(&self) -> Arc<Client> {
        Arc::clone(&self.session().client)
    }

    fn session(&self) -> &Session {
        self.session.as_ref().expect("it is taken out only when it is given back or dropped")
    }

    /// Whether another call had it before.
    pub(super) fn used(&self) -> bool {
        self.session().used
    }

    /// What a failure in it means for a call that had come to `stage`.
    pub(super) fn failed(&self, error: &Error, stage: Stage) -> Failure {
        match self.session().oversized.get() {
            Some(message) => Failure::TooLarge { message: message.to_string(), sent: stage == Stage::Committing },
            None => failure::failure(error, stage),
        }
    }
}

impl Deref for Lent {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.session().client
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else { return };
        let token = session.client.cancel_token();
        let closed = session.client.is_closed();
        drop(session);
        if let (false, Ok(runtime)) = (closed, Handle::try_current()) {
            let dialer = self.sessions.dialer.clone();
            let tasks = dialer.tasks.clone();
            tasks.spawn_on(async move { dialer.cancel(token).await }, &runtime);
        }
    }
}
