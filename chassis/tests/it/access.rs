//! TLS, callers, and whether they are let in.

use std::{fs, path::Path, sync::Arc};

use http::Extensions;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use safelight_chassis::{
    access::{Authorise, Caller, Method, Methods},
    config,
    server::{Limits, Security, Server},
    shutdown::{Drain, Shutdown},
};
use safelight_client::{Credentials, PresentedUrl, SignerClient};
use safelight_proto::reason;
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

use crate::{
    harness::{Client, LONG, LOOPBACK, log},
    probe::{DO, Probe},
};

const BACKEND: &str = "spiffe://prod/ns/web/sa/backend";

const METHODS: Methods = Methods::new(&[Method::new("probe.v1.Probe", "Do")]);

/// Lets one caller in, under whatever name.
#[derive(Debug)]
struct Only(&'static str);

impl Authorise for Only {
    fn methods(&self) -> Methods {
        METHODS
    }

    fn authorise(&self, caller: &Caller, method: &'static Method, extensions: &mut Extensions) -> bool {
        assert_eq!((Caller::of(extensions), method.path().as_str()), (caller.clone(), DO));
        caller.as_str() == self.0
    }
}

/// An authority, and files with what it signs.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    files: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let files = tempfile::tempdir().unwrap();
        fs::write(files.path().join("ca.crt"), issuer.pem()).unwrap();
        Self { issuer, files }
    }

    fn path(&self, name: &str) -> String {
        self.files.path().join(name).display().to_string()
    }

    /// Writes `NAME.crt` and `NAME.key`.
    fn sign(&self, name: &str, names: Vec<SanType>) {
        self.sign_until(name, names, 2999);
    }

    /// The same, of a certificate that expires with the beginning of that year.
    fn sign_until(&self, name: &str, names: Vec<SanType>, year: i32) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(self.path(&format!("{name}.crt")), certificate.pem()).unwrap();
        fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    fn server_text(&self, client_ca: bool) -> String {
        let ca =
            if client_ca { format!("client_ca_file = '{}'\n", self.path("ca.crt")) } else { String::new() };
        let (cert, key) = (self.path("server.crt"), self.path("server.key"));
        format!("[tls]\ncert_file = '{cert}'\nkey_file = '{key}'\n{ca}")
    }

    /// A client's TLS, with the certificate of this name.
    fn client(&self, certificate: Option<&str>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("ca.crt")).unwrap()).unwrap();
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let mut config = match certificate {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let file = |end: &str| self.path(&format!("{name}.{end}"));
                let certificate = CertificateDer::from_pem_file(file("crt")).unwrap();
                let key = PrivateKeyDer::from_pem_file(file("key")).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config)
    }
}

fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().unwrap())
}

fn loopback() -> SanType {
    SanType::IpAddress(LOOPBACK.ip())
}

struct Running {
    addr: std::net::SocketAddr,
    shutdown: Shutdown,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.trigger();
    }
}

async fn start(text: &str, only: Option<&'static str>) -> Running {
    let security = config::read(text, Security::read).unwrap();
    let mut server = Server::new(Limits::DEFAULT).service(Probe::new()).security(security);
    if let Some(name) = only {
        server = server.authorise(Arc::new(Only(name)));
    }
    server.health().ready().await;
    let bound = server.bind(LOOPBACK, false).await.unwrap();
    let (addr, shutdown) = (bound.local_addr(), Shutdown::new());
    tokio::spawn(bound.drain(Drain::within(LONG)).serve(shutdown.clone()));
    Running { addr, shutdown }
}

impl Running {
    async fn plain(&self) -> Client {
        Client(Endpoint::from_shared(format!("http://{}", self.addr)).unwrap().connect().await.unwrap())
    }

    /// tonic over TLS of ours.
    async fn tls(&self, config: Arc<ClientConfig>) -> Result<Client, tonic::transport::Error> {
        let addr = self.addr;
        let connector = tower::service_fn(move |_: http::Uri| {
            let config = Arc::clone(&config);
            async move {
                let tcp = TcpStream::connect(addr).await?;
                let name = ServerName::from(addr.ip());
                let stream = TlsConnector::from(config).connect(name, tcp).await?;
                std::io::Result::Ok(hyper_util::rt::TokioIo::new(stream))
            }
        });
        let channel: Channel =
            Endpoint::from_static("http://signer").connect_with_connector(connector).await?;
        Ok(Client(channel))
    }
}

fn told(answer: Result<String, Status>) -> Result<String, (Code, Option<String>)> {
    answer.map_err(|status| (status.code(), reason::of(&status)))
}

fn denied() -> Result<String, (Code, Option<String>)> {
    Err((Code::PermissionDenied, Some("CALLER_DENIED".to_owned())))
}

#[tokio::test]
async fn a_certificate_names_its_caller() {
    let authority = Authority::new();
    authority.sign("server", vec![loopback()]);
    authority.sign("backend", vec![uri(BACKEND)]);
    authority.sign("other", vec![uri("spiffe://prod/ns/web/sa/other"), uri(BACKEND)]);
    authority.sign("nameless", vec![loopback()]);
    let running = start(&authority.server_text(true), Some(BACKEND)).await;

    let backend = running.tls(authority.client(Some("backend"))).await.unwrap();
    assert_eq!(told(backend.tell("caller").await), Ok(BACKEND.to_owned()));
    // The first URI counts.
    let other = running.tls(authority.client(Some("other"))).await.unwrap();
    assert_eq!(told(other.tell("caller").await), denied());

    // No certificate, one without a URI, one of another authority, no TLS: nothing gets through.
    let strangers = Authority::new();
    strangers.sign("backend", vec![uri(BACKEND)]);
    fs::copy(strangers.path("backend.crt"), authority.path("forged.crt")).unwrap();
    fs::copy(strangers.path("backend.key"), authority.path("forged.key")).unwrap();
    for certificate in [None, Some("nameless"), Some("forged")] {
        let answer = match running.tls(authority.client(certificate)).await {
            Ok(client) => client.tell("caller").await.map_err(|status| status.code()),
            Err(_) => Err(Code::Unavailable),
        };
        assert!(matches!(answer, Err(Code::Unavailable | Code::Unknown)), "{certificate:?}: {answer:?}");
    }
    let plain = Endpoint::from_shared(format!("http://{}", running.addr)).unwrap().connect().await;
    if let Ok(channel) = plain {
        assert!(Client(channel).tell("caller").await.is_err());
    }
}

/// What the operator of a client reads to set it right, at the default level.
#[tokio::test]
async fn a_refused_handshake_is_logged_with_its_cause() {
    let (sink, _guard) = log();
    let authority = Authority::new();
    authority.sign("server", vec![loopback()]);
    authority.sign("nameless", vec![loopback()]);
    authority.sign_until("expired", vec![uri(BACKEND)], 2020);
    let strangers = Authority::new();
    strangers.sign("backend", vec![uri(BACKEND)]);
    fs::copy(strangers.path("backend.crt"), authority.path("forged.crt")).unwrap();
    fs::copy(strangers.path("backend.key"), authority.path("forged.key")).unwrap();
    let running = start(&authority.server_text(true), Some(BACKEND)).await;
    for (certificate, cause) in [
        (None, "a client shows no certificate"),
        (Some("nameless"), "it needs a URI (SPIFFE ID) in its subjectAltName"),
        (Some("expired"), "a client's certificate has expired"),
        (Some("forged"), "authority that is not in client_ca_file"),
    ] {
        for _ in 0..3 {
            _ = running.tls(authority.client(certificate)).await;
            let line = sink.line(cause).await;
            assert_eq!((&line["level"], &line["port"]), (&"WARN".into(), &"grpc".into()));
            assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
        }
        assert_eq!(sink.lines(cause).len(), 1, "{}", sink.text());
    }
    // Plaintext; a client that does not trust the server; and one that only looks whether the port is there.
    _ = Endpoint::from_shared(format!("http://{}", running.addr)).unwrap().connect().await;
    sink.line("does not speak TLS").await;
    assert!(running.tls(strangers.client(None)).await.is_err());
    sink.line("a client refuses the server's certificate").await;
    drop(TcpStream::connect(running.addr).await.unwrap());
    let backend = running.tls(authority.client(Some("nameless"))).await;
    drop(backend);
    assert_eq!(sink.lines("connection refused").len(), 6, "{}", sink.text());
}

#[tokio::test]
async fn an_expired_certificate_of_the_server_is_said() {
    let (sink, _guard) = log();
    let authority = Authority::new();
    authority.sign_until("server", vec![loopback()], 2020);
    let security = config::read(&authority.server_text(false), Security::read).unwrap();
    let [finding] = &security.findings()[..] else { panic!("a finding") };
    assert!(finding.is_problem && finding.text.contains("expired at 2020-01-01T00:00:00Z"), "{finding:?}");
    Server::new(Limits::DEFAULT).security(security).bind(LOOPBACK, false).await.unwrap();
    let line = sink.line("the server's certificate expired at 2020-01-01T00:00:00Z").await;
    assert_eq!(line["level"], "WARN");

    authority.sign("server", vec![loopback()]);
    let security = config::read(&authority.server_text(false), Security::read).unwrap();
    assert_eq!(security.findings(), []);
}

#[tokio::test]
async fn a_token_names_its_caller_and_a_wrong_one_is_not_anonymous() {
    let hash = hex::encode(Sha256::digest("fake-token-of-dev"));
    let text = format!("[[tokens]]\ncaller = 'dev'\nsha256 = '{hash}'");
    let call = async |running: &Running, authorization: Option<&str>| {
        let mut request = tonic::Request::new("caller".to_owned());
        if let Some(value) = authorization {
            request.metadata_mut().insert("authorization", value.parse().unwrap());
        }
        told(running.plain().await.unary(DO, request).await.map(tonic::Response::into_inner))
    };

    let running = start(&text, Some("dev")).await;
    assert_eq!(call(&running, Some("Bearer fake-token-of-dev")).await, Ok("dev".to_owned()));
    assert_eq!(call(&running, None).await, denied());
    let unknown = Err((Code::Unauthenticated, Some("CALLER_UNKNOWN".to_owned())));
    assert_eq!(call(&running, Some("bearer fake-token-of-dev")).await, Ok("dev".to_owned()));
    for other in ["Bearer another", "Bearer ", "Basic fake-token-of-dev", "fake-token-of-dev"] {
        assert_eq!(call(&running, Some(other)).await, unknown, "{other}");
    }

    let running = start(&text, Some("anonymous")).await;
    assert_eq!(call(&running, None).await, Ok("anonymous".to_owned()));
    assert_eq!(call(&running, Some("Bearer another")).await, unknown);
    assert_eq!(call(&running, Some("Bearer fake-token-of-dev")).await, denied());
}

#[tokio::test]
async fn why_an_authorization_is_refused_is_logged() {
    let (sink, _guard) = log();
    let hash = hex::encode(Sha256::digest("fake-token-of-dev"));
    let running = start(&format!("[[tokens]]\ncaller = 'dev'\nsha256 = '{hash}'"), Some("dev")).await;
    for (values, why) in [
        (&["Bearer fake-token-of-other"][..], "the bearer token is not known here"),
        (&["Basic fake-token-of-dev"], "the authorization is no bearer token"),
        (&["Bearer fake-token-of-dev", "Bearer fake-token-of-dev"], "there is more than one authorization"),
        (&["Bearer "], "the bearer token is empty"),
    ] {
        let mut request = tonic::Request::new("caller".to_owned());
        for value in values {
            request.metadata_mut().append("authorization", value.parse().unwrap());
        }
        let answer = running.plain().await.unary::<_, String>(DO, request).await.unwrap_err();
        assert_eq!((answer.code(), answer.message()), (Code::Unauthenticated, why));
        assert_eq!(
            sink.lines(&format!("refused a call of Do: {why}; see [[tokens]]")).len(),
            1,
            "{}",
            sink.text()
        );
    }
    assert!(!sink.text().contains("fake-token"), "{}", sink.text());
}

#[tokio::test]
async fn tokens_go_with_tls_where_no_certificate_is_asked_for() {
    let authority = Authority::new();
    authority.sign("server", vec![loopback()]);
    let hash = hex::encode(Sha256::digest("fake-token-of-dev"));
    let tokens = format!("[[tokens]]\ncaller = 'dev'\nsha256 = '{hash}'\n");
    let running = start(&format!("{tokens}{}", authority.server_text(false)), Some("dev")).await;
    let client = running.tls(authority.client(None)).await.unwrap();
    let mut request = tonic::Request::new("caller".to_owned());
    request.metadata_mut().insert("authorization", "Bearer fake-token-of-dev".parse().unwrap());
    let answer: tonic::Response<String> = client.unary(DO, request).await.unwrap();
    assert_eq!(answer.into_inner(), "dev");

    let both = format!("{tokens}{}", authority.server_text(true));
    let errors = config::read(&both, Security::read).unwrap_err().to_string();
    assert!(errors.contains("tokens"), "{errors}");
}

/// A method that is not there, or not served here, is UNIMPLEMENTED to everyone: grants and tokens are not looked at.
#[tokio::test]
async fn an_unknown_method_is_unimplemented_before_grants_are_looked_at() {
    let hash = hex::encode(Sha256::digest("fake-token-of-dev"));
    let running = start(&format!("[[tokens]]\ncaller = 'dev'\nsha256 = '{hash}'"), Some("nobody")).await;
    let client = running.plain().await;
    for path in [
        "/AWS.ALB/healthcheck",
        "/probe.v1.Probe/Other",
        "/probe.v1.Probe/Do?x=1",
        "/probe.v1.Probe/Do?",
        "/grpc.health.v1.Health/Check?x=1",
        "/probe.v1.Other/Do",
        "/",
    ] {
        for authorization in [None, Some("Bearer another"), Some("Bearer fake-token-of-dev")] {
            let mut request = tonic::Request::new("caller".to_owned());
            if let Some(value) = authorization {
                request.metadata_mut().insert("authorization", value.parse().unwrap());
            }
            let answer: Result<tonic::Response<String>, _> = client.unary(path, request).await;
            let unknown = Err((Code::Unimplemented, Some("METHOD_UNKNOWN".to_owned())));
            assert_eq!(told(answer.map(tonic::Response::into_inner)), unknown, "{path} {authorization:?}");
        }
    }
}

#[tokio::test]
async fn health_and_reflection_are_for_everyone() {
    let running = start("", Some("nobody")).await;
    let client = running.plain().await;
    assert_eq!(told(client.tell("caller").await), denied());
    let mut health = tonic_health::pb::health_client::HealthClient::new(client.0.clone());
    let answer = health.check(tonic_health::pb::HealthCheckRequest::default()).await.unwrap();
    assert_eq!(answer.into_inner().status, 1);
}

#[tokio::test]
async fn certificates_are_reloaded_and_bad_ones_are_not() {
    let authority = Authority::new();
    authority.sign("server", vec![loopback()]);
    let security = config::read(&authority.server_text(false), Security::read).unwrap();
    let tls = Arc::clone(security.tls.as_ref().unwrap());
    let server = Server::new(Limits::DEFAULT).service(Probe::new()).security(security);
    let bound = server.bind(LOOPBACK, false).await.unwrap();
    let running = Running { addr: bound.local_addr(), shutdown: Shutdown::new() };
    tokio::spawn(bound.drain(Drain::within(LONG)).serve(running.shutdown.clone()));
    assert!(!tls.reload().unwrap());

    // The files of another authority: whoever trusts the old one is refused from now on.
    let other = Authority::new();
    other.sign("server", vec![loopback()]);
    assert!(running.tls(other.client(None)).await.is_err());
    let copy = |name: &str| fs::copy(other.path(name), authority.path(name)).unwrap();
    copy("server.crt");
    // Half changed: certificate and key do not fit.
    assert!(tls.reload().is_err());
    assert!(running.tls(authority.client(None)).await.is_ok());
    copy("server.key");
    assert!(tls.reload().unwrap());
    assert!(running.tls(authority.client(None)).await.is_err());
    assert!(running.tls(other.client(None)).await.is_ok());

    fs::write(Path::new(&authority.path("server.key")), "fake secret nonsense").unwrap();
    let error = tls.reload().unwrap_err().to_string();
    assert!(error.contains("server.key") && !error.contains("nonsense"), "{error}");
    assert!(!format!("{tls:?}").contains("BEGIN"));
}

#[tokio::test]
async fn the_typed_client_shows_its_certificate_and_checks_the_servers() {
    let authority = Authority::new();
    authority.sign("server", vec![loopback()]);
    authority.sign("resizer", vec![uri("spiffe://prod/ns/web/sa/resizer")]);
    let running = start(&authority.server_text(true), Some(BACKEND)).await;
    let endpoint = format!("https://{}", running.addr);
    let path = |name: &str| Some(authority.path(name).into());
    let ask = async |credentials: &Credentials| {
        let client = SignerClient::connect_lazy(&endpoint, credentials).unwrap();
        let url = PresentedUrl { target: "/a", ..PresentedUrl::default() };
        client.verify_url("web", url, LONG).await.unwrap_err().to_string()
    };
    let good = Credentials {
        ca_file: path("ca.crt"),
        cert_file: path("resizer.crt"),
        key_file: path("resizer.key"),
        token_file: None,
    };
    // The connection is there, though it leads to another service.
    assert_eq!(ask(&good).await, "the signer refused the request (METHOD_UNKNOWN)");
    // TLS 1.3 refuses a client after its handshake has ended: the code is not always the same.
    let is_unavailable = |text: String| text.starts_with("the signer is unavailable");
    let nameless = Credentials { cert_file: None, key_file: None, ..good.clone() };
    assert!(is_unavailable(ask(&nameless).await));
    let strangers = Authority::new();
    let other = Credentials { ca_file: Some(strangers.path("ca.crt").into()), ..good.clone() };
    assert!(is_unavailable(ask(&other).await));

    // What cannot be used is told at the start.
    for bad in [
        Credentials { ca_file: path("missing"), ..good.clone() },
        Credentials { key_file: None, ..good.clone() },
        Credentials { key_file: path("ca.crt"), ..good.clone() },
        Credentials { token_file: path("missing"), ..good },
    ] {
        assert!(SignerClient::connect_lazy(&endpoint, &bad).is_err(), "{bad:?}");
    }
}
