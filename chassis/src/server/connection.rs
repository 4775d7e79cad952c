//! One connection, from its first byte to GOAWAY.

use std::{pin::Pin, sync::Arc, time::Duration};

use http::Request;
use hyper::{
    server::conn::{http1, http2},
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
    service::TowerToHyperService,
};
use safelight_proto::reason::{CallError, Reason};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tonic::transport::server::TcpConnectInfo;

use super::{
    Limits,
    broken::Broken,
    census::Place,
    headers,
    port::{Door, Port},
    stream::Calls,
    wire::{Stream, Wire},
};
use crate::{
    access::{self, Caller, Identified},
    http::Peer,
    layer::gate::{HEALTH, RETRY_AFTER, Refused},
    random,
};

/// How long an idle connection may take to close once it was asked to.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves a connection until its peer closes it, its age ends it, it must make room, or `stop` becomes true and its
/// calls are answered. Dropping this cuts it.
pub(super) async fn serve(
    tcp: TcpStream,
    port: Arc<Port>,
    place: Place,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Broken> {
    // Answers are written whole: nothing is gained by waiting for more to put in a packet.
    tcp.set_nodelay(true)?;
    let info = TcpConnectInfo { local_addr: tcp.local_addr().ok(), remote_addr: tcp.peer_addr().ok() };
    let opening = open(tcp, &port);
    let (wire, is_http2, certified) = tokio::select! {
        wire = timeout(port.limits.preface_timeout, opening) => wire.map_err(|_| Broken::PrefaceTimeout)??,
        // Nobody has asked for anything yet.
        () = place.evicted() => return Ok(()),
        () = stopped(&mut stop) => return Ok(()),
    };
    let io = TokioIo::new(wire);
    let place = Arc::new(place);
    match &port.door {
        Door::Grpc { stack, tokens } => {
            if !is_http2 {
                return Err(Broken::NotHttp2);
            }
            let (stack, tokens) = (TowerToHyperService::new(stack.clone()), tokens.clone());
            let held = Arc::clone(&place);
            let service = service_fn(move |mut request| {
                if let Some(refused) = refused(&request, &held) {
                    request.extensions_mut().insert(Refused(refused));
                }
                let identified = match &certified {
                    Some(caller) => Ok(caller.clone()),
                    None => tokens.identify(request.headers()),
                };
                request.extensions_mut().insert(Identified(identified));
                request.extensions_mut().insert(info.clone());
                stack.call(request)
            });
            let connection = http2(&port, &place).serve_connection(io, service);
            drive(Box::pin(connection), &port, &place, Overlap::Yes, stop).await
        }
        Door::Http(service) => {
            let peer = Peer { remote: info.remote_addr, is_tls: port.tls.is_some() };
            let (service, held) = (service.clone(), Arc::clone(&place));
            let limit = port.limits.max_connection_age_grace;
            let service = service_fn(move |request| service.answer(request, peer, held.busy(), limit));
            if is_http2 {
                let connection = http2(&port, &place).serve_connection(io, service);
                drive(Box::pin(connection), &port, &place, Overlap::Yes, stop).await
            } else {
                let connection = http1(&port.limits).serve_connection(io, service);
                drive(Box::pin(connection), &port, &place, Overlap::No, stop).await
            }
        }
    }
}

/// Whether a connection may have several requests in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overlap {
    Yes,
    No,
}

/// Drives a connection, and ends it in time.
async fn drive<C>(
    mut connection: Pin<Box<C>>,
    port: &Port,
    place: &Place,
    overlap: Overlap,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Broken>
where
    C: GracefulConnection<Error = hyper::Error>,
{
    let end = tokio::select! {
        end = connection.as_mut() => return Ok(end?),
        () = sleep(random::jittered(port.limits.max_connection_age)) => End::Asked,
        () = place.evicted() => End::Asked,
        slow = too_long(port, place, overlap) => if slow { return Err(Broken::Slow) } else { End::Asked },
        () = stopped(&mut stop) => End::Drain,
    };
    connection.as_mut().graceful_shutdown();
    match end {
        // Bounded by the server's drain.
        End::Drain => tokio::select! {
            end = connection => Ok(end?),
            slow = too_long(port, place, overlap) => if slow { Err(Broken::Slow) } else { Ok(()) },
        },
        End::Asked => {
            timeout(port.limits.max_connection_age_grace, farewell(connection, port, place, overlap))
                .await
                .map_err(|_| Broken::Aged)?
        }
    }
}

/// Why a connection is to end.
enum End {
    /// The server stops.
    Drain,
    /// It is old, was idle for too long, or must make room.
    Asked,
}

/// Lets calls in progress finish. A peer that has none and does not close is cut off: at once where others wait for its
/// place, else after a while.
async fn farewell<C>(
    mut connection: Pin<Box<C>>,
    port: &Port,
    place: &Place,
    overlap: Overlap,
) -> Result<(), Broken>
where
    C: GracefulConnection<Error = hyper::Error>,
{
    loop {
        let (was_busy, _) = place.state();
        let mut is_crowded = false;
        tokio::select! {
            // The connection first: it sends GOAWAY.
            biased;
            end = connection.as_mut() => return Ok(end?),
            slow = too_long(port, place, overlap) => if slow { return Err(Broken::Slow) },
            () = place.crowded(), if !was_busy => is_crowded = true,
            () = sleep(FAREWELL) => {}
        }
        let (is_busy, since) = place.state();
        if !is_busy && (is_crowded || since >= FAREWELL) {
            return Ok(());
        }
    }
}

/// Returns true once a request has been in progress for too long, false once there has been none for too long. The gRPC
/// port has deadlines, and keeps connections that are idle. Requests that overlap may keep a connection busy for good, and
/// are bounded each for itself, see [`stream`](super::stream).
async fn too_long(port: &Port, place: &Place, overlap: Overlap) -> bool {
    let Some(patience) = port.patience else { return std::future::pending().await };
    // The one may begin while the other is waited for.
    let look = (patience.idle_timeout.min(patience.answer_timeout) / 4).max(Duration::from_millis(10));
    loop {
        let (is_busy, since) = place.state();
        if is_busy && overlap == Overlap::Yes {
            sleep(look).await;
            continue;
        }
        let limit = if is_busy { patience.answer_timeout } else { patience.idle_timeout };
        match limit.checked_sub(since) {
            Some(left) if !left.is_zero() => sleep(left.min(look)).await,
            _ => return is_busy,
        }
    }
}

/// Why a call is to be refused for what its connection is or sent, if it is.
fn refused<B>(request: &Request<B>, place: &Place) -> Option<CallError> {
    if let Some(size) = request.headers().get(headers::TOO_LARGE) {
        let size = size.to_str().unwrap_or("too many");
        let message = format!("the metadata has {size} bytes, names and values and 32 for each: send less");
        return Some(Reason::MetadataTooLarge.error(message));
    }
    let is_probe = request.uri().path().starts_with(HEALTH);
    (!is_probe && place.is_extra()).then(|| {
        Reason::Busy.error("as many connections as the process takes are busy").retry_after(RETRY_AFTER)
    })
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the server is gone: stop too.
    _ = stop.wait_for(|stop| *stop).await;
}

/// Shakes hands where there is TLS, and reads until the protocol is known. With it comes the caller that a certificate
/// names.
async fn open(tcp: TcpStream, port: &Port) -> Result<(Wire, bool, Option<Caller>), Broken> {
    let max_headers = usize::try_from(port.limits.max_header_list_size).unwrap_or(usize::MAX);
    let Some(tls) = &port.tls else {
        let (wire, is_http2) = Wire::open(Stream::Plain(tcp), max_headers).await?;
        return Ok((wire, is_http2, None));
    };
    let config = match &port.door {
        Door::Grpc { .. } => tls.grpc(),
        Door::Http(_) => tls.http(),
    };
    let stream = TlsAcceptor::from(config).accept(tcp).await?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let caller = match certificate {
        Some(certificate) => Some(access::certified(certificate).ok_or(Broken::Nameless)?),
        None => None,
    };
    let (wire, is_http2) = Wire::open(Stream::Tls(Box::new(stream)), max_headers).await?;
    Ok((wire, is_http2, caller))
}

fn http2(port: &Port, place: &Arc<Place>) -> http2::Builder<Calls> {
    let limits = &port.limits;
    let mut builder = http2::Builder::new(Calls(Arc::clone(place)));
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
        // gRPC has no use for it; HTTP answers get theirs with the rest.
        .auto_date_header(port.patience.is_some());
    builder
}

fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // `too_long` bounds it, with the time before the head.
        .header_read_timeout(None)
        .max_header_size(usize::try_from(limits.max_header_list_size).unwrap_or(usize::MAX))
        .max_buf_size(limits.max_send_buffer);
    builder
}
