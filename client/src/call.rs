//! One call: its metadata, its time, its second try.

use std::{fmt, sync::Arc, time::Duration};

use http::Uri;
use rustls::pki_types::ServerName;
use tokio::time::{Instant, timeout_at};
use tonic::{Code, Request, Response, Status};

use crate::{
    ConnectError, Context, Credentials, SignerError,
    balance::{Balancer, Picked, Target},
    connection::{self, Wire},
    credentials::Token,
    resolve::Resolve,
    retry::Budget,
};

/// What calls are made with.
pub(crate) struct Caller {
    /// As it was given: for errors.
    endpoint: String,
    /// Scheme and authority of every request.
    origin: Uri,
    balancer: Balancer,
    token: Option<Token>,
    budget: Budget,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Caller {
    pub(crate) fn new(
        endpoint: &str,
        credentials: &Credentials,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, ConnectError> {
        let uri: Uri = endpoint.parse().map_err(|_| ConnectError::Endpoint)?;
        let encrypted = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(ConnectError::Endpoint),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.ok_or(ConnectError::Endpoint)?;
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned();
        let name = encrypted.then(|| ServerName::try_from(host.clone())).transpose();
        let name = name.map_err(|_| ConnectError::Endpoint)?;
        credentials.check(encrypted)?;
        let port = authority.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        let target =
            Target { origin: uri.clone(), host, port, name, credentials: credentials.clone(), resolver };
        Ok(Self {
            endpoint: endpoint.to_owned(),
            balancer: Balancer::new(target),
            token: credentials.token()?,
            budget: Budget::new(),
            origin: uri,
        })
    }

    /// Asks, and once more, at once and of another address if there is one, where the first was not answered: by a
    /// signer that was about to stop, or of a burst on a new connection, where more calls are begun than the server takes
    /// before it could say how many (HTTP/2's REFUSED_STREAM). For calls without effects: nothing happens twice.
    pub(crate) async fn call<T, R, F>(
        &self,
        context: Context,
        message: T,
        send: impl Fn(Wire, Uri, Request<T>) -> F,
    ) -> Result<R, SignerError>
    where
        T: Clone,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let deadline = Instant::now() + context.timeout;
        let mut first: Option<SignerError> = None;
        let mut avoid = None;
        loop {
            let picked = match timeout_at(deadline, self.balancer.pick(avoid)).await {
                Ok(Ok(picked)) => picked,
                // What the signer said before is worth more than that nothing can be reached now.
                Ok(Err(cause)) => {
                    return Err(first.unwrap_or_else(|| self.unreached(Code::Unavailable, &cause)));
                }
                Err(_) => {
                    let late = || self.unreached(Code::DeadlineExceeded, &self.balancer.cause());
                    return Err(first.unwrap_or_else(late));
                }
            };
            let request = self.prepare(message.clone(), &context, deadline);
            let sent = send(picked.wire.clone(), self.origin.clone(), request);
            let Ok(answer) = timeout_at(deadline, sent).await else {
                picked.unanswered();
                self.budget.failed();
                let status = Status::deadline_exceeded(format!("no answer within {:?}", context.timeout));
                return Err(self.error(&picked, &status));
            };
            let status = match answer {
                Ok(answer) => {
                    picked.answered();
                    self.budget.answered();
                    return Ok(answer.into_inner());
                }
                Err(status) => status,
            };
            let error = self.error(&picked, &status);
            if first.is_some() || !self.may_repeat(&picked, &status) {
                return Err(error);
            }
            avoid = Some(picked.address);
            first = Some(error);
        }
    }

    /// Whether a second call may be answered otherwise.
    fn may_repeat(&self, picked: &Picked, status: &Status) -> bool {
        if connection::was_not_sent(status) {
            return true; // costs the signer nothing
        }
        match status.code() {
            Code::Unavailable => self.budget.failed(),
            code => {
                picked.answered();
                self.budget.answered();
                code == Code::Unauthenticated && self.token.as_ref().is_some_and(Token::changed)
            }
        }
    }

    /// A request with its `grpc-timeout`, the caller's token and what travels along.
    fn prepare<T>(&self, message: T, context: &Context, deadline: Instant) -> Request<T> {
        let mut request = Request::new(message);
        let left = deadline.saturating_duration_since(Instant::now());
        request.set_timeout(left.max(Duration::from_millis(1)));
        context.write(request.metadata_mut());
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.value());
        }
        request
    }

    fn error(&self, of: &Picked, status: &Status) -> SignerError {
        SignerError::new(&self.endpoint, Some(of.address), status)
    }

    fn unreached(&self, code: Code, cause: &str) -> SignerError {
        SignerError::new(&self.endpoint, None, &Status::new(code, cause))
    }
}
