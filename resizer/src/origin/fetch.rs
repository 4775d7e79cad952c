//! The request on the wire.

use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::{
    StatusCode,
    header::{CONTENT_ENCODING, ETAG, HeaderMap, LAST_MODIFIED},
    redirect,
};

use super::{Origin, OriginError, guard::GuardedResolver, request::SignedGet};

/// How often a request is sent at the most. Only failures before the first byte of a body are tried again.
const ATTEMPTS: u32 = 2;
/// Pause before the second attempt.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// How long the origin may be silent in the middle of a body.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Idle connections kept to each origin host.
const IDLE_CONNECTIONS: usize = 32;

/// The HTTP client of one origin.
#[derive(Debug, Clone)]
pub struct Fetcher {
    client: reqwest::Client,
    timeout: Duration,
}

/// An answer whose headers have come and whose body has not been read.
pub struct Opened {
    response: reqwest::Response,
    until: Until,
}

/// When to give up.
#[derive(Debug, Clone, Copy)]
struct Until {
    at: Instant,
    /// Whether the caller's time ends then, and not the origin's.
    callers: bool,
}

impl Fetcher {
    /// Makes the client: no redirects, no proxy from the environment, no address outside the origin's network.
    ///
    /// # Errors
    /// When the TLS roots of the system cannot be loaded.
    pub fn new(origin: &Origin) -> Result<Self, reqwest::Error> {
        let guard = GuardedResolver { allow_private_network: origin.allow_private_network };
        let client = reqwest::Client::builder()
            .user_agent(concat!("safelight/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy() // a proxy would be the one to resolve names, past the guard
            .connect_timeout(origin.connect_timeout)
            .read_timeout(READ_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .tcp_nodelay(true)
            .dns_resolver(guard)
            .build()?;
        Ok(Self { client, timeout: origin.timeout })
    }

    /// Sends the request and waits for the head of the answer. `remaining` is the time the caller has left.
    ///
    /// # Errors
    /// [`OriginError`]: everything but HTTP 200.
    pub async fn open(&self, request: &SignedGet, remaining: Duration) -> Result<Opened, OriginError> {
        let until =
            Until { at: Instant::now() + self.timeout.min(remaining), callers: remaining < self.timeout };
        let mut attempt = 1;
        loop {
            match self.attempt(request, until).await {
                Err(error)
                    if error.is_transient()
                        && attempt < ATTEMPTS
                        && Instant::now() + RETRY_PAUSE < until.at =>
                {
                    tracing::debug!(attempt, %error, "origin.retry");
                    attempt += 1;
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                result => return result,
            }
        }
    }

    async fn attempt(&self, request: &SignedGet, until: Until) -> Result<Opened, OriginError> {
        let sent = self.client.get(request.url.clone()).headers(request.headers.clone()).send();
        let response = until.wait(sent).await?.map_err(|error| {
            if error.is_timeout() { OriginError::Timeout } else { OriginError::Unreachable }
        })?;
        let status = response.status();
        match status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Err(OriginError::NotFound),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                return Err(OriginError::Failed(status.as_u16()));
            }
            _ if status.is_redirection() => return Err(OriginError::Redirected(status.as_u16())),
            _ if status.is_client_error() => return Err(OriginError::Denied(status.as_u16())),
            _ => return Err(OriginError::Failed(status.as_u16())),
        }
        if is_encoded(response.headers()) {
            return Err(OriginError::Encoded);
        }
        Ok(Opened { response, until })
    }
}

impl Opened {
    /// The origin's entity tag, if it gave a strong one that is text. A weak one may stay when bytes change
    /// (RFC 9110, section 8.8.1).
    #[must_use]
    pub fn etag(&self) -> Option<String> {
        let tag = self.response.headers().get(ETAG)?.to_str().ok()?;
        (!tag.starts_with("W/")).then(|| tag.to_owned())
    }

    /// When the object was last changed, if the origin says so.
    #[must_use]
    pub fn last_modified(&self) -> Option<SystemTime> {
        let date = self.response.headers().get(LAST_MODIFIED)?.to_str().ok()?;
        httpdate::parse_http_date(date).ok()
    }

    /// The length the origin declares, in bytes.
    #[must_use]
    pub fn declared_length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// Reads the body. `reserve` is asked before the bytes held grow to a number; what it refuses ends the
    /// reading with its error.
    ///
    /// # Errors
    /// [`OriginError::TooLarge`], [`OriginError::Interrupted`], [`OriginError::Timeout`], or `reserve`'s.
    pub async fn read<E: From<OriginError>>(
        mut self,
        limit: u64,
        mut reserve: impl FnMut(u64) -> Result<(), E>,
    ) -> Result<Bytes, E> {
        let declared = self.declared_length();
        if declared.is_some_and(|length| length > limit) {
            return Err(OriginError::TooLarge(limit).into());
        }
        let mut bytes = BytesMut::new();
        if let Some(length) = declared.and_then(|length| usize::try_from(length).ok()) {
            reserve(declared.unwrap_or(0))?;
            bytes.reserve(length);
        }
        while let Some(chunk) = self.next().await? {
            let total = bytes.len() as u64 + chunk.len() as u64;
            if total > limit {
                return Err(OriginError::TooLarge(limit).into());
            }
            if declared.is_none_or(|length| total > length) {
                reserve(total)?;
            }
            bytes.extend_from_slice(&chunk);
        }
        if declared.is_some_and(|length| length != bytes.len() as u64) {
            return Err(OriginError::Interrupted.into());
        }
        Ok(bytes.freeze())
    }

    async fn next(&mut self) -> Result<Option<Bytes>, OriginError> {
        let until = self.until;
        until
            .wait(self.response.chunk())
            .await?
            .map_err(|error| if error.is_timeout() { OriginError::Timeout } else { OriginError::Interrupted })
    }
}

impl Until {
    async fn wait<T>(self, future: impl Future<Output = T>) -> Result<T, OriginError> {
        let error = || if self.callers { OriginError::Deadline } else { OriginError::Timeout };
        tokio::time::timeout_at(self.at.into(), future).await.map_err(|_| error())
    }
}

/// Whether the body is compressed on the way. We ask for none; what comes all the same is not an image.
fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().is_empty() && !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}
