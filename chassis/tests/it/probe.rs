//! A service that does what its request's text tells it.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{
    FutureExt, Stream, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use http::{Request, Response};
use safelight_chassis::{
    access::Caller,
    deadline::Deadline,
    request_id::{RequestId, TraceParent},
};
use safelight_proto::reason::Reason;
use tokio::sync::watch;
use tonic::{Status, body::Body, server::NamedService};
use tonic_prost::ProstCodec;
use tower::service_fn;

pub(crate) const DO: &str = "/probe.v1.Probe/Do";
pub(crate) const STREAM: &str = "/probe.v1.Probe/Stream";
pub(crate) const COLLECT: &str = "/probe.v1.Probe/Collect";

/// Bytes of the largest request message, framing aside.
pub(crate) const MAX_REQUEST: usize = 1000;
/// Bytes of the largest answer.
pub(crate) const MAX_ANSWER: usize = 100_000;

/// What a panic says; it must not reach a caller.
pub(crate) const PANIC_TEXT: &str = "the secret of the panic";

/// What handlers and tests tell each other.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Handlers that wait for `released`, ever.
    pub(crate) waiting: watch::Sender<usize>,
    /// Of these, the ones that are over, in whichever way.
    pub(crate) over: watch::Sender<usize>,
    pub(crate) released: watch::Sender<bool>,
}

impl Shared {
    /// Returns once `count` handlers wait.
    pub(crate) async fn until_waiting(&self, count: usize) {
        until(&self.waiting, count).await;
    }

    /// Returns once `count` handlers that waited are over.
    pub(crate) async fn until_over(&self, count: usize) {
        until(&self.over, count).await;
    }

    pub(crate) fn release(&self) {
        self.released.send_replace(true);
    }

    fn enter(self: &Arc<Self>) -> Guard {
        self.waiting.send_modify(|count| *count += 1);
        Guard(Arc::clone(self))
    }
}

async fn until(sender: &watch::Sender<usize>, count: usize) {
    let mut receiver = sender.subscribe();
    let reached = receiver.wait_for(|now| *now >= count);
    tokio::time::timeout(Duration::from_secs(20), reached).await.expect("a handler to get there").unwrap();
}

struct Guard(Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.over.send_modify(|count| *count += 1);
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Probe(pub(crate) Arc<Shared>);

impl Probe {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared {
            waiting: watch::Sender::new(0),
            over: watch::Sender::new(0),
            released: watch::Sender::new(false),
        }))
    }

    async fn answer(self, request: tonic::Request<String>) -> Result<String, Status> {
        let (what, rest) = request.get_ref().split_once(' ').unwrap_or((request.get_ref(), ""));
        Ok(match what {
            "echo" => rest.to_owned(),
            "wait" => {
                let _guard = self.0.enter();
                self.released().await;
                "released".to_owned()
            }
            "panic" => panic!("{PANIC_TEXT}"),
            "remaining" => request
                .extensions()
                .get::<Deadline>()
                .map_or_else(|| "none".to_owned(), |d| d.remaining().as_millis().to_string()),
            "caller" => Caller::of(request.extensions()).to_string(),
            "id" => request.extensions().get::<RequestId>().expect("an id").to_string(),
            "trace" => {
                let parent = request.extensions().get::<TraceParent>();
                parent.map_or_else(|| "none".to_owned(), |parent| parent.as_str().to_owned())
            }
            "header" => format!("{:?}", request.metadata().get(rest)),
            "peer" => request.remote_addr().expect("an address").to_string(),
            "bare" => return Err(Status::permission_denied("internal text")),
            "busy" => return Err(Reason::Busy.error("later").into()),
            "big" => "x".repeat(rest.parse().unwrap()),
            other => panic!("told to {other}"),
        })
    }

    fn stream(self, what: &str) -> BoxStream<'static, Result<String, Status>> {
        let first = stream::iter([Ok("first".to_owned())]);
        match what {
            "wait" => {
                let guard = self.0.enter();
                let second = async move {
                    let _guard = guard;
                    self.released().await;
                    Ok("second".to_owned())
                };
                first.chain(second.into_stream()).boxed()
            }
            "panic" => first.chain(stream::poll_fn(|_| panic!("{PANIC_TEXT}"))).boxed(),
            // tonic sends what it has when a stream makes it wait.
            "pause-panic" => {
                let second = async {
                    tokio::task::yield_now().await;
                    panic!("{PANIC_TEXT}")
                };
                first.chain(second.into_stream()).boxed()
            }
            "bare" => first.chain(stream::iter([Err(Status::internal("internal text"))])).boxed(),
            // Always ready.
            "firehose" => {
                let guard = self.0.enter();
                stream::repeat_with(move || {
                    let _guard = &guard;
                    Ok("x".repeat(50_000))
                })
                .boxed()
            }
            other => panic!("told to {other}"),
        }
    }

    async fn released(&self) {
        self.0.released.subscribe().wait_for(|released| *released).await.unwrap();
    }
}

impl NamedService for Probe {
    const NAME: &'static str = "probe.v1.Probe";
}

impl tower::Service<Request<Body>> for Probe {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let probe = self.clone();
        let mut grpc = tonic::server::Grpc::new(ProstCodec::<String, String>::default())
            .max_decoding_message_size(MAX_REQUEST)
            .accept_compressed(tonic::codec::CompressionEncoding::Gzip)
            .max_encoding_message_size(MAX_ANSWER);
        async move {
            Ok(match request.uri().path() {
                DO => {
                    let handler =
                        service_fn(|r| probe.clone().answer(r).map(|a| a.map(tonic::Response::new)));
                    grpc.unary(handler, request).await
                }
                STREAM => {
                    let handler = service_fn(|r: tonic::Request<String>| {
                        let stream = probe.clone().stream(r.get_ref());
                        async { Ok::<_, Status>(tonic::Response::new(stream)) }
                    });
                    grpc.server_streaming(Streaming(handler), request).await
                }
                COLLECT => {
                    let handler = service_fn(|r: tonic::Request<tonic::Streaming<String>>| async {
                        let mut messages = r.into_inner();
                        let mut all = String::new();
                        while let Some(text) = messages.message().await? {
                            all += &text;
                        }
                        Ok::<_, Status>(tonic::Response::new(all))
                    });
                    grpc.client_streaming(Collecting(handler), request).await
                }
                // As generated servers do.
                _ => Status::new(tonic::Code::Unimplemented, "").into_http(),
            })
        }
        .boxed()
    }
}

/// tonic's traits for handlers, which closures implement only where their types say so.
struct Streaming<S>(S);

impl<S, A> tonic::server::ServerStreamingService<String> for Streaming<S>
where
    S: tower::Service<tonic::Request<String>, Response = tonic::Response<A>, Error = Status>,
    A: Stream<Item = Result<String, Status>>,
{
    type Response = String;
    type ResponseStream = A;
    type Future = S::Future;

    fn call(&mut self, request: tonic::Request<String>) -> Self::Future {
        self.0.call(request)
    }
}

struct Collecting<S>(S);

impl<S> tonic::server::ClientStreamingService<String> for Collecting<S>
where
    S: tower::Service<
            tonic::Request<tonic::Streaming<String>>,
            Response = tonic::Response<String>,
            Error = Status,
        >,
{
    type Response = String;
    type Future = S::Future;

    fn call(&mut self, request: tonic::Request<tonic::Streaming<String>>) -> Self::Future {
        self.0.call(request)
    }
}
