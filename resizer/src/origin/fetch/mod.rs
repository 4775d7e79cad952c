//! The request on the wire.
//!
//! # Layout
//! - [`opened`]: an answer whose head has come
//! - [`store`]: objects that are written, copied and deleted, and what a store says of one
//! - [`multipart`]: objects that are written in parts
//! - [`body`]: its body, and content codings
//! - [`transport`]: what an error of the HTTP client means

mod body;
mod multipart;
mod opened;
mod store;
pub(super) mod transport;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use reqwest::{
    Method, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue, LOCATION, RANGE},
    redirect,
};

use super::{
    Origin, OriginError,
    error::{Cause, Kind},
    guard::GuardedResolver,
    request::{self, SignedRequest, Trace},
    s3::refusal::{self, Refusal},
    text,
};

pub use body::Body;
pub use opened::Opened;
pub use store::Stat;

/// How often a request is sent at the most. Only failures before the first byte of a body are tried again.
const ATTEMPTS: u32 = 2;
/// Pause before the second attempt.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// How long the origin may be silent in the middle of a body.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the body of an error is waited for: it is for the log alone.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_millis(500);
/// What is asked for where what is said of an object is all that is wanted.
const FIRST_BYTE: HeaderValue = HeaderValue::from_static("bytes=0-0");
/// Idle connections kept to each origin host.
const IDLE_CONNECTIONS: usize = 32;

/// The HTTP client of one origin.
#[derive(Debug, Clone)]
pub struct Fetcher {
    client: reqwest::Client,
    /// For requests with a body: the origin is silent while it receives.
    writer: reqwest::Client,
    resolver: GuardedResolver,
    origin: Arc<Origin>,
}

/// A request on its way.
struct Sending<'a> {
    method: Method,
    request: &'a SignedRequest,
    trace: &'a Trace,
    body: Option<Bytes>,
    /// Whether the first byte will do.
    first_byte: bool,
    /// What it means that its condition does not hold; `None`: it has none.
    unmet: Option<Kind>,
}

impl Sending<'_> {
    /// Whether the origin did what was asked. Of a fetch only 200 does, unless it has a range.
    fn is_success(&self, status: StatusCode) -> bool {
        if self.method == Method::GET {
            status == StatusCode::OK || self.first_byte && status == StatusCode::PARTIAL_CONTENT
        } else {
            status.is_success()
        }
    }
}

/// When to give up.
#[derive(Debug, Clone, Copy)]
struct Until {
    at: Instant,
    /// Whether the caller's time ends then, and not the origin's.
    callers: bool,
    /// How long there was from the start.
    time: Duration,
}

impl Fetcher {
    /// Makes the client: no redirects, no proxy from the environment, no address outside the origin's network.
    ///
    /// # Errors
    /// When the TLS roots of the system cannot be loaded.
    pub fn new(origin: &Origin) -> Result<Self, reqwest::Error> {
        let resolver = GuardedResolver::new(origin.allow_private_network);
        // Without it a server may send what it likes; images are not made smaller by a content coding.
        let identity = [(ACCEPT_ENCODING, HeaderValue::from_static("identity"))];
        let builder = || {
            reqwest::Client::builder()
                .user_agent(concat!("safelight/", env!("CARGO_PKG_VERSION")))
                .default_headers(identity.clone().into_iter().collect())
                .redirect(redirect::Policy::none())
                .referer(false)
                .no_proxy() // a proxy would be the one to resolve names, past the guard
                .connect_timeout(origin.connect_timeout)
                .pool_max_idle_per_host(IDLE_CONNECTIONS)
                .tcp_nodelay(true)
                .dns_resolver(resolver.clone())
        };
        let client = builder().read_timeout(READ_TIMEOUT).build()?;
        let writer = builder().build()?;
        Ok(Self { client, writer, resolver, origin: Arc::new(origin.clone()) })
    }

    /// Sends the request and waits for the head of the answer. `remaining` is the time the caller has left.
    ///
    /// # Errors
    /// [`OriginError`]: everything but HTTP 200.
    pub async fn open(
        &self,
        request: &SignedRequest,
        trace: &Trace,
        remaining: Duration,
    ) -> Result<Opened, OriginError> {
        let sending =
            Sending { method: Method::GET, request, trace, body: None, first_byte: false, unmet: None };
        let (response, cause, until) = self.send(&sending, remaining).await?;
        Ok(Opened::new(response, until, cause, request.headers.clone()))
    }

    /// Sends a request until it is answered with success, or a second time where the first has failed for a reason that passes.
    async fn send(
        &self,
        sending: &Sending<'_>,
        remaining: Duration,
    ) -> Result<(reqwest::Response, Cause, Until), OriginError> {
        let time = self.origin.timeout.min(remaining);
        let until = Until { at: Instant::now() + time, callers: remaining < self.origin.timeout, time };
        let mut attempt = 1;
        loop {
            match self.attempt(sending, until).await {
                Err(error)
                    if error.is_transient()
                        && attempt < ATTEMPTS
                        && Instant::now() + RETRY_PAUSE < until.at =>
                {
                    tracing::debug!(attempt, %error, "origin.retry");
                    attempt += 1;
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                result => return result.map(|(response, cause)| (response, cause, until)),
            }
        }
    }

    /// Asks for the head of a URL, once, whatever the status.
    pub(super) async fn head(&self, request: &SignedRequest) -> Result<(StatusCode, HeaderMap), OriginError> {
        let sent = self.client.head(request.url.clone()).headers(request.headers.clone());
        let sent = sent.timeout(self.origin.timeout).send().await;
        let response = sent.map_err(|error| self.transport_error(&error))?;
        Ok((response.status(), response.headers().clone()))
    }

    async fn attempt(
        &self,
        sending: &Sending<'_>,
        until: Until,
    ) -> Result<(reqwest::Response, Cause), OriginError> {
        let Sending { method, request, trace, body, first_byte, .. } = sending;
        let mut headers = trace.headers.clone();
        headers.extend(request.headers.clone());
        if *first_byte {
            headers.insert(RANGE, FIRST_BYTE);
        }
        let client = if body.is_some() { &self.writer } else { &self.client };
        let mut building = client.request(method.clone(), request.url.clone()).headers(headers);
        if let Some(bytes) = body {
            if bytes.is_empty() {
                // S3 wants it, and the client leaves it out.
                building = building.header(CONTENT_LENGTH, 0);
            }
            building = building.body(bytes.clone());
        }
        let response = match until.wait(building.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.transport_error(&error)),
            Err(kind) => {
                let detail = format!("no head of an answer within {:?}", until.time);
                return Err(OriginError::new(kind, Cause { detail: Some(detail), ..self.cause() }));
            }
        };
        let address = response.remote_addr().map(|address| address.to_string());
        let cause = Cause { address, status: Some(response.status().as_u16()), ..self.cause() };
        if sending.is_success(response.status()) {
            return Ok((response, cause));
        }
        Err(self.refused(sending, response, until, cause).await)
    }

    fn transport_error(&self, error: &reqwest::Error) -> OriginError {
        let (kind, detail, hint) = transport::describe(error, &self.origin);
        OriginError::new(kind, Cause { detail: Some(detail), hint, ..self.cause() })
    }

    /// What a status that is no success means, with what the answer says of it.
    async fn refused(
        &self,
        sending: &Sending<'_>,
        response: reqwest::Response,
        until: Until,
        cause: Cause,
    ) -> OriginError {
        let request = sending.request;
        let status = response.status();
        let code = status.as_u16();
        let kind = match status {
            StatusCode::PRECONDITION_FAILED if sending.unmet.is_some() => {
                sending.unmet.unwrap_or(Kind::Exists)
            }
            StatusCode::CONFLICT if sending.unmet == Some(Kind::Changed) => Kind::Changed,
            StatusCode::NOT_FOUND | StatusCode::GONE => Kind::NotFound,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Kind::Failed(code),
            // Not of this request: it has no condition, and its range is of every object that has a byte.
            _ if refusal::conditional_hint(code).is_some() => Kind::Failed(code),
            _ if status.is_redirection() => Kind::Redirected(code),
            _ if status.is_client_error() => Kind::Denied(code),
            _ => Kind::Failed(code),
        };
        let headers = response.headers().clone();
        let body = error_body(response, until).await;
        let refusal = Refusal::read(&headers, &body, &request.headers);
        let hint = refusal.hint(code, &self.origin, request, &headers).or_else(|| match kind {
            Kind::Exists | Kind::Changed => None,
            Kind::Redirected(_) => Some("set the base to where the objects are".into()),
            _ => refusal::conditional_hint(code).map(str::to_owned),
        });
        OriginError::new(kind, Cause { refusal, detail: redirected_to(request, &headers), hint, ..cause })
    }

    /// What every cause has, with the addresses that the host's name led to last.
    fn cause(&self) -> Cause {
        let addresses = self.resolver.last();
        let address = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Cause { address: Some(address).filter(|text| !text.is_empty()), ..request::cause(&self.origin) }
    }
}

/// Where a redirect leads: the host alone. The rest may authorize.
fn redirected_to(request: &SignedRequest, headers: &HeaderMap) -> Option<String> {
    let location = headers.get(LOCATION)?.to_str().ok()?;
    let to = request.url.join(location).ok()?;
    let port = to.port().map(|port| format!(":{port}")).unwrap_or_default();
    let origin = format!("{}://{}{port}", to.scheme(), to.host_str().unwrap_or_default());
    Some(format!("redirected to {}", text::shown(&origin, &request.headers)))
}

async fn error_body(mut response: reqwest::Response, until: Until) -> Vec<u8> {
    let mut body = Vec::new();
    let until = until.at.min(Instant::now() + ERROR_BODY_TIMEOUT);
    while let Ok(Ok(Some(chunk))) = tokio::time::timeout_at(until.into(), response.chunk()).await {
        body.extend_from_slice(chunk.get(..refusal::MAX_BODY.min(chunk.len())).unwrap_or_default());
        if body.len() >= refusal::MAX_BODY {
            break;
        }
    }
    body.truncate(refusal::MAX_BODY);
    body
}

impl Until {
    async fn wait<T>(self, future: impl Future<Output = T>) -> Result<T, Kind> {
        tokio::time::timeout_at(self.at.into(), future).await.map_err(|_| self.passed())
    }

    const fn passed(self) -> Kind {
        if self.callers { Kind::Deadline } else { Kind::Timeout }
    }
}
