//! PostgreSQL behind TLS: a real server with a certificate of the test's own authority, that takes nothing else.

use std::{fs, net::Ipv4Addr, os::unix::fs::PermissionsExt as _, path::PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use safelight_chassis::tls;
use safelight_proto::signer::v1::{CreateUploadTokenRequest, RedeemUploadTokenRequest};
use safelight_signer::{
    Config,
    upload::{Store, TokenId, store::postgres::PostgresStore},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    postgres::{PORT, Postgres},
    served::Served,
};

/// What the certificate is for.
const NAME: &str = "db.test";

/// An authority, and where its certificate is.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A store that trusts this authority.
    fn store(&self, url: &str) -> PostgresStore {
        PostgresStore::new(url, 1, Some(tls::client(&self.path()).unwrap())).unwrap()
    }

    /// A server at this address, with a certificate for [`NAME`] until the end of this year.
    fn server(&self, address: Ipv4Addr, last_year: i32) -> Option<Postgres> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([NAME.to_owned()]).unwrap();
        params.not_after = date_time_ymd(last_year, 12, 31);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        let files = [
            ("server.crt", &*certificate),
            ("server.key", &*key.serialize_pem()),
            ("pg_hba.conf", "local all all trust\nhostssl all all 127.0.0.0/8 trust\n"),
        ];
        Postgres::start_with(&files, vec![format!("listen_addresses={address}"), "ssl=on".to_owned()])
    }
}

/// An address of this machine that another run of the tests has not.
fn address(server: u8) -> Ipv4Addr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 100 + server, high, low)
}

fn url(host: &str, address: Ipv4Addr, mode: &str) -> String {
    format!("postgres://safelight@{host}:{PORT}/postgres?hostaddr={address}&sslmode={mode}")
}

/// What the store says when it is asked for anything.
async fn asked(store: &PostgresStore) -> Result<(), String> {
    store.get(TokenId([1; 32])).await.map(drop).map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_server_that_was_verified_is_spoken_to() {
    let authority = Authority::new();
    let at = address(0);
    let Some(_postgres) = authority.server(at, 4000) else { return };
    for mode in ["require", "verify-full"] {
        asked(&authority.store(&url(NAME, at, mode))).await.unwrap();
    }
    // What opened the doors above was TLS: without it the server lets nobody in.
    let plain = PostgresStore::new(&url(NAME, at, "disable"), 1, None).unwrap();
    let told = asked(&plain).await.unwrap_err();
    assert!(told.contains("no encryption"), "{told}");

    for (store, expected) in [
        // Another authority of the same name.
        (Authority::new().store(&url(NAME, at, "require")), "BadSignature"),
        (authority.store(&url("other.test", at, "require")), "not valid for name"),
        (authority.store(&format!("postgres://safelight@{at}:{PORT}/postgres?sslmode=require")), "not valid"),
    ] {
        let told = asked(&store).await.unwrap_err();
        assert!(told.contains(expected), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_has_expired_is_refused() {
    let authority = Authority::new();
    let at = address(1);
    let Some(_postgres) = authority.server(at, 2020) else { return };
    let told = asked(&authority.store(&url(NAME, at, "verify-full"))).await.unwrap_err();
    assert!(told.contains("expired"), "{told}");
}

#[tokio::test]
async fn a_server_without_tls_is_sent_nothing() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut question = [0; 8];
        stream.read_exact(&mut question).await.unwrap();
        stream.write_all(b"N").await.unwrap();
        let mut more = Vec::new();
        stream.read_to_end(&mut more).await.unwrap();
        (question, more)
    });
    let store = Authority::new().store(&format!("postgres://u:secret@localhost:{port}/db?sslmode=require"));
    let told = asked(&store).await.unwrap_err();
    assert!(told.contains("does not support TLS"), "{told}");
    // "SSLRequest" of PostgreSQL's protocol: its length and its number, no name and no password.
    assert_eq!(server.await.unwrap(), ([0, 0, 0, 8, 4, 210, 22, 47], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_and_its_configuration() {
    let authority = Authority::new();
    let at = address(2);
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        format!("{:?}", path.display().to_string())
    };
    let keys = format!(
        "[[keys]]\nname = \"web\"\nscheme = \"cloudflare-images\"\n\
         versions = [{{ id = 1, state = \"primary\", secret_file = {} }}]\n\
         [[grants]]\ncaller = \"anonymous\"\nmethods = [\"*\"]\nkeys = [\"*\"]\naccounts = [\"*\"]\n",
        file("secret", "fake-secret-of-the-upload-tests")
    );
    let toml = |url: &str, ca: &str| {
        format!("[upload_tokens]\nstore = 'postgres'\nurl_file = {url}\nca_file = {ca}\n{keys}")
    };
    let good_url = file("url", &url(NAME, at, "verify-full"));
    let plain_url = file("plain-url", "postgres://safelight@localhost/postgres");
    let good_ca = format!("{:?}", authority.path().display().to_string());
    let bad_ca = file("bad-ca", "no certificate");
    for (url, ca, expected) in [
        (&good_url, &good_ca, &[][..]),
        (&good_url, &bad_ca, &["upload_tokens.ca_file: "]),
        (&plain_url, &good_ca, &["upload_tokens.url_file: does not ask for TLS"]),
        (&bad_ca, &"'/nonexistent'".to_owned(), &["upload_tokens.ca_file: ", "upload_tokens.url_file: "]),
    ] {
        let told = Config::read(&toml(url, ca)).err();
        let told: Vec<_> = told.iter().flat_map(|errors| &errors.errors).map(ToString::to_string).collect();
        assert!(told.len() == expected.len(), "{told:?}");
        assert!(told.iter().zip(expected).all(|(told, start)| told.starts_with(start)), "{told:?}");
    }

    let Some(_postgres) = authority.server(at, 4000) else { return };
    let served = Served::start(&toml(&good_url, &good_ca)).await;
    let create = CreateUploadTokenRequest { account: "acme".to_owned(), ..Default::default() };
    let token = served.client().create_upload_token(create).await.unwrap().into_inner().token;
    let redeem = RedeemUploadTokenRequest { account: "acme".to_owned(), token, ..Default::default() };
    served.client().redeem_upload_token(redeem.clone()).await.unwrap();
    served.client().redeem_upload_token(redeem).await.unwrap_err();
    served.stop().await;
}
