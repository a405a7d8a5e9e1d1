//! TLS: whose certificates are taken, and both versions of HTTP above it.

use super::*;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// An authority of this test's own.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A server's configuration with a certificate for `name` that ends on the given day.
    fn vouches_for(
        &self,
        name: &str,
        ends: (i32, u8, u8),
        protocols: &[&[u8]],
    ) -> (TlsAcceptor, CertificateDer<'static>) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(ends.0, ends.1, ends.2);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
        (TlsAcceptor::from(Arc::new(config)), certificate)
    }
}

const FAR: (i32, u8, u8) = (2090, 1, 1);

/// Answers with `secure` and the version of HTTP; a connection that fails to shake hands is dropped.
async fn start(acceptor: TlsAcceptor) -> (u16, Arc<AtomicUsize>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepted = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&accepted);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let acceptor = acceptor.clone();
            connections.spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = service_fn(async |request: ::http::Request<hyper::body::Incoming>| {
                    let named = request.uri().authority().map(ToString::to_string);
                    let host = request.headers().get("host").map(|h| h.to_str().unwrap().to_owned());
                    let text = format!("secure {:?} {}", request.version(), named.or(host).unwrap_or_default());
                    Ok::<_, std::convert::Infallible>(::http::Response::new(http_body_util::Full::new(Bytes::from(
                        text,
                    ))))
                });
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (port, accepted, tasks)
}

#[tokio::test]
async fn contract_tls_the_right_authority_works_and_connections_are_kept() {
    let authority = Authority::new();
    for (protocols, version) in [
        (&[b"h2".as_slice(), b"http/1.1"][..], "HTTP/2.0"),
        (&[b"http/1.1".as_slice()][..], "HTTP/1.1"),
        (&[][..], "HTTP/1.1"),
    ] {
        let (port, accepted, _tasks) = start(authority.vouches_for("127.0.0.1", FAR, protocols).0).await;
        let base = format!("https://127.0.0.1:{port}");
        let link = opened(&Network::default(), &json!({ "base_url": base, "ca": authority.pem }), &[]);
        for _ in 0..3 {
            let answer = send(&link, get(&format!("{base}/"))).await.unwrap();
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert_eq!(text, format!("secure {version} 127.0.0.1:{port}"), "threat 35 also over TLS");
        }
        assert_eq!(accepted.load(Ordering::SeqCst), 1, "{version}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_means_not_sent() {
    let ours = Authority::new();
    let refused = async |acceptor: TlsAcceptor, ca: Option<&str>, expected: &str| {
        let (port, _, _tasks) = start(acceptor).await;
        let base = format!("https://127.0.0.1:{port}");
        let link = opened(&Network::default(), &json!({ "base_url": base, "ca": ca }), &[]);
        let failure = send(&link, post(&format!("{base}/"), "x")).await.unwrap_err();
        assert!(matches!(&failure, HttpFailure::NotSent(text) if text.contains(expected)), "{expected}: {failure:?}");
    };
    let acceptor = |name: &str, ends| ours.vouches_for(name, ends, &[b"http/1.1"]).0;
    refused(acceptor("127.0.0.1", FAR), None, "authority that is not trusted here; if it is yours, set `ca`").await;
    let theirs = Authority::new();
    refused(acceptor("127.0.0.1", FAR), Some(&theirs.pem), "TLS with `127.0.0.1").await;
    refused(acceptor("other.test", FAR), Some(&ours.pem), "for another name").await;
    refused(acceptor("127.0.0.1", (2001, 1, 1)), Some(&ours.pem), "has expired").await;
}

#[tokio::test]
async fn plain_http_where_tls_is_expected_is_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 64]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    let base = format!("https://{address}");
    let failure = send(&plain(&base), post(&base, "x")).await.unwrap_err();
    assert!(matches!(&failure, HttpFailure::NotSent(text) if text.contains("not TLS")), "{failure:?}");
}

#[tokio::test]
async fn the_end_of_a_certificate_is_read_from_it() {
    let authority = Authority::new();
    for (ends, expected) in
        [((2031, 12, 5), "2031-12-05"), ((2090, 1, 31), "2090-01-31"), ((2049, 12, 31), "2049-12-31")]
    {
        let (_, certificate) = authority.vouches_for("x.test", ends, &[]);
        assert!(crate::tls::not_after(&certificate).unwrap().to_string().starts_with(expected));
        for length in 0..certificate.len().min(200) {
            // Cut anywhere, it is not read and nothing breaks.
            assert_eq!(crate::tls::not_after(&CertificateDer::from(&certificate[..length])), None);
        }
    }
}

#[tokio::test]
async fn a_test_counts_a_certificates_days() {
    let authority = Authority::new();
    let (port, _, _tasks) = start(authority.vouches_for("127.0.0.1", FAR, &[b"h2"]).0).await;
    let settings = json!({ "base_url": format!("https://127.0.0.1:{port}"), "ca": authority.pem });
    let found = HttpConnector::new(&Network::default()).test(settings.as_object().unwrap(), &Vec::new(), SOON).await;
    let tls = found.iter().find(|f| f.what == "tls").unwrap();
    assert!(tls.ok && tls.detail.contains("TLS 1.3") && tls.detail.contains("2090-01-01"), "{tls:?}");
}

/// A server's configuration with a certificate of 127.0.0.1 that takes only clients for whom `clients` vouches.
fn demanding(ours: &Authority, clients: &Authority) -> TlsAcceptor {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(FAR.0, FAR.1, FAR.2);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &ours.issuer).unwrap().der().clone();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(crate::tls::certificates(&clients.pem).unwrap().remove(0)).unwrap();
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![certificate], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A client's certificate and its key, as PEM.
fn client(authority: &Authority) -> (String, String) {
    let mut params = CertificateParams::new(vec!["client.test".to_owned()]).unwrap();
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, &authority.issuer).unwrap().pem(), key.serialize_pem())
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_the_connections_own_server() {
    let (ours, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let (port, _, _tasks) = start(demanding(&ours, &clients)).await;
    let base = format!("https://127.0.0.1:{port}");
    let settings =
        |pem: &str| json!({ "base_url": base, "ca": ours.pem, "tls": { "certificate": pem, "key": "partner-key" } });
    let (pem, key) = client(&clients);
    let link = opened(&Network::default(), &settings(&pem), &[("partner-key", &key)]);
    assert_eq!(send(&link, get(&format!("{base}/"))).await.unwrap().status, 200);
    let connector = HttpConnector::new(&Network::default());
    assert_eq!(connector.secrets(settings(&pem).as_object().unwrap()), ["partner-key"]);
    let found = connector.test(settings(&pem).as_object().unwrap(), &secrets(&[("partner-key", &key)]), SOON).await;
    assert!(found.iter().all(|finding| finding.ok), "{found:?}");

    // None, or one that somebody else vouches for.
    let bare = opened(&Network::default(), &json!({ "base_url": base, "ca": ours.pem }), &[]);
    assert!(send(&bare, get(&format!("{base}/"))).await.is_err());
    let (other, other_key) = client(&strangers);
    let stranger = opened(&Network::default(), &settings(&other), &[("partner-key", &other_key)]);
    assert!(send(&stranger, get(&format!("{base}/"))).await.is_err());
}

#[test]
fn a_certificate_and_a_key_that_do_not_fit_are_told() {
    let authority = Authority::new();
    let ((pem, key), (_, other)) = (client(&authority), client(&authority));
    let settings =
        |pem: &str, key: &str| json!({ "base_url": "https://a.test", "tls": { "certificate": pem, "key": key } });
    let open = |settings: &Value, given: &[(&str, &str)]| {
        let opened = HttpConnector::new(&Network::default()).open(settings.as_object().unwrap(), &secrets(given));
        opened.err().map(|problems| problems[0].to_string()).unwrap_or_default()
    };
    let good = settings(&pem, "k");
    assert_eq!(open(&good, &[("k", &key)]), "");
    assert!(open(&good, &[]).contains("secrets set k"));
    let told = open(&good, &[("k", "no key")]);
    assert!(told.starts_with("tls.key") && told.contains("secret `k`"), "{told}");
    let told = open(&good, &[("k", &other)]);
    assert!(told.starts_with("tls") && told.contains("together"), "{told}");
    let found = problems(&settings("nonsense", &key));
    let shown: Vec<&str> = found.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(shown, ["tls.certificate", "tls.key"], "{found:?}");
    assert!(!found[1].problem.contains("BEGIN"));
    let plain = json!({ "base_url": "http://a.test", "tls": { "certificate": pem, "key": "k" } });
    assert!(problems(&plain)[0].problem.contains("https"), "{:?}", problems(&plain));
    let half = problems(&json!({ "base_url": "https://a.test", "tls": { "key": "k" } }));
    assert!(half.len() == 1 && half[0].key == "tls.certificate", "{half:?}");
}
