//! One connection, from preface to GOAWAY.

use std::{io, pin::pin};

use hyper::{
    server::conn::http2,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tonic::transport::server::TcpConnectInfo;

use super::{Limits, Security, stream::Calls};
use crate::{
    caller::{Caller, Identified},
    layer::Stack,
    random,
    tls::{self, Tls},
};

/// What every HTTP/2 client sends first (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How a connection came to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("no HTTP/2 preface in time")]
    PrefaceTimeout,
    #[error("not HTTP/2")]
    NotHttp2,
    #[error("the client's certificate has no URI, which would name the caller")]
    Nameless,
    #[error("calls went on too long after GOAWAY")]
    Aged,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Http2(#[from] hyper::Error),
}

/// Serves a connection until its peer closes it, its age ends it, or `stop` becomes true and its calls are
/// answered. Whoever drops this cuts it.
pub(super) async fn serve(
    tcp: TcpStream,
    stack: Stack,
    security: Security,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Broken> {
    // Answers are written whole: nothing is gained by waiting for more to put in a packet.
    tcp.set_nodelay(true)?;
    let info = TcpConnectInfo { local_addr: tcp.local_addr().ok(), remote_addr: tcp.peer_addr().ok() };
    let opening = open(tcp, security.tls.as_deref());
    let (io, certified) = tokio::select! {
        io = timeout(limits.preface_timeout, opening) => io.map_err(|_| Broken::PrefaceTimeout)??,
        // Nobody has asked for anything yet.
        () = stopped(&mut stop) => return Ok(()),
    };

    let stack = TowerToHyperService::new(stack);
    let service = service_fn(move |mut request| {
        let identified = match &certified {
            Some(caller) => Ok(caller.clone()),
            None => security.tokens.identify(request.headers()),
        };
        request.extensions_mut().insert(Identified(identified));
        request.extensions_mut().insert(info.clone());
        stack.call(request)
    });
    let mut connection = pin!(builder(&limits).serve_connection(TokioIo::new(io), service));
    let stopping = tokio::select! {
        end = connection.as_mut() => return Ok(end?),
        () = sleep(random::jittered(limits.max_connection_age)) => false,
        () = stopped(&mut stop) => true,
    };
    connection.as_mut().graceful_shutdown();
    if stopping {
        // Bounded by the server's drain.
        return Ok(connection.await?);
    }
    timeout(limits.max_connection_age_grace, connection).await.map_err(|_| Broken::Aged)?.map_err(Into::into)
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the server is gone: stop too.
    _ = stop.wait_for(|stop| *stop).await;
}

/// A connection's bytes, encrypted or not.
trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Shakes hands where there is TLS, and reads the preface. With it comes the caller that a certificate names.
async fn open(tcp: TcpStream, tls: Option<&Tls>) -> Result<(Box<dyn Io>, Option<Caller>), Broken> {
    let Some(tls) = tls else {
        let (read, write) = tcp.into_split();
        return Ok((Box::new(preface(read, write).await?), None));
    };
    let stream = TlsAcceptor::from(tls.config()).accept(tcp).await?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let caller = match certificate {
        Some(certificate) => Some(tls::caller(certificate).ok_or(Broken::Nameless)?),
        None => None,
    };
    let (read, write) = tokio::io::split(stream);
    Ok((Box::new(preface(read, write).await?), caller))
}

/// Reads the preface, which hyper would wait for without end, and hands it on.
async fn preface<R, W>(mut read: R, write: W) -> Result<impl Io, Broken>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin,
{
    let mut found = [0; PREFACE.len()];
    read.read_exact(&mut found).await?;
    if found != PREFACE {
        return Err(Broken::NotHttp2);
    }
    Ok(tokio::io::join(PREFACE.chain(read), write))
}

fn builder(limits: &Limits) -> http2::Builder<Calls> {
    let mut builder = http2::Builder::new(Calls);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_concurrent_streams)
        .initial_stream_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        // Would grow stream windows to 16 MiB, whatever the budget.
        .adaptive_window(false)
        .max_frame_size(limits.max_frame_size)
        .max_send_buf_size(limits.max_send_buffer)
        .max_pending_accept_reset_streams(limits.max_pending_accept_reset_streams)
        .max_header_list_size(limits.max_header_list_size)
        .keep_alive_interval(limits.keepalive_interval)
        .keep_alive_timeout(limits.keepalive_timeout)
        // gRPC has no use for it.
        .auto_date_header(false);
    builder
}
