//! Sessions with the mail server: made when they are needed, kept for the next mail, at most so many at once.
//!
//! Not here: what is said in them about a mail (`conversation.rs`).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jackfield_core::ports::outward::Failure;
use jackfield_core::redact::Redactor;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::conversation::Conversation;
use super::settings::Security;
use crate::dial::DialError;
use crate::http::client::{Dialer, Stream};

/// A session that was not used so long is left: many servers have closed it by then.
const IDLE: Duration = Duration::from_secs(30);

/// Who logs in.
pub(super) struct Credential {
    pub(super) user: String,
    pub(super) secret: String,
    pub(super) password: SecretString,
}

/// See the module.
pub(super) struct Sessions {
    pub(super) dialer: Dialer,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    pub(super) credential: Option<Credential>,
    pub(super) redactor: Redactor,
    places: Semaphore,
    kept: Mutex<Vec<(Instant, Conversation)>>,
}

/// How far the making of a session came, for a connection test.
pub(super) enum Step {
    Connected,
    Secured,
    LoggedIn,
}

impl Sessions {
    /// At most `most` at once; nothing is connected yet.
    pub(super) fn new(
        dialer: Dialer,
        (host, port): (String, u16),
        security: Security,
        credential: Option<Credential>,
        most: u16,
    ) -> Self {
        let redactor = Redactor::new(credential.iter().map(|credential| credential.password.expose_secret()));
        let (places, kept) = (Semaphore::new(usize::from(most)), Mutex::default());
        Self { dialer, host, port, security, credential, redactor, places, kept }
    }

    /// A place for a session; waits for one.
    pub(super) async fn place(&self) -> SemaphorePermit<'_> {
        self.places.acquire().await.expect("it is never closed")
    }

    /// A kept session that still answers, or a new one.
    pub(super) async fn get(&self) -> Result<Conversation, Failure> {
        loop {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match kept {
                None => return self.make(&mut |_, _| {}).await,
                Some((since, conversation)) if since.elapsed() > IDLE => conversation.leave().await,
                Some((_, mut conversation)) => {
                    if conversation.is_fresh().await {
                        return Ok(conversation);
                    }
                }
            }
        }
    }

    /// Keeps a session for the next mail.
    pub(super) fn keep(&self, conversation: Conversation) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), conversation));
    }

    /// Makes a session, and tells of each step.
    pub(super) async fn make(&self, told: &mut (dyn FnMut(Step, &Stream) + Send)) -> Result<Conversation, Failure> {
        let (host, port) = (self.host.as_str(), self.port);
        let at_once = self.security == Security::Tls;
        let stream = self.dialer.dial(host, port, at_once).await.map_err(not_dialed)?;
        told(Step::Connected, &stream);
        if at_once {
            told(Step::Secured, &stream);
        }
        let limit = self.dialer.timeout.saturating_mul(3);
        let agreed = tokio::time::timeout(limit, self.agree(stream, told)).await;
        agreed.unwrap_or_else(|_| {
            let within = limit.as_secs_f32();
            Err(Failure::NotExecuted(format!("`{host}:{port}` did not agree on a session within {within}s")))
        })
    }

    async fn agree(
        &self,
        stream: Stream,
        told: &mut (dyn FnMut(Step, &Stream) + Send),
    ) -> Result<Conversation, Failure> {
        let failed = |why: String| Failure::NotExecuted(format!("`{}:{}`: {}", self.host, self.port, self.clean(&why)));
        let mut conversation = Conversation::new(stream);
        conversation.greeting().await.map_err(failed)?;
        conversation.hello().await.map_err(failed)?;
        if self.security == Security::StartTls {
            conversation.starttls().await.map_err(failed)?;
            let Stream::Plain(tcp) = conversation.into_stream().map_err(failed)? else {
                return Err(failed("it speaks TLS already".into()));
            };
            let secured = self.dialer.shake_hands(&self.host, self.port, tcp).await.map_err(not_dialed)?;
            told(Step::Secured, &secured);
            conversation = Conversation::new(secured);
            conversation.hello().await.map_err(failed)?;
        }
        if let Some(credential) = &self.credential {
            let password = credential.password.expose_secret();
            conversation
                .login(&credential.user, password)
                .await
                .map_err(|why| failed(format!("{why} (user `{}`, secret `{}`)", credential.user, credential.secret)))?;
            told(Step::LoggedIn, conversation.stream());
        }
        Ok(conversation)
    }

    /// A server's words without the password, should it send that back.
    pub(super) fn clean(&self, text: &str) -> String {
        self.redactor.text(text).into_owned()
    }
}

fn not_dialed(error: DialError) -> Failure {
    match error {
        DialError::Denied(text) => Failure::Denied(text),
        DialError::Failed(text) => Failure::NotExecuted(text),
    }
}
