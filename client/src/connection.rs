//! One connection to one address: TCP, TLS where the endpoint says so, HTTP/2.

use std::{
    error::Error,
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::client::conn::http2::{self, Connection, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tonic::{Status, body::Body};
use tower_service::Service;

use crate::{Credentials, tls::TlsError};

/// Finds a dead signer behind an idle connection before a request does.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no connection, in words for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreachable {
    #[error("no connection: {0}")]
    Tcp(io::Error),
    #[error("no TLS: {0}")]
    Tls(io::Error),
    #[error("no TLS: {0}")]
    Files(#[from] TlsError),
    #[error("no HTTP/2: {0}")]
    Http(String),
}

/// A connection's bytes, encrypted or not.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// What drives a connection; ends with it.
pub(crate) type Driver = Pin<Box<Connection<TokioIo<Box<dyn Io>>, Body, TokioExecutor>>>;

/// Connects, with the certificates as they are now. `name` is the server's, for TLS.
pub(crate) async fn connect(
    address: SocketAddr,
    name: Option<ServerName<'static>>,
    credentials: &Credentials,
) -> Result<(Wire, Driver), Unreachable> {
    let tcp = TcpStream::connect(address).await.map_err(Unreachable::Tcp)?;
    tcp.set_nodelay(true).map_err(Unreachable::Tcp)?;
    let io: Box<dyn Io> = match name {
        None => Box::new(tcp),
        Some(name) => {
            let stream = TlsConnector::from(credentials.tls()?).connect(name, tcp).await;
            let stream = stream.map_err(Unreachable::Tls)?;
            if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                return Err(Unreachable::Http("the server does not speak it over TLS".to_owned()));
            }
            Box::new(stream)
        }
    };
    let (send, driver) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(io))
        .await
        .map_err(|error| Unreachable::Http(chain(&error)))?;
    Ok((Wire(send), Box::pin(driver)))
}

/// A connection, as tonic's clients want one. All that goes wrong with it is UNAVAILABLE.
#[derive(Debug, Clone)]
pub(crate) struct Wire(SendRequest<Body>);

impl Service<Request<Body>> for Wire {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(())) // a closed connection gives the request back
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = self.0.try_send_request(request);
        Box::pin(async move {
            match answer.await {
                Ok(answer) => Ok(answer.map(|body| Body::new(body.map_err(|error| broken(&error, true))))),
                Err(error) => Err(broken(error.error(), error.message().is_none())),
            }
        })
    }
}

fn broken(error: &hyper::Error, sent: bool) -> Status {
    let mut status = Status::unavailable(format!("the connection broke: {}", chain(error)));
    if !sent {
        status.set_source(Arc::new(NotSent));
    }
    status
}

/// The request never left this process.
#[derive(Debug)]
struct NotSent;

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request was not sent")
    }
}

impl Error for NotSent {}

/// Whether the signer cannot have seen the request that ended so.
pub(crate) fn was_not_sent(status: &Status) -> bool {
    status.source().is_some_and(<dyn Error>::is::<NotSent>)
}

/// An error with its causes: hyper's own text says only which half failed.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}
