//! Origin, signer and resizer together.

use std::{
    io,
    path::{Path, PathBuf},
};

use safelight_chassis::{
    config::ConfigErrors,
    server::{BindError, Server},
};
use safelight_proto::{
    FILE_DESCRIPTOR_SET,
    resizer::v1::resizer_service_client::ResizerServiceClient,
    signer::v1::{
        signer_service_client::SignerServiceClient, verifier_service_client::VerifierServiceClient,
    },
};
use safelight_resizer::{Resizer, StartError};
use safelight_signer::{Clock, Signer, StartError as SignerStartError};
use sha2::{Digest as _, Sha256};
use tonic::transport::{Channel, Endpoint};

use crate::{
    keys,
    running::Running,
    s3::{Credentials, EmbeddedS3, REGION, S3Error},
};

/// The bucket of the local origin.
pub const BUCKET: &str = "photos";
/// The access key id of the local origin.
const ACCESS_KEY_ID: &str = "AKIALOCALSAFELIGHT";

/// What can be different from one local stack to the next.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The signer's clock.
    pub clock: Clock,
    /// Tables to add to `signer.toml`.
    pub signer_toml: String,
    /// Tables to add to `resizer.toml`; `{s3}` stands for the S3 server's path-style endpoint, `{s3_host}` for its
    /// virtual-host one. Routes come before the stack's own, which matches nearly every path.
    pub resizer_toml: String,
    /// The `[limits]` of `resizer.toml`.
    pub limits: String,
    /// What `[http]` of `resizer.toml` says besides where to listen.
    pub http: String,
    /// The resizer's HTTP port on the loopback interface; 0: any.
    pub http_port: u16,
    /// The signer's port on the loopback interface; 0: any.
    pub signer_port: u16,
    /// The resizer's port on the loopback interface; 0: any.
    pub resizer_port: u16,
    /// The secret that the signer has for the origin, where it is not the right one.
    pub wrong_origin_secret: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            signer_toml: String::new(),
            resizer_toml: String::new(),
            limits: String::new(),
            http: String::new(),
            http_port: 0,
            signer_port: 0,
            resizer_port: 0,
            wrong_origin_secret: None,
        }
    }
}

/// Why a stack did not start.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// Its directory cannot be used.
    #[error("the directory of the local stack cannot be used: {0}")]
    Files(#[from] io::Error),
    /// The origin.
    #[error("the embedded S3 server: {0}")]
    S3(#[from] S3Error),
    /// A configuration.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// The signer.
    #[error("the signer: {0}")]
    Signer(#[from] SignerStartError),
    /// The resizer.
    #[error("the resizer: {0}")]
    Resizer(#[from] StartError),
    /// A port.
    #[error("{0}")]
    Bind(#[from] BindError),
}

/// A running stack. Dropping it stops everything; the directory stays.
pub struct Stack {
    /// The origin.
    pub s3: EmbeddedS3,
    /// The signer.
    pub signer: Running,
    /// The resizer.
    pub resizer: Running,
    dir: PathBuf,
}

impl Stack {
    /// Makes keys, writes both configurations under `dir`, and starts origin, signer and resizer.
    ///
    /// # Errors
    /// [`StackError`].
    pub async fn start(dir: &Path, settings: Settings) -> Result<Self, StackError> {
        let secrets = dir.join("secrets");
        let (_, origin_secret) = keys::write_fresh(&secrets, "s3-photos-1")?;
        let store = dir.join("s3");
        std::fs::create_dir_all(&store)?;
        let s3 = EmbeddedS3::start(&store, &Credentials::new(ACCESS_KEY_ID, origin_secret)).await?;
        s3.create_bucket(BUCKET).await?;
        if let Some(wrong) = &settings.wrong_origin_secret {
            keys::write(&secrets, "s3-photos-1", wrong)?;
        }
        keys::write_fresh(&secrets, "web-1")?;
        keys::write_fresh(&secrets, "uploads-1")?;
        let (token_file, token) = keys::write_fresh(&secrets, "resizer-token")?;

        let config = dir.join("signer.toml");
        std::fs::write(&config, signer_toml(&secrets, &token, &s3) + &settings.signer_toml)?;
        let signer = Signer::open(safelight_signer::Config::load(&config)?, settings.clock.clone())?;
        let server = Server::new(safelight_signer::limits()).reflection(FILE_DESCRIPTOR_SET);
        let signer = Running::start(signer.add_to(server), settings.signer_port).await?;

        let config = dir.join("resizer.toml");
        let extra = settings
            .resizer_toml
            .replace("{s3}", &s3.endpoint())
            .replace("{s3_host}", &s3.virtual_host_endpoint());
        let text = resizer_toml(&signer.endpoint(), &token_file, &s3.endpoint(), &extra, &settings);
        std::fs::write(&config, text)?;
        let resizer = Resizer::new(safelight_resizer::Config::load(&config)?)?;
        resizer.watch_agreement();
        let server = Server::new(safelight_resizer::limits()).reflection(FILE_DESCRIPTOR_SET);
        let resizer = Running::start(resizer.add_to(server), settings.resizer_port).await?;
        Ok(Self { s3, signer, resizer, dir: dir.to_owned() })
    }

    /// Where keys, configurations and the origin's objects are.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A client of `SignerService`.
    ///
    /// # Errors
    /// The signer cannot be connected to.
    pub async fn signer_client(&self) -> Result<SignerServiceClient<Channel>, tonic::transport::Error> {
        Ok(SignerServiceClient::new(connect(&self.signer).await?))
    }

    /// A client of `VerifierService`.
    ///
    /// # Errors
    /// The signer cannot be connected to.
    pub async fn verifier_client(&self) -> Result<VerifierServiceClient<Channel>, tonic::transport::Error> {
        Ok(VerifierServiceClient::new(connect(&self.signer).await?))
    }

    /// A client of `ResizerService`.
    ///
    /// # Errors
    /// The resizer cannot be connected to.
    pub async fn resizer_client(&self) -> Result<ResizerServiceClient<Channel>, tonic::transport::Error> {
        Ok(ResizerServiceClient::new(connect(&self.resizer).await?))
    }
}

/// Connects to a running server.
///
/// # Errors
/// It cannot be connected to.
pub async fn connect(running: &Running) -> Result<Channel, tonic::transport::Error> {
    Endpoint::from_shared(running.endpoint())?.connect().await
}

fn signer_toml(secrets: &Path, resizer_token: &str, s3: &EmbeddedS3) -> String {
    let (path_style, virtual_host) = (s3.endpoint(), s3.virtual_host_endpoint());
    let virtual_host = virtual_host.replace("://", &format!("://{BUCKET}."));
    let secrets = secrets.display();
    let resizer = hex::encode(Sha256::digest(resizer_token));
    format!(
        r#"# Whoever can reach the loopback interface may do everything with the made-up keys; the resizer, known by its
# token, only what it needs.
[[tokens]]
caller = "resizer"
sha256 = "{resizer}"

[[grants]]
caller = "resizer"
methods = ["VerifyUrl", "SignOriginRequest", "AuthorizeDelivery", "ListDeliveries"]
keys = ["*"]
url_prefixes = ["{path_style}/", "{virtual_host}/"]

[[grants]]
caller = "anonymous"
methods = ["*"]
keys = ["*"]
accounts = ["*"]
http_methods = ["GET", "HEAD", "PUT"]

# Made-up keys of the local stack, fresh at every start.
[[keys]]
name = "web"
scheme = "cloudflare-images"
max_ttl = "24h"
[[keys.versions]]
id = 1
state = "primary"
secret_file = "{secrets}/web-1"

[[keys]]
name = "uploads"
scheme = "cloudinary-upload"
identifier = "local-api-key"
[[keys.versions]]
id = 1
state = "primary"
secret_file = "{secrets}/uploads-1"

[[keys]]
name = "s3-photos"
scheme = "aws-sigv4"
[[keys.versions]]
id = 1
state = "primary"
access_key_id = "{ACCESS_KEY_ID}"
secret_file = "{secrets}/s3-photos-1"

"#
    )
}

fn resizer_toml(signer: &str, token_file: &Path, s3: &str, extra: &str, settings: &Settings) -> String {
    let Settings { limits, http, http_port, .. } = settings;
    let token_file = token_file.display();
    format!(
        r#"[signer]
endpoint = "{signer}"
token_file = "{token_file}"

# It listens on this machine only.
[[grants]]
caller = "anonymous"
methods = ["*"]
origins = ["*"]
routes = ["*"]

[limits]
{limits}

[http]
listen = "127.0.0.1:{http_port}"
{http}

[origins.photos]
kind = "s3"
bucket = "{BUCKET}"
region = "{REGION}"
endpoint = "{s3}"
path_style = true
signing_key = "s3-photos"
allow_private_network = true

[variants.thumbnail]
width = 300
height = 300
fit = "cover"
public = true

[variants.card]
width = 800

{extra}
[[routes]]
path = "/{{account}}/{{key...}}/{{variant}}"
origin = "photos"
url_key = "web"
flexible = true
max_width = 1200
max_height = 1200

"#
    )
}
