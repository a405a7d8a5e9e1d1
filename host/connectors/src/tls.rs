//! TLS towards outside systems: which authorities are trusted.
//!
//! Not here: certificates of our own listeners.

use std::sync::{Arc, OnceLock};

use jackfield_core::clock::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The protocols an http client offers, the one it prefers first.
pub(crate) const HTTP: &[&[u8]] = &[b"h2", b"http/1.1"];

/// A client's configuration that trusts the system's authorities and those in `extra` (PEM text).
///
/// # Errors
///
/// `extra` is no list of certificates.
pub(crate) fn client(extra: Option<&str>, protocols: &[&[u8]]) -> Result<Arc<ClientConfig>, String> {
    configuration(extra, protocols, None)
}

/// The same, and shows `identity` to servers that ask for a certificate.
///
/// # Errors
///
/// `extra` is no list of certificates, or the identity's key is not that of its certificate.
pub(crate) fn client_as(
    extra: Option<&str>,
    protocols: &[&[u8]],
    identity: Identity,
) -> Result<Arc<ClientConfig>, String> {
    configuration(extra, protocols, Some(identity))
}

/// A certificate with its chain, and its key.
pub(crate) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads both as PEM text.
    ///
    /// # Errors
    ///
    /// What cannot be read; never the key itself.
    pub(crate) fn read(certificate: &str, key: &str) -> Result<Self, String> {
        let chain = certificates(certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| {
            "the key is no PEM text of a private key, `-----BEGIN PRIVATE KEY-----` and so on".to_owned()
        })?;
        Ok(Self { chain, key })
    }
}

fn configuration(
    extra: Option<&str>,
    protocols: &[&[u8]],
    identity: Option<Identity>,
) -> Result<Arc<ClientConfig>, String> {
    let roots = roots(extra)?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots);
    let mut config = match identity {
        None => config.with_no_client_auth(),
        Some(Identity { chain, key }) => config
            .with_client_auth_cert(chain, key)
            .map_err(|e| format!("the certificate and the key cannot be used together: {e}"))?,
    };
    config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
    Ok(Arc::new(config))
}

/// Reads PEM text with at least one certificate.
pub(crate) fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err("holds no certificate; give PEM text, `-----BEGIN CERTIFICATE-----` and so on".into())
        }
        Ok(found) => Ok(found),
        Err(e) => Err(format!("cannot be read as PEM text: {e}")),
    }
}

/// The process's provider; the binary installs one first of all.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

/// The system's authorities and those in `extra` (PEM text).
///
/// # Errors
///
/// `extra` is no list of certificates.
pub(crate) fn roots(extra: Option<&str>) -> Result<RootCertStore, String> {
    static SYSTEM: OnceLock<RootCertStore> = OnceLock::new();
    let system = SYSTEM.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let (added, _ignored) = roots.add_parsable_certificates(system_certificates().iter().cloned());
        if added == 0 {
            tracing::warn!("the system has no certificate authorities: https works only with `ca` set");
        }
        roots
    });
    let mut roots = system.clone();
    for certificate in extra.map(certificates).transpose()?.unwrap_or_default() {
        roots.add(certificate).map_err(|e| format!("a certificate cannot be used as an authority: {e}"))?;
    }
    Ok(roots)
}

/// The certificates of the system's authorities. Read once: it is a few hundred files on some systems.
pub(crate) fn system_certificates() -> &'static [CertificateDer<'static>] {
    static FOUND: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "cannot read some of the system's certificate authorities");
        }
        found.certs
    })
}

/// When a certificate ends; none if it cannot be read.
///
/// Walks just far enough into the DER: the validity is the second sequence of the certificate's
/// body after its signature algorithm. Source: RFC 5280, section 4.1.
pub(crate) fn not_after(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    const UTC_TIME: u8 = 0x17;
    let (_, outer, _) = element(certificate)?;
    let (_, mut rest, _) = element(outer)?;
    if rest.first() == Some(&VERSION) {
        rest = element(rest)?.2;
    }
    rest = element(rest)?.2; // serial number
    rest = element(rest)?.2; // signature algorithm
    rest = element(rest)?.2; // issuer
    let (tag, validity, _) = element(rest)?;
    if tag != SEQUENCE {
        return None;
    }
    let (_, _, ends) = element(validity)?;
    let (tag, text, _) = element(ends)?;
    let text = std::str::from_utf8(text).ok()?;
    let full = match (tag, text.as_bytes().first()?) {
        // Two digits of a year: 50 and above are of the last century.
        (UTC_TIME, b'5'..=b'9') => format!("19{text}"),
        (UTC_TIME, _) => format!("20{text}"),
        _ => text.to_owned(),
    };
    let part = |from: usize, to: usize| full.get(from..to);
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    Timestamp::parse(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z")).ok()
}

/// The first element of DER: its tag, what it holds, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let bytes = usize::from(first & 0x7f);
        let (length, rest) = rest.split_at_checked(bytes)?;
        if bytes > 4 {
            return None;
        }
        (length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte)), rest)
    };
    let (inside, after) = rest.split_at_checked(length)?;
    Some((tag, inside, after))
}
