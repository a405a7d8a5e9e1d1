//! TLS towards a server that is dialed by its address: its certificate has to name it all the same.
//!
//! The client library would verify a certificate for what it dialed. It dials an address that was checked; so the verifier
//! here is bound to the server's name. (Therefore no server name is sent at the beginning of TLS.)

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::tls;

/// Verifies certificates for one name.
#[derive(Clone, Debug)]
pub(super) struct Verified {
    name: ServerName<'static>,
    /// None where nobody is trusted.
    by: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Verified {
    /// For `host`, by the system's authorities and those in `ca` (PEM text).
    pub(super) fn new(host: &str, ca: Option<&str>) -> Result<Self, String> {
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|_| format!("`{host}` is no name a certificate can hold"))?;
        let (provider, roots) = (tls::provider(), tls::roots(ca)?);
        // Fails if there are no authorities at all; without TLS that is no harm.
        let by = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().ok();
        Ok(Self { name, by, provider })
    }

    /// A client's configuration.
    pub(super) fn config(&self) -> ClientConfig {
        ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .expect("the provider speaks TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(self.clone()))
            .with_no_client_auth()
    }

    fn by(&self) -> Result<&WebPkiServerVerifier, Error> {
        let nobody = || Error::General("nobody is trusted: the system has no certificate authorities; set `ca`".into());
        self.by.as_deref().ok_or_else(nobody)
    }

    /// Says which way is out, if `error` is about a certificate.
    pub(super) fn explain(&self, error: &str) -> String {
        if error.contains("UnknownIssuer") {
            format!("{error}: the certificate is signed by nobody who is trusted; set `ca` to its authority")
        } else if error.contains("NotValidForName") || error.contains("not valid for name") {
            format!("{error}: write the server's name as its certificate has it")
        } else {
            error.to_owned()
        }
    }
}

impl ServerCertVerifier for Verified {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _dialed: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.by()?.verify_server_cert(end_entity, intermediates, &self.name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by()?.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by()?.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
