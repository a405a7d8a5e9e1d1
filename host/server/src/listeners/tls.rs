//! TLS for a listener: its certificate and key, read once at start.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::ListenError;
use crate::config::Tls;

pub(super) fn acceptor(name: &'static str, tls: &Tls) -> Result<TlsAcceptor, ListenError> {
    let cert_problem = |text: String| ListenError::Tls { name, file: tls.cert.clone(), text };
    let key_problem = |text: String| ListenError::Tls { name, file: tls.key.clone(), text };
    let read = |file| std::fs::read(file).map_err(|e: io::Error| e.to_string());

    let pem = read(&tls.cert).map_err(cert_problem)?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|e| cert_problem(e.to_string()))?;
    if chain.is_empty() {
        return Err(cert_problem("holds no certificate in PEM form".into()));
    }
    // The parser's own words could repeat parts of the key.
    let pem = zeroize::Zeroizing::new(read(&tls.key).map_err(key_problem)?);
    let key =
        PrivateKeyDer::from_pem_slice(&pem).map_err(|_| key_problem("holds no private key in PEM form".into()))?;

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| cert_problem(e.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| cert_problem(e.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
