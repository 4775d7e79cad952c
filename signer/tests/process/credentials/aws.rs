//! What AWS answers, by its documentation: the instance metadata service (version 2), a container agent and the Security
//! Token Service, on one port. It stands for services that run nowhere but at AWS; who asks it is the real `aws-config`.

use std::{
    io::{BufRead as _, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned, crypto::aws_lc_rs::default_provider,
    pki_types::PrivateKeyDer,
};

use sha2::{Digest as _, Sha256};

use crate::PATIENCE;

/// What the token file of a pod holds.
pub(crate) const IDENTITY_TOKEN: &str = "fake-identity.of-a.pod";
/// What a container shows its agent.
pub(crate) const AUTHORIZATION: &str = "fake-authorization-of-a-container";
const METADATA_TOKEN: &str = "fake-metadata-token";

/// Parts of everything that must not be seen in a log.
pub(crate) const SECRETS: [&str; 5] =
    [IDENTITY_TOKEN, AUTHORIZATION, METADATA_TOKEN, "fake-issued-secret", "fake/issued+token"];

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Issues credentials.
    Issues,
    /// Refuses, and repeats what it was sent.
    Refuses,
    /// Takes requests, and answers none until the mode changes.
    Hangs,
}

struct State {
    mode: Mutex<Mode>,
    /// Of what is issued, in seconds.
    life: AtomicU64,
    issued: AtomicU64,
    requests: Mutex<Vec<String>>,
}

#[derive(Clone)]
pub(crate) struct Aws {
    address: SocketAddr,
    state: Arc<State>,
}

/// One request.
struct Asked {
    line: String,
    headers: String,
    body: String,
}

impl Aws {
    pub(crate) fn start(mode: Mode, life: u64) -> Self {
        Self::serve(mode, life, Self::answer)
    }

    /// The same behind TLS, for the name `localhost`; and its certificate in PEM.
    pub(crate) fn start_tls(mode: Mode, life: u64) -> (Self, String) {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        let config = Arc::new(config);
        let aws = Self::serve(mode, life, move |aws, connection| {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            aws.answer(StreamOwned::new(tls, connection));
        });
        (aws, certificate.pem())
    }

    fn serve(mode: Mode, life: u64, answer: impl Fn(&Self, TcpStream) + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            mode: Mutex::new(mode),
            life: AtomicU64::new(life),
            issued: AtomicU64::new(0),
            requests: Mutex::default(),
        });
        let aws = Self { address, state };
        let serving = aws.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let (aws, answer) = (serving.clone(), answer.clone());
                std::thread::spawn(move || answer(&aws, connection));
            }
        });
        aws
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.state.mode.lock().unwrap() = mode;
    }

    /// How often it issued credentials.
    pub(crate) fn issued(&self) -> u64 {
        self.state.issued.load(Ordering::SeqCst)
    }

    /// The requests so far, each its first line and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.requests.lock().unwrap().clone()
    }

    /// Waits until it has been asked this often.
    pub(crate) fn asked(&self, count: usize) {
        let since = Instant::now();
        while self.requests().len() < count {
            assert!(since.elapsed() < PATIENCE, "asked {} times", self.requests().len());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn answer(&self, mut connection: impl Read + Write) {
        let Some(asked) = read(&mut connection) else { return };
        self.state.requests.lock().unwrap().push(format!("{} {}", asked.line, asked.body));
        while self.mode() == Mode::Hangs {
            std::thread::sleep(Duration::from_millis(10));
        }
        let (status, headers, body) = self.decide(&asked);
        let length = body.len();
        // A client that no longer waits.
        _ = write!(
            connection,
            "HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
    }

    fn mode(&self) -> Mode {
        *self.state.mode.lock().unwrap()
    }

    fn decide(&self, asked: &Asked) -> (u16, &'static str, String) {
        let Asked { line, headers, body } = asked;
        let has =
            |header: &str, value: &str| headers.lines().any(|line| line == format!("{header}: {value}"));
        let is_sts = line.starts_with("POST / ");
        if self.mode() == Mode::Refuses {
            let told = format!("{headers}{body} fake-issued-secret").replace('&', " ");
            let xml = format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
                 <Code>ValidationError</Code><Message>Value '{told}' at 'webIdentityToken'</Message></Error>\
                 <RequestId>r</RequestId></ErrorResponse>"
            );
            return if is_sts { (400, "", xml) } else { (500, "", told) };
        }
        let path = "/latest/meta-data/iam/security-credentials/";
        if line.starts_with("PUT /latest/api/token ") {
            assert!(headers.contains("x-aws-ec2-metadata-token-ttl-seconds: "), "{headers}");
            return (200, "x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n", METADATA_TOKEN.to_owned());
        }
        if line.starts_with(&format!("GET {path} ")) && has("x-aws-ec2-metadata-token", METADATA_TOKEN) {
            return (200, "", "role-of-the-instance".to_owned());
        }
        let of_instance = line.starts_with(&format!("GET {path}role-of-the-instance "))
            && has("x-aws-ec2-metadata-token", METADATA_TOKEN);
        let of_container = line.starts_with("GET /container?a=b ") && has("authorization", AUTHORIZATION);
        if of_instance || of_container {
            return (200, "content-type: application/json\r\n", self.issue_json());
        }
        let of_pod = is_sts
            && body.contains("Action=AssumeRoleWithWebIdentity&")
            && body.contains(&format!("WebIdentityToken={IDENTITY_TOKEN}"));
        if of_pod { (200, "content-type: text/xml\r\n", self.issue_xml()) } else { (403, "", String::new()) }
    }

    fn issue_json(&self) -> String {
        let (number, expires) = self.issue();
        let [id, secret, token] = credentials(number);
        format!(
            r#"{{"Code":"Success","LastUpdated":"2026-01-01T00:00:00Z","Type":"AWS-HMAC","AccessKeyId":"{id}","SecretAccessKey":"{secret}","Token":"{token}","Expiration":"{expires}"}}"#
        )
    }

    fn issue_xml(&self) -> String {
        let (number, expires) = self.issue();
        let [id, secret, token] = credentials(number);
        format!(
            "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <AssumeRoleWithWebIdentityResult><SubjectFromWebIdentityToken>s</SubjectFromWebIdentityToken>\
             <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/pod/safelight-signer</Arn>\
             <AssumedRoleId>AROA:safelight-signer</AssumedRoleId></AssumedRoleUser><Credentials>\
             <AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
             <SessionToken>{token}</SessionToken><Expiration>{expires}</Expiration></Credentials>\
             </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        )
    }

    /// The number of the next credentials, and when they expire.
    fn issue(&self) -> (u64, String) {
        let number = self.state.issued.fetch_add(1, Ordering::SeqCst) + 1;
        let life = Duration::from_secs(self.state.life.load(Ordering::Relaxed));
        let now = Duration::from_secs(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
        (number, humantime::format_rfc3339_seconds(UNIX_EPOCH + now + life).to_string())
    }
}

/// The id, the secret and the session token that are issued with this number. No two secrets end alike.
pub(crate) fn credentials(number: u64) -> [String; 3] {
    [
        format!("ASIAFAKE{number:04}"),
        format!("fake-issued-secret/{number}/{}", hex::encode(Sha256::digest(number.to_be_bytes()))),
        format!("fake/issued+token=={number}"),
    ]
}

fn read(connection: &mut impl Read) -> Option<Asked> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut headers = String::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim_end();
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':')?;
        headers += &format!("{}: {}\n", name.to_ascii_lowercase(), value.trim());
    }
    let length = headers.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { line: line.trim_end().to_owned(), headers, body: String::from_utf8(body).ok()? })
}
