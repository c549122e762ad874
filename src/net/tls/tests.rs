//! Tests of the server's end against the client's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

type Authority = CertifiedIssuer<'static, KeyPair>;

/// An authority, and a folder for what it signs.
struct World {
    folder: tempfile::TempDir,
    authority: Authority,
}

fn authority() -> Authority {
    let mut params = CertificateParams::new([]).expect("names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed")
}

impl World {
    fn new() -> Self {
        let world = Self {
            folder: tempfile::tempdir().expect("a folder"),
            authority: authority(),
        };
        world.write("ca.pem", &world.authority.pem());
        world.issue("node");
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
    }

    /// A certificate of the authority for localhost, and its key.
    fn issue(&self, name: &str) -> ClientCertificate {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("names");
        let certificate = params.signed_by(&key, &self.authority).expect("signed");
        self.write(&format!("{name}.pem"), &certificate.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
        fingerprint(certificate.der())
    }

    /// A certificate that only its own key signed.
    fn issue_alone(&self, name: &str) -> ClientCertificate {
        let made = rcgen::generate_simple_self_signed(["meter".to_owned()]).expect("signed");
        self.write(&format!("{name}.pem"), &made.cert.pem());
        self.write(&format!("{name}.key"), &made.signing_key.serialize_pem());
        fingerprint(made.cert.der())
    }

    fn config(&self, client_ca: &str) -> Config {
        let client_ca_file = match client_ca {
            "" => PathBuf::new(),
            name => self.path(name),
        };
        Config {
            listen: Vec::new(),
            certificate_file: self.path("node.pem"),
            key_file: self.path("node.key"),
            client_certificates: true,
            client_ca_file,
        }
    }

    fn connector(&self, identity: Option<&str>) -> Connector {
        let identity = identity.map(|name| Identity {
            certificate_file: self.path(&format!("{name}.pem")),
            key_file: self.path(&format!("{name}.key")),
        });
        let trust = Trust::File(self.path("ca.pem"));
        Connector::new(&trust, identity.as_ref(), &[b"h2"]).expect("a connector")
    }
}

/// Shakes hands and sends an octet each way: what the server saw of the client,
/// or `None` where either failed.
async fn meet(acceptor: &Acceptor, connector: &Connector) -> Option<Option<ClientCertificate>> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = listener.local_addr().expect("bound").port();
    let serve = async {
        let (stream, _) = listener.accept().await?;
        let (mut stream, certificate) = acceptor.accept(stream).await?;
        stream
            .write_u8(stream.get_ref().1.alpn_protocol().map_or(0, |p| p[0]))
            .await?;
        stream.flush().await?;
        let octet = stream.read_u8().await?;
        assert_eq!(octet, b'?');
        io::Result::Ok(certificate)
    };
    let ask = async {
        let mut stream = connector.connect("localhost", port).await?;
        assert_eq!(stream.read_u8().await?, b'h');
        stream.write_u8(b'?').await?;
        stream.flush().await
    };
    let both = async { tokio::join!(serve, ask) };
    let (served, asked) = tokio::time::timeout(PATIENCE, both).await.expect("in time");
    asked.ok().and_then(|()| served.ok())
}

#[tokio::test]
async fn passes_on_whose_key_was_proven() {
    let world = World::new();
    let (meter, alone) = (world.issue("meter"), world.issue_alone("alone"));
    let acceptor = Acceptor::load(world.config("")).expect("files");
    let seen = meet(&acceptor, &world.connector(None)).await;
    assert_eq!(seen, Some(None));
    let seen = meet(&acceptor, &world.connector(Some("meter"))).await;
    assert_eq!(seen, Some(Some(meter)));
    let seen = meet(&acceptor, &world.connector(Some("alone"))).await;
    assert_eq!(seen, Some(Some(alone)));
    let mut off = world.config("");
    off.client_certificates = false;
    let acceptor = Acceptor::load(off).expect("files");
    let seen = meet(&acceptor, &world.connector(Some("meter"))).await;
    assert_eq!(seen, Some(None));
}

#[tokio::test]
async fn an_authority_confines_the_certificates() {
    let world = World::new();
    let meter = world.issue("meter");
    world.issue_alone("alone");
    let acceptor = Acceptor::load(world.config("ca.pem")).expect("files");
    let seen = meet(&acceptor, &world.connector(Some("meter"))).await;
    assert_eq!(seen, Some(Some(meter)));
    assert_eq!(meet(&acceptor, &world.connector(Some("alone"))).await, None);
    assert_eq!(meet(&acceptor, &world.connector(None)).await, Some(None));
}

#[tokio::test]
async fn a_reload_serves_the_new_certificate_and_a_bad_one_changes_nothing() {
    let world = World::new();
    let acceptor = Acceptor::load(world.config("")).expect("files");
    let before = world.connector(None);
    assert_eq!(meet(&acceptor, &before).await, Some(None));
    let other = World::new();
    fs::copy(other.path("node.pem"), world.path("node.pem")).expect("copied");
    // The key is still that of the certificate before.
    assert!(matches!(acceptor.reload(), Err(Error::Unfit { .. })));
    assert_eq!(meet(&acceptor, &before).await, Some(None));
    fs::copy(other.path("node.key"), world.path("node.key")).expect("copied");
    acceptor.reload().expect("files");
    assert_eq!(meet(&acceptor, &before).await, None);
    assert_eq!(meet(&acceptor, &other.connector(None)).await, Some(None));
}

fn refusal(config: Config) -> String {
    Acceptor::load(config).expect_err("refused").to_string()
}

#[test]
fn says_what_is_wrong_with_which_file() {
    let world = World::new();
    let named = |config: Config, name: &str, expected: &str| {
        let text = refusal(config);
        let file = world.path(name).display().to_string();
        assert!(text.contains(&file) && text.contains(expected), "{text}");
    };
    let with = |change: fn(&mut Config, &Path)| {
        let mut config = world.config("ca.pem");
        change(&mut config, world.folder.path());
        config
    };
    world.write("empty.pem", "");
    let mut broken = fs::read_to_string(world.path("node.key")).expect("a key");
    broken.replace_range(40..44, "****");
    world.write("broken.key", &broken);
    named(
        with(|config, at| config.certificate_file = at.join("none.pem")),
        "none.pem",
        "cannot read",
    );
    named(
        with(|config, at| config.certificate_file = at.join("empty.pem")),
        "empty.pem",
        "no certificate",
    );
    named(
        with(|config, at| config.key_file = at.join("node.pem")),
        "node.pem",
        "no private key",
    );
    named(
        with(|config, at| config.key_file = at.join("broken.key")),
        "broken.key",
        "no private key",
    );
    named(
        with(|config, at| config.client_ca_file = at.join("node.key")),
        "node.key",
        "no certificate",
    );
    let exposed = fs::Permissions::from_mode(0o644);
    fs::set_permissions(world.path("node.key"), exposed).expect("set");
    named(world.config(""), "node.key", "chmod 600");
}
