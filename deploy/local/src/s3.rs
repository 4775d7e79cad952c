//! An S3 server inside the process, that **verifies** AWS Signature Version 4.
//!
//! It is what stands for a private origin in `cargo local` and in the tests: a request that is unsigned, signed with
//! another secret, or changed after signing is refused there, so a picture that arrives proves that the signature was
//! right. The HTTP and signature work is `s3s`, the storage is `s3s-fs` over a directory of the caller; [`gate`] adds
//! the refusals of the real service that `s3s` leaves out, [`exact`] keeps every key apart from every other, and [`multipart`]
//! makes objects of parts.
//!
//! Both addressing styles work on the one port: path style on [`EmbeddedS3::endpoint`], virtual-host style on
//! [`EmbeddedS3::virtual_host_endpoint`].
//!
//! Not here: listing, conditional reads, and copies but that of an object onto itself. They answer
//! NotImplemented, or (conditional headers) are ignored, as `s3s-fs` does.

mod exact;
mod gate;
mod multipart;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use self::exact::ExactKeys;
use self::gate::{BASE_DOMAIN, Gate};

/// The one region of this server. A signature for another region is refused with `AuthorizationHeaderMalformed`.
pub const REGION: &str = "eu-west-1";

/// How long the listener rests after a failed `accept` (out of file descriptors): long enough not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who may read and write: made-up keys of the local stack.
#[derive(Clone)]
pub struct Credentials {
    /// The public half, as it stands in a signature's `Credential`.
    pub access_key_id: String,
    /// The secret half.
    pub secret_access_key: String,
    /// Of temporary credentials: then every request must carry exactly this `x-amz-security-token`, and sign it.
    /// With `None` a request that carries any token is refused, as the real service does.
    pub session_token: Option<String>,
}

impl Credentials {
    /// Credentials without a session token.
    pub fn new(access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key: secret_access_key.into(),
            session_token: None,
        }
    }
}

/// Why the server did not start or did not store.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// No port on the loopback interface.
    #[error("cannot listen on 127.0.0.1")]
    Listen(#[source] io::Error),
    /// The storage directory is missing or not readable.
    #[error("cannot use the storage directory: {0}")]
    Root(String),
    /// The service's own answer to a `create_bucket` or a `put`: a bad bucket name, no such bucket, a key of 0 or of
    /// more than 1024 bytes, a full disk.
    #[error("{0}")]
    Store(String),
}

impl From<s3s::S3Error> for S3Error {
    fn from(refusal: s3s::S3Error) -> Self {
        Self::Store(refusal.to_string())
    }
}

/// A running server. Dropping it closes the port and every connection; the directory stays the caller's.
pub struct EmbeddedS3 {
    address: SocketAddr,
    store: ExactKeys,
    counters: Arc<Counters>,
    accepting: AbortHandle,
}

#[derive(Default)]
struct Counters {
    requests: AtomicU64,
    refused: AtomicU64,
}

impl EmbeddedS3 {
    /// Starts on 127.0.0.1, on a port that the system picks, storing under `root`. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`S3Error::Root`] when `root` is not a usable directory, [`S3Error::Listen`] when no port is free.
    pub async fn start(root: &Path, credentials: &Credentials) -> Result<Self, S3Error> {
        let store = ExactKeys::new(root)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(S3Error::Listen)?;
        let address = listener.local_addr().map_err(S3Error::Listen)?;

        let gate = Gate::new(credentials.clone());
        let mut service = S3ServiceBuilder::new(store.clone());
        service.set_auth(gate.clone());
        service.set_access(gate.clone());
        service.set_host(gate);

        let counters = Arc::new(Counters::default());
        let accepting = tokio::spawn(accept(listener, service.build(), counters.clone())).abort_handle();
        Ok(Self { address, store, counters, accepting })
    }

    /// Where path-style requests go: `http://127.0.0.1:PORT`, then `/BUCKET/KEY`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where virtual-host-style requests go: `http://s3.localhost:PORT`, the bucket before it as one more label.
    ///
    /// Names under `localhost` are the loopback interface (RFC 6761, section 6.3), but not every system resolver
    /// knows that: a client may have to be told [`Self::address`].
    pub fn virtual_host_endpoint(&self) -> String {
        format!("http://{BASE_DOMAIN}:{}", self.address.port())
    }

    /// The socket that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes a bucket.
    ///
    /// # Errors
    /// [`S3Error::Store`] when the name breaks S3's rules for bucket names or the bucket exists.
    pub async fn create_bucket(&self, bucket: &str) -> Result<(), S3Error> {
        Ok(self.store.create_bucket_named(bucket).await?)
    }

    /// Stores an object under exactly `key`, straight into the store that answers the signed requests: seeding the
    /// origin needs no signature, and counts as no request.
    ///
    /// # Errors
    /// [`S3Error::Store`] when the bucket is missing, or the key is empty or longer than 1024 bytes.
    pub async fn put(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) -> Result<(), S3Error> {
        Ok(self.store.put_bytes(bucket, key, bytes.into()).await?)
    }

    /// The bytes of an object, straight from the store; `None` where there is none. Counts as no request.
    ///
    /// # Errors
    /// [`S3Error::Store`] when the bucket is missing or the object cannot be read.
    pub async fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, S3Error> {
        Ok(self.store.get_bytes(bucket, key).await?)
    }

    /// How many objects a bucket has.
    ///
    /// # Errors
    /// [`S3Error::Root`] when its folder cannot be read.
    pub async fn objects(&self, bucket: &str) -> Result<usize, S3Error> {
        self.store.count(bucket).await.map_err(|error| S3Error::Root(error.to_string()))
    }

    /// How many multipart uploads of a bucket are neither completed nor aborted.
    pub async fn multipart_uploads(&self, bucket: &str) -> usize {
        self.store.uploads(bucket).await
    }

    /// HTTP requests answered so far, refused ones included.
    pub fn requests(&self) -> u64 {
        self.counters.requests.load(Ordering::Relaxed)
    }

    /// Of [`Self::requests`], those that the server turned away for how they were asked: statuses 400, 401 and 403.
    pub fn refused(&self) -> u64 {
        self.counters.refused.load(Ordering::Relaxed)
    }
}

impl Drop for EmbeddedS3 {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Serves until aborted. The connections live in this task's set, so they end with it.
async fn accept(listener: TcpListener, service: S3Service, counters: Arc<Counters>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // An answer leaves in several writes: with Nagle's algorithm each GET waited 40 ms for an
                    // acknowledgment. A socket that does not take the option still serves.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(serve(stream, service.clone(), counters.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the embedded S3 server could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, service: S3Service, counters: Arc<Counters>) {
    let answer = service_fn(move |request: http::Request<Incoming>| {
        let (service, counters) = (service.clone(), counters.clone());
        async move {
            let response = service.call(request.map(s3s::Body::from)).await?;
            // Counted before the first byte of the answer leaves, so a client that has it sees itself counted.
            counters.requests.fetch_add(1, Ordering::Relaxed);
            let status = response.status();
            if matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                counters.refused.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, s3s::HttpError>(response)
        }
    });
    let served =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the embedded S3 server broke");
    }
}
