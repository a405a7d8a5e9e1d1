//! The hatch's mail: sizes, who may be written to, and in whose name.

use std::sync::Arc;
use std::time::Duration;

use super::outward::{Asked, Exchange, NotMade, Sent, told};
use super::{Hatch, On, Stop, encode_answer};
use crate::grant::{Capability, EmailGrant};
use crate::ids::{ConnectionName, shown as printable};
use crate::journal::{ArgumentHash, Class, What};
use crate::limits::EMAIL_RECIPIENTS;
use crate::pace::Gate;
use crate::ports::email::{Email, EmailAnswer, EmailError, Mail};
use crate::ports::outward::{Failure, Sending};

impl Hatch {
    /// Sends a mail, or hands over the recorded answer. It runs in a task of its own, and is recorded even if this
    /// future is dropped.
    ///
    /// # Errors
    ///
    /// The attempt must end.
    pub async fn email(self: &Arc<Self>, call: u32, connection: String, mail: Mail) -> Result<EmailAnswer, Stop> {
        let hatch = Arc::clone(self);
        self.in_a_task(async move { hatch.email_call(call, &connection, mail).await }).await
    }

    async fn email_call(&self, call: u32, connection: &str, mail: Mail) -> Result<EmailAnswer, Stop> {
        let what = What { capability: Capability::Email, text: label(connection, &mail) };
        let (port, gate) = match self.check_email(connection, &mail) {
            Ok(checked) => checked,
            Err(refused) => {
                if let EmailError::AccessDenied(text) = &refused {
                    self.refuse(call, Capability::Email, &what.text, text);
                }
                return Ok(Err(refused));
            }
        };
        let encoded = encode_answer(&On { connection, call: &mail });
        let hash = ArgumentHash::of([encoded.as_slice()]);
        let exchange = EmailExchange { port, gate, what, mail };
        self.carry_out(call, Asked { hash, class: Class::Unkeyed, request: || encoded }, &exchange).await
    }

    #[expect(clippy::type_complexity, reason = "the two things its one caller takes apart at once")]
    fn check_email(&self, connection: &str, mail: &Mail) -> Result<(Arc<dyn Email>, Option<Arc<Gate>>), EmailError> {
        let first = mail.recipients().next().map_or("@example.com", |first| first);
        let line = |key: &str, who: &str| {
            let who = printable(who);
            let recipients = if key == "recipients" { format!("[\"{who}\"]") } else { "[\"*\"]".into() };
            let senders = if key == "senders" { format!(", senders = [\"{who}\"]") } else { String::new() };
            let connection = printable(connection);
            EmailError::AccessDenied(format!(
                "email = [{{ connection = \"{connection}\", recipients = {recipients}{senders} }}]"
            ))
        };
        let not_granted = || line("recipients", first);
        let name: ConnectionName = connection.parse().map_err(|_| not_granted())?;
        let grants: Vec<&EmailGrant> = self.grants.email.iter().filter(|grant| grant.connection == name).collect();
        let found = self.port(&name, "mail", |opened| opened.email.clone()).filter(|_| !grants.is_empty());
        let Some((port, linked)) = found else { return Err(not_granted()) };
        let port = port.map_err(EmailError::Unavailable)?;
        let bytes = size(mail);
        if bytes > self.limits.email_bytes {
            let limit = self.limits.email_bytes;
            return Err(EmailError::TooLarge(format!(
                "the mail has {bytes} bytes; the limit is {limit} (limits.email)"
            )));
        }
        let recipients = mail.recipients().count();
        if !(1..=EMAIL_RECIPIENTS).contains(&recipients) {
            let text = format!("a mail goes to 1 to {EMAIL_RECIPIENTS} recipients; this one to {recipients}");
            return Err(EmailError::Invalid(text));
        }
        if mail.text.is_none() && mail.html.is_none() {
            return Err(EmailError::Invalid("the mail has neither `text` nor `html`".into()));
        }
        let address = |text: &str| port.address(text).map_err(EmailError::Invalid);
        for recipient in mail.recipients() {
            let to = address(recipient)?;
            if !grants.iter().any(|grant| grant.recipients.iter().any(|allowed| allowed.matches(&to))) {
                return Err(line("recipients", &to));
            }
        }
        if let Some(sender) = &mail.sender {
            let from = address(sender)?;
            let own = port.sender() == Some(from.as_str());
            if !own && !grants.iter().any(|grant| grant.senders.iter().any(|allowed| allowed.matches(&from))) {
                return Err(line("senders", &from));
            }
        } else if port.sender().is_none() {
            let text = "the mail names no sender, and the connection has none: set `sender` on one of them";
            return Err(EmailError::Invalid(text.into()));
        }
        Ok((port, linked.gate.clone()))
    }
}

struct EmailExchange {
    port: Arc<dyn Email>,
    gate: Option<Arc<Gate>>,
    what: What,
    mail: Mail,
}

impl Exchange for EmailExchange {
    type Answer = EmailAnswer;

    fn what(&self) -> &What {
        &self.what
    }

    fn gate(&self) -> Option<&Arc<Gate>> {
        self.gate.as_ref()
    }

    fn timeout(&self) -> Duration {
        self.port.timeout()
    }

    fn sent_bytes(&self) -> u64 {
        size(&self.mail)
    }

    fn most(&self) -> (u64, u32) {
        (0, 0)
    }

    async fn class(&self, _: Duration) -> Result<Class, Failure> {
        Ok(Class::Unkeyed)
    }

    async fn send(&self, with: Sending, _: Class) -> Sent<EmailAnswer> {
        told(self.port.send(&self.mail, &with).await, |_| 0, error)
    }

    fn not_made(&self, why: NotMade) -> EmailAnswer {
        Err(match why {
            NotMade::Interrupted => {
                EmailError::InDoubt("it was sent, and the host was interrupted before the answer came".into())
            }
            NotMade::Failed(failure) => error(failure),
        })
    }

    fn shown(answer: &EmailAnswer) -> String {
        match answer {
            Ok(_) => "accepted".into(),
            Err(EmailError::AccessDenied(_)) => "access-denied".into(),
            Err(EmailError::Invalid(_)) => "invalid".into(),
            Err(EmailError::Refused(_)) => "refused".into(),
            Err(EmailError::Unavailable(_)) => "unavailable".into(),
            Err(EmailError::TooLarge(_)) => "too large".into(),
            Err(EmailError::InDoubt(_)) => "in doubt".into(),
        }
    }

    fn is_ok(answer: &EmailAnswer) -> bool {
        answer.is_ok()
    }
}

fn error(failure: Failure) -> EmailError {
    match failure {
        Failure::Invalid(text) => EmailError::Invalid(text),
        Failure::Refused { message, .. } | Failure::Conflict(message) => EmailError::Refused(message),
        Failure::Denied(text) | Failure::NotExecuted(text) => EmailError::Unavailable(text),
        Failure::Broken { message, .. } => EmailError::InDoubt(message),
        Failure::TooLarge { message, .. } => EmailError::TooLarge(message),
    }
}

fn size(mail: &Mail) -> u64 {
    let texts = [&mail.text, &mail.html].into_iter().flatten().map(String::len).sum::<usize>();
    let headers = mail.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    let files = mail.attachments.iter().map(|file| file.data.len() + file.name.len()).sum::<usize>();
    let people = mail.recipients().chain(mail.reply_to.iter().map(String::as_str)).map(str::len).sum::<usize>();
    (texts + headers + files + people + mail.subject.len()) as u64
}

/// `send mail 2 recipients`: not who they are, which is nobody else's business.
fn label(connection: &str, mail: &Mail) -> String {
    let recipients = mail.recipients().count();
    let word = if recipients == 1 { "recipient" } else { "recipients" };
    format!("send {} {recipients} {word}", printable(connection))
}
