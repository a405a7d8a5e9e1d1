//! The certificates of the tests: made once per test process, as files and as text.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::LazyLock;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

use super::watcher;

/// Whom the client's certificate names.
pub const CLIENT: &str = "certified";

/// A certificate and its key, both as PEM. Only the tests' own user may read the file of the key: some programs insist.
pub struct Pair {
    /// The certificate, as text.
    pub certificate: String,
    /// The key (PKCS #8), as text.
    pub key: String,
    /// The file of the certificate.
    pub certificate_file: PathBuf,
    /// The file of the key.
    pub key_file: PathBuf,
}

/// All of them.
pub struct Tls {
    /// The certificate of the authority that signed the other two, as PEM: what a client has to trust.
    pub ca: String,
    /// The same in a file.
    pub ca_file: PathBuf,
    /// An authority that signed nothing: whoever trusts only this one must refuse every server.
    pub stranger: String,
    /// For servers: `localhost` and 127.0.0.1.
    pub server: Pair,
    /// For clients, by the name of [`CLIENT`].
    pub client: Pair,
}

/// The certificates of this process.
#[must_use]
pub fn files() -> &'static Tls {
    static FILES: LazyLock<Tls> = LazyLock::new(make);
    &FILES
}

fn make() -> Tls {
    let folder = watcher::folder().join("tls");
    std::fs::create_dir(&folder).expect("the folder is new");
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::write(&file, text).expect("one's own folder can be written to");
        let readers = if name.ends_with(".key") { 0o600 } else { 0o644 };
        std::fs::set_permissions(&file, Permissions::from_mode(readers))
            .expect("one's own file can be closed to others");
        file
    };
    let (ca, issuer) = authority("Jackfield tests");
    let pair = |name: &str, common_name: &str, names: &[&str], purpose| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("the names are names");
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &issuer).expect("the authority signs").pem();
        let key = key.serialize_pem();
        let certificate_file = write(&format!("{name}.pem"), &certificate);
        let key_file = write(&format!("{name}.key"), &key);
        Pair { certificate, key, certificate_file, key_file }
    };
    let server = pair("server", "localhost", &["localhost", "127.0.0.1"], ExtendedKeyUsagePurpose::ServerAuth);
    let client = pair("client", CLIENT, &[], ExtendedKeyUsagePurpose::ClientAuth);
    let ca_file = write("ca.pem", &ca);
    Tls { ca, ca_file, stranger: authority("a stranger").0, server, client }
}

fn authority(name: &str) -> (String, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().expect("a key can be made");
    let certificate = params.self_signed(&key).expect("an authority signs itself").pem();
    (certificate, Issuer::new(params, key))
}
