//! Mail.

use crate::bindings::jackfield::plugin::email as host;
use crate::error::{Error, ErrorKind, Result};

/// Mail through mail connections of the manifest.
///
/// A mail that was sent is not sent again by a run that is tried again.
///
/// ```no_run
/// # fn example(cx: jackfield::Context, pdf: Vec<u8>) -> jackfield::Result<()> {
/// use jackfield::{Attachment, Mail};
///
/// let mail = Mail::new("Your invoice")
///     .to("Zoë <zoe@example.com>")
///     .text("Please find it attached.")
///     .attach(Attachment::new("7.pdf", "application/pdf", pdf));
/// cx.email.send("mail", mail)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Email {}

impl Email {
    /// Hands a mail to the server and returns its message id. That the server took it does not mean that it arrives.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AccessDenied`] if the manifest does not grant the sender or a recipient, [`ErrorKind::Invalid`] if an
    /// address or a header is none, [`ErrorKind::Refused`] if the server refused the mail for good,
    /// [`ErrorKind::TooLarge`] if it is larger than 8 MiB (unless the manifest says otherwise), [`ErrorKind::InDoubt`] if
    /// the server's answer is missing.
    #[track_caller]
    pub fn send(&self, connection: &str, mail: Mail) -> Result<String> {
        host::send(connection, &mail.0).map_err(failed)
    }
}

/// A mail to be. Addresses are `jane@example.com` or `Jane Doe <jane@example.com>`.
#[derive(Debug)]
#[must_use = "a mail is not sent before `Email::send`"]
pub struct Mail(host::Mail);

impl Mail {
    /// A mail with this subject.
    pub fn new(subject: impl Into<String>) -> Self {
        Self(host::Mail {
            sender: None,
            to: Vec::new(),
            cc: Vec::new(),
            bcc: Vec::new(),
            reply_to: Vec::new(),
            subject: subject.into(),
            text: None,
            html: None,
            headers: Vec::new(),
            attachments: Vec::new(),
        })
    }

    /// Sets the sender; otherwise it is the connection's.
    pub fn sender(mut self, address: impl Into<String>) -> Self {
        self.0.sender = Some(address.into());
        self
    }

    /// Adds a recipient.
    pub fn to(mut self, address: impl Into<String>) -> Self {
        self.0.to.push(address.into());
        self
    }

    /// Adds a recipient of a copy.
    pub fn cc(mut self, address: impl Into<String>) -> Self {
        self.0.cc.push(address.into());
        self
    }

    /// Adds a recipient that the others do not see.
    pub fn bcc(mut self, address: impl Into<String>) -> Self {
        self.0.bcc.push(address.into());
        self
    }

    /// Adds an address that answers go to.
    pub fn reply_to(mut self, address: impl Into<String>) -> Self {
        self.0.reply_to.push(address.into());
        self
    }

    /// Sets the text. A mail has a text, an HTML, or both: then the reader chooses.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.0.text = Some(text.into());
        self
    }

    /// Sets the HTML.
    pub fn html(mut self, html: impl Into<String>) -> Self {
        self.0.html = Some(html.into());
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.headers.push((name.into(), value.into()));
        self
    }

    /// Adds an attachment.
    pub fn attach(mut self, attachment: Attachment) -> Self {
        self.0.attachments.push(attachment.0);
        self
    }
}

/// A file that goes with a mail.
#[derive(Debug)]
#[must_use = "an attachment goes with a mail: `Mail::attach`"]
pub struct Attachment(host::Attachment);

impl Attachment {
    /// A file of this name and media type.
    pub fn new(name: impl Into<String>, content_type: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
        Self(host::Attachment {
            name: name.into(),
            content_type: content_type.into(),
            content_id: None,
            data: data.into(),
        })
    }

    /// Sets what the HTML refers to it by: `<img src="cid:logo">` shows the image whose id is `logo`.
    pub fn content_id(mut self, id: impl Into<String>) -> Self {
        self.0.content_id = Some(id.into());
        self
    }
}

#[track_caller]
fn failed(error: host::Error) -> Error {
    let (kind, text) = match error {
        host::Error::AccessDenied(text) => (ErrorKind::AccessDenied, text),
        host::Error::Invalid(text) => (ErrorKind::Invalid, text),
        host::Error::Refused(text) => (ErrorKind::Refused, text),
        host::Error::Unavailable(text) => (ErrorKind::Unavailable, text),
        host::Error::TooLarge(text) => (ErrorKind::TooLarge, text),
        host::Error::InDoubt(text) => (ErrorKind::InDoubt, text),
    };
    Error::of(kind, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_says_what_it_is_told() {
        let logo = Attachment::new("logo.png", "image/png", vec![0, 255]).content_id("logo");
        let Mail(mail) = Mail::new("Grüße \u{2603}")
            .sender("Shop <shop@example.com>")
            .to("a@example.com")
            .to("b@example.com")
            .cc("c@example.com")
            .bcc("d@example.com")
            .reply_to("e@example.com")
            .text("text")
            .html("<p>html</p>")
            .header("x-order", "7")
            .attach(logo);
        assert_eq!(
            (mail.subject.as_str(), mail.sender.as_deref()),
            ("Grüße \u{2603}", Some("Shop <shop@example.com>"))
        );
        assert_eq!(mail.to, ["a@example.com", "b@example.com"]);
        assert_eq!([&mail.cc[0], &mail.bcc[0], &mail.reply_to[0]], ["c@example.com", "d@example.com", "e@example.com"]);
        assert_eq!((mail.text.as_deref(), mail.html.as_deref()), (Some("text"), Some("<p>html</p>")));
        assert_eq!(mail.headers, [("x-order".to_owned(), "7".to_owned())]);
        let file = &mail.attachments[0];
        assert_eq!((file.name.as_str(), file.content_type.as_str()), ("logo.png", "image/png"));
        assert_eq!((file.content_id.as_deref(), &file.data[..]), (Some("logo"), &[0, 255][..]));
    }

    #[test]
    fn every_refusal_keeps_its_kind() {
        assert!(!failed(host::Error::Refused("550".into())).is_retryable());
        assert!(failed(host::Error::Unavailable("421".into())).is_retryable());
        assert_eq!(failed(host::Error::InDoubt("x".into())).kind(), ErrorKind::InDoubt);
    }
}
