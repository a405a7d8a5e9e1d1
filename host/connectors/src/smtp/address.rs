//! Addresses of mails: read once, and from then on in the form that is put on the wire.
//!
//! Not here: who may be written to; the hatch asked the grant.

use lettre::Address;
use lettre::message::Mailbox;
use url::Host;

/// The most bytes of an address. Source: RFC 5321, section 4.5.3.1.3, less the brackets.
const MOST_BYTES: usize = 254;
/// The most bytes of a name that goes with an address.
const MOST_NAME_BYTES: usize = 512;

/// Reads `jane@example.com` or `Jane Doe <jane@example.com>`. The domain comes out in lower case, and in its ASCII form.
///
/// # Errors
///
/// It is no address; why, and what would be.
pub(super) fn mailbox(text: &str) -> Result<Mailbox, String> {
    let shown = || text.chars().filter(|c| !c.is_control()).take(100).collect::<String>();
    let wrong = |why: &str| format!("`{}` {why}; write `jane@example.com` or `Jane Doe <jane@example.com>`", shown());
    if text.chars().any(char::is_control) {
        return Err(wrong("holds a line break or another control character"));
    }
    let text = text.trim();
    let (name, address) = match text.strip_suffix('>') {
        None => (None, text),
        Some(rest) => match rest.rsplit_once('<') {
            None => return Err(wrong("has a `>` without a `<`")),
            Some((name, address)) => (Some(name.trim()), address.trim()),
        },
    };
    let Some((user, domain)) = address.rsplit_once('@') else { return Err(wrong("has no `@`")) };
    if !user.is_ascii() {
        return Err(wrong("has letters before the `@` that not every mail server takes: ASCII alone"));
    }
    // Dots and atoms: the forms in quotes mean different things to different servers.
    if user.is_empty() || user.contains(|c: char| c.is_whitespace() || "\"\\<>()[],:;@".contains(c)) {
        return Err(wrong("has characters before the `@` that need quotes"));
    }
    let domain = match Host::parse(domain) {
        Ok(Host::Domain(domain)) if !domain.ends_with('.') => domain,
        _ => return Err(wrong("has no domain behind the `@`")),
    };
    if user.len() + 1 + domain.len() > MOST_BYTES {
        return Err(wrong("is too long"));
    }
    let address = Address::new(user, &domain).map_err(|e| wrong(&format!("is no address ({e})")))?;
    let quoted = name.is_some_and(|name| name.len() > 1 && name.starts_with('"') && name.ends_with('"'));
    if !quoted && name.is_some_and(|name| name.contains(['<', '>', '"', ',', ';'])) {
        return Err(wrong("has a name that needs quotes around it"));
    }
    let name = name.map(unquoted).filter(|name| !name.is_empty());
    if name.as_ref().is_some_and(|name| name.len() > MOST_NAME_BYTES) {
        return Err(wrong("has too long a name"));
    }
    Ok(Mailbox::new(name, address))
}

/// A name without the quotes around it, and what is escaped in them.
fn unquoted(name: &str) -> String {
    let Some(inside) = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return name.to_owned() };
    let mut out = String::with_capacity(inside.len());
    let mut escaped = false;
    for c in inside.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            out.push(c);
            escaped = false;
        }
    }
    out
}
