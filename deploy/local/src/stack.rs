//! Origin, signer and resizer together.

mod config;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use safelight_chassis::{
    admin::Admin,
    config::ConfigErrors,
    server::{BindError, Server},
};
use safelight_proto::{
    FILE_DESCRIPTOR_SET,
    resizer::v1::resizer_service_client::ResizerServiceClient,
    signer::v1::{
        key_service_client::KeyServiceClient, signer_service_client::SignerServiceClient,
        upload_token_service_client::UploadTokenServiceClient,
        verifier_service_client::VerifierServiceClient,
    },
};
use safelight_resizer::{Resizer, StartError};
use safelight_signer::{Clock, Signer, StartError as SignerStartError};
use tonic::transport::{Channel, Endpoint};

use crate::{
    keys,
    running::Running,
    s3::{Credentials, EmbeddedS3, S3Error},
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
    /// Tables to add to `signer.toml`; `{s3}` and `{s3_host}` as below.
    pub signer_toml: String,
    /// Tables to add to `resizer.toml`; `{s3}` stands for the S3 server's path-style endpoint, `{s3_host}` for its
    /// virtual-host one. Routes come before the stack's own, which matches nearly every path.
    pub resizer_toml: String,
    /// Whether the stack has a route of its own.
    pub own_route: bool,
    /// What that route says besides, such as `privacy = "object"`.
    pub route: String,
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
    /// The port for probes and metrics on the loopback interface; 0: any.
    pub admin_port: u16,
    /// The secret that the signer has for the origin, where it is not the right one.
    pub wrong_origin_secret: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            signer_toml: String::new(),
            resizer_toml: String::new(),
            own_route: true,
            route: String::new(),
            limits: String::new(),
            http: String::new(),
            http_port: 0,
            signer_port: 0,
            resizer_port: 0,
            admin_port: 0,
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
    /// The resizer's probes and metrics.
    pub admin: Admin,
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

        let extra = |toml: &str| {
            toml.replace("{s3}", &s3.endpoint()).replace("{s3_host}", &s3.virtual_host_endpoint())
        };
        let config = dir.join("signer.toml");
        let text = config::signer(dir, &secrets, &token, &s3.endpoint());
        std::fs::write(&config, text + &extra(&settings.signer_toml))?;
        let signer = Signer::open(safelight_signer::Config::load(&config)?, settings.clock.clone())?;
        let server = Server::new(safelight_signer::limits()).reflection(FILE_DESCRIPTOR_SET);
        let signer = Running::start(signer.add_to(server), settings.signer_port).await?;

        let config = dir.join("resizer.toml");
        let extra = extra(&settings.resizer_toml);
        let text = config::resizer(&signer.endpoint(), &token_file, &s3.endpoint(), &extra, &settings);
        std::fs::write(&config, text)?;
        let resizer = Resizer::new(safelight_resizer::Config::load(&config)?)?;
        resizer.watch_agreement();
        resizer.do_upload_tasks();
        let server = Server::new(safelight_resizer::limits()).reflection(FILE_DESCRIPTOR_SET);
        let server = resizer.add_to(server);
        let admin = Admin::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, settings.admin_port)))?;
        admin.show(&server);
        let resizer = Running::start(server, settings.resizer_port).await?;
        Ok(Self { s3, signer, resizer, admin, dir: dir.to_owned() })
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

    /// A client of `UploadTokenService`.
    ///
    /// # Errors
    /// The signer cannot be connected to.
    pub async fn token_client(&self) -> Result<UploadTokenServiceClient<Channel>, tonic::transport::Error> {
        Ok(UploadTokenServiceClient::new(connect(&self.signer).await?))
    }

    /// A client of `KeyService`.
    ///
    /// # Errors
    /// The signer cannot be connected to.
    pub async fn key_client(&self) -> Result<KeyServiceClient<Channel>, tonic::transport::Error> {
        Ok(KeyServiceClient::new(connect(&self.signer).await?))
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
