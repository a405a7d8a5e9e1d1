//! What is said in a session with a mail server, and what its answers mean for a mail.
//!
//! Source: RFC 5321, RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 1870 (SIZE).
//! Not here: whose address may be dialed, and keeping sessions.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jackfield_core::ports::outward::Failure;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::message::Outgoing;
use crate::http::client::Stream;

/// The most bytes of an answer, all its lines together.
const MOST_ANSWER: usize = 64 * 1024;

/// What a server answered.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// Its lines without codes.
    pub(super) lines: Vec<String>,
}

impl Reply {
    /// Its own words, on one line.
    pub(super) fn text(&self) -> String {
        let text: String = self.lines.join(" ").chars().filter(|c| !c.is_control()).take(300).collect();
        format!("{} {text}", self.code).trim_end().to_owned()
    }

    fn is(&self, hundreds: u16) -> bool {
        self.code / 100 == hundreds
    }
}

/// What a server says that it can.
#[derive(Clone, Debug, Default)]
pub(super) struct Offers {
    pub(super) starttls: bool,
    /// The most bytes of a message; none if it does not say.
    pub(super) size: Option<u64>,
    /// Ways to log in, in upper case.
    pub(super) logins: Vec<String>,
}

impl Offers {
    fn of(reply: &Reply) -> Self {
        let mut offers = Self::default();
        // The first line is its name.
        for line in reply.lines.iter().skip(1) {
            let mut words = line.split([' ', '=']).map(str::to_ascii_uppercase);
            match words.next().as_deref() {
                Some("STARTTLS") => offers.starttls = true,
                Some("SIZE") => offers.size = words.next().and_then(|n| n.parse().ok()).filter(|&n| n > 0),
                Some("AUTH") => offers.logins.extend(words),
                _ => {}
            }
        }
        offers
    }
}

/// One session.
pub(super) struct Conversation {
    stream: Stream,
    /// What was read and not used yet.
    buffer: Vec<u8>,
    pub(super) offers: Offers,
}

impl Conversation {
    /// Begins to speak on a connection; the greeting is not read yet.
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, buffer: Vec::new(), offers: Offers::default() }
    }

    /// The connection, to agree on TLS on it.
    ///
    /// # Errors
    ///
    /// The server has said more than it was asked: who put that there is not known.
    pub(super) fn into_stream(self) -> Result<Stream, String> {
        if self.buffer.is_empty() {
            Ok(self.stream)
        } else {
            Err("the server said something between STARTTLS and TLS, which anybody on the way could have put there"
                .into())
        }
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Reads the greeting.
    pub(super) async fn greeting(&mut self) -> Result<(), String> {
        let reply = self.reply().await.map_err(|e| format!("the server did not greet: {e}"))?;
        if reply.is(2) { Ok(()) } else { Err(format!("the server takes nobody now: {}", reply.text())) }
    }

    /// Says who we are, and hears what the server can.
    pub(super) async fn hello(&mut self) -> Result<(), String> {
        let me = match self.stream.local_address() {
            Some(address) if address.is_ipv6() => format!("[IPv6:{}]", address.ip()),
            Some(address) => format!("[{}]", address.ip()),
            None => "[127.0.0.1]".into(),
        };
        let reply = self.say(&format!("EHLO {me}")).await.map_err(|e| format!("no answer to EHLO: {e}"))?;
        if !reply.is(2) {
            return Err(format!("the server refused EHLO: {}", reply.text()));
        }
        self.offers = Offers::of(&reply);
        Ok(())
    }

    /// Asks to speak TLS from now on.
    pub(super) async fn starttls(&mut self) -> Result<(), String> {
        if !self.offers.starttls {
            let way = "nothing was told it. Set `tls` to `tls` if it speaks TLS from the first byte, to `off` only if all \
                       may be read on the way";
            return Err(format!("the server does not offer STARTTLS, so {way}"));
        }
        let reply = self.say("STARTTLS").await.map_err(|e| format!("no answer to STARTTLS: {e}"))?;
        if reply.code == 220 { Ok(()) } else { Err(format!("the server refused STARTTLS: {}", reply.text())) }
    }

    /// Logs in.
    ///
    /// # Errors
    ///
    /// Why not, without the password.
    pub(super) async fn login(&mut self, user: &str, password: &str) -> Result<(), String> {
        let offers = |way: &str| self.offers.logins.iter().any(|offered| offered == way);
        let reply = if offers("PLAIN") {
            let token = STANDARD.encode(format!("\0{user}\0{password}"));
            self.say(&format!("AUTH PLAIN {token}")).await
        } else if offers("LOGIN") {
            self.login_by_steps(user, password).await
        } else {
            let offered = self.offers.logins.join(", ");
            return Err(match offered.as_str() {
                "" => "the server offers no login here: leave `credential` out, or set `tls`".into(),
                offered => format!("the server offers only logins that are not known here: {offered}"),
            });
        };
        let reply = reply.map_err(|e| format!("the session was cut at the login: {e}"))?;
        match reply.code {
            235 => Ok(()),
            400..=499 => Err(format!("the server asks to log in later: {}", reply.text())),
            _ => Err(format!("the server does not take the connection's credential: {}", reply.text())),
        }
    }

    async fn login_by_steps(&mut self, user: &str, password: &str) -> io::Result<Reply> {
        for line in ["AUTH LOGIN".to_owned(), STANDARD.encode(user)] {
            let reply = self.say(&line).await?;
            if reply.code != 334 {
                return Ok(reply);
            }
        }
        self.say(&STANDARD.encode(password)).await
    }

    /// Whether the session can be used for another mail.
    pub(super) async fn is_fresh(&mut self) -> bool {
        // Whatever comes unasked is a farewell.
        self.buffer.is_empty() && self.say("RSET").await.is_ok_and(|reply| reply.is(2))
    }

    /// Ends the session as is polite, and does not wait for the answer.
    pub(super) async fn leave(mut self) {
        let _ = self.stream.write_all(b"QUIT\r\n").await;
        let _ = self.stream.shutdown().await;
    }

    /// Sends a mail. `ended` becomes true before the end of it is written: from then on it may have been taken.
    ///
    /// # Errors
    ///
    /// See [`Failure`]. All recipients get it, or none.
    pub(super) async fn send(&mut self, mail: &Outgoing, ended: &AtomicBool) -> Result<(), Failure> {
        let bytes = on_the_wire(&mail.bytes);
        if let Some(limit) = self.offers.size.filter(|&limit| bytes.len() as u64 > limit) {
            let message =
                format!("the mail has {} bytes as it is sent; the mail server takes at most {limit}", bytes.len());
            return Err(Failure::TooLarge { message, sent: false });
        }
        let size = self.offers.size.map_or_else(String::new, |_| format!(" SIZE={}", bytes.len()));
        self.step(&format!("MAIL FROM:<{}>{size}", mail.from), 2, &mail.from).await?;
        for to in &mail.to {
            self.step(&format!("RCPT TO:<{to}>"), 2, to).await?;
        }
        self.step("DATA", 3, "the mail").await?;
        let cut = |e: &io::Error| Failure::NotExecuted(format!("the session was cut before the end of the mail: {e}"));
        self.stream.write_all(&bytes).await.map_err(|e| cut(&e))?;
        self.stream.flush().await.map_err(|e| cut(&e))?;
        ended.store(true, Ordering::SeqCst);
        let reply = self.say(".").await.map_err(|e| Failure::Broken {
            message: format!("the mail was sent, and no answer came: {e}"),
            timed_out: false,
        })?;
        match reply.is(2) {
            true => Ok(()),
            false => Err(refusal("the mail", &reply)),
        }
    }

    /// Says a line of a mail's transaction; anything but an answer of `hundreds` ends it.
    async fn step(&mut self, line: &str, hundreds: u16, about: &str) -> Result<(), Failure> {
        let reply = self
            .say(line)
            .await
            .map_err(|e| Failure::NotExecuted(format!("the session was cut before the mail was sent: {e}")))?;
        if reply.is(hundreds) {
            return Ok(());
        }
        // The session stays usable if the server agrees; if it does not, the next mail finds out.
        let _ = self.say("RSET").await;
        Err(refusal(about, &reply))
    }

    /// Writes a line, and reads the answer.
    async fn say(&mut self, line: &str) -> io::Result<Reply> {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await?;
        self.stream.flush().await?;
        self.reply().await
    }

    async fn reply(&mut self) -> io::Result<Reply> {
        let mut lines = Vec::new();
        let mut bytes = 0;
        loop {
            let line = self.line(MOST_ANSWER - bytes).await?;
            bytes += line.len();
            let bad = || io::Error::other("it does not speak SMTP");
            let code: u16 = line.get(..3).and_then(|code| code.parse().ok()).ok_or_else(bad)?;
            if !(200..600).contains(&code) {
                return Err(bad());
            }
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            match line.as_bytes().get(3) {
                Some(b'-') => {}
                Some(b' ') | None => return Ok(Reply { code, lines }),
                Some(_) => return Err(bad()),
            }
        }
    }

    /// A line without its end, of at most `most` bytes.
    async fn line(&mut self, most: usize) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
            }
            if self.buffer.len() >= most {
                return Err(io::Error::other(format!("its answer is longer than {MOST_ANSWER} bytes")));
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece).await? {
                0 => return Err(io::Error::other("it closed the connection")),
                n => self.buffer.extend_from_slice(&piece[..n]),
            }
        }
    }
}

/// What an answer that is no yes means.
fn refusal(about: &str, reply: &Reply) -> Failure {
    let message = format!("the mail server refused {about}: {}", reply.text());
    match reply.code {
        500..=599 => Failure::Refused { code: reply.code.to_string(), message },
        _ => Failure::NotExecuted(message),
    }
}

/// A message as it is written: every line ends in CR LF whatever ended it, and a dot that begins one is doubled. So
/// nothing in it can end it.
fn on_the_wire(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 64 + 2);
    let mut begins = true;
    let mut bytes = message.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' | b'\n' => {
                if byte == b'\r' && bytes.peek() == Some(&b'\n') {
                    bytes.next();
                }
                out.extend_from_slice(b"\r\n");
                begins = true;
            }
            _ => {
                if begins && byte == b'.' {
                    out.push(b'.');
                }
                out.push(byte);
                begins = false;
            }
        }
    }
    if !begins {
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_message_ends_it() {
        let wire = |text: &str| String::from_utf8(on_the_wire(text.as_bytes())).unwrap();
        assert_eq!(wire("a\r\n.\r\nb"), "a\r\n..\r\nb\r\n");
        assert_eq!(wire(".a\n.\nb\r.\r\n"), "..a\r\n..\r\nb\r\n..\r\n");
        assert_eq!(wire("a.\r\n"), "a.\r\n");
    }

    #[test]
    fn what_a_server_offers_is_read_from_its_hello() {
        let lines = ["mx.test greets you", "SIZE 1000", "AUTH PLAIN LOGIN", "STARTTLS"].map(str::to_owned).to_vec();
        let offers = Offers::of(&Reply { code: 250, lines });
        assert!(offers.starttls);
        assert_eq!((offers.size, offers.logins), (Some(1000), vec!["PLAIN".to_owned(), "LOGIN".to_owned()]));
    }
}
