//! The gallery: a page that uploads pictures and shows them, on a port of its own.

mod backend;

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use safelight_chassis::BoxError;
use serde_json::{Value as Json, json};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    task::{AbortHandle, JoinSet},
};

pub(crate) use backend::{ACCOUNT, Backend, NewUpload, Privacy};

const PAGE: &str = include_str!("../gallery/index.html");
const SCRIPT: &str = include_str!("../gallery/gallery.js");
const STYLE: &str = include_str!("../gallery/gallery.css");

/// Connections at once. More wait.
const MAX_CONNECTIONS: usize = 64;
/// How long the head of a request may take, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

type Answer = Response<Full<Bytes>>;

/// The page's server. Dropping it stops it.
pub(crate) struct Gallery {
    address: SocketAddr,
    serving: AbortHandle,
}

impl Gallery {
    /// Listens on `port` of the loopback interface (0: any that is free) and serves.
    pub(crate) async fn start(backend: Arc<Backend>, port: u16) -> Result<Self, BoxError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        // Scripts and styles come from this port alone, pictures and uploads go to the resizer's.
        let resizer = backend.resizer();
        let policy = HeaderValue::try_from(format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src {resizer} data:; \
             connect-src 'self' {resizer}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ))?;
        let site = Site { backend, policy };
        let serving = tokio::spawn(accept(listener, site)).abort_handle();
        Ok(Self { address, serving })
    }

    /// The page's URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for Gallery {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn accept(listener: TcpListener, site: Site) -> io::Result<()> {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // Aborted with this.
    let mut connections = JoinSet::new();
    loop {
        let permit = Arc::clone(&permits).acquire_owned().await.map_err(io::Error::other)?;
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let site = site.clone();
        connections.spawn(async move {
            let service = service_fn(|request| async { Ok::<_, Infallible>(site.answer(request).await) });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
            // A connection that fails is the client's to notice.
            _ = http.serve_connection(TokioIo::new(stream), service).await;
            drop(permit);
        });
    }
}

/// What is served.
#[derive(Clone)]
struct Site {
    backend: Arc<Backend>,
    policy: HeaderValue,
}

impl Site {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (method, headers) = (request.method(), request.headers());
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let mut answer = match request.uri().path() {
            _ if !is_for_this_machine(headers) => failure(
                StatusCode::MISDIRECTED_REQUEST,
                "This page is served under 127.0.0.1 and localhost only.",
            ),
            "/" if reads => file("text/html; charset=utf-8", PAGE),
            "/gallery.js" if reads => file("text/javascript; charset=utf-8", SCRIPT),
            "/gallery.css" if reads => file("text/css; charset=utf-8", STYLE),
            "/api/pictures" if reads => answered(self.backend.pictures().await),
            "/api/upload-url" if method == Method::POST && !is_from_this_page(headers) => {
                failure(StatusCode::FORBIDDEN, "Only this page may ask for upload URLs.")
            }
            "/api/upload-url" if method == Method::POST => self.upload_url(request.uri().query()).await,
            "/api/upload-url" => not_allowed("POST"),
            "/" | "/gallery.js" | "/gallery.css" | "/api/pictures" => not_allowed("GET, HEAD"),
            _ => failure(StatusCode::NOT_FOUND, "There is nothing under this path."),
        };
        for (name, value) in [
            (header::CONTENT_SECURITY_POLICY, self.policy.clone()),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
        ] {
            answer.headers_mut().insert(name, value);
        }
        answer
    }

    /// A fresh upload URL, for a picture that will be private unless the query says `privacy=public`.
    async fn upload_url(&self, query: Option<&str>) -> Answer {
        let Some(privacy) = Privacy::of(query) else {
            return failure(
                StatusCode::BAD_REQUEST,
                "Expected privacy=private or privacy=public, or neither.",
            );
        };
        let upload = self.backend.new_upload(privacy).await;
        answered(upload.map(|upload| json!({ "upload_url": upload.url })))
    }
}

/// Whether the request names this machine. A site whose name was made to resolve to 127.0.0.1 (DNS rebinding) would
/// otherwise count as this page's own.
fn is_for_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = text(headers, &header::HOST) else { return false };
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "127.0.0.1" || name.eq_ignore_ascii_case("localhost")
}

/// Whether the request is sent by this page or by a program, and not by another site's page.
fn is_from_this_page(headers: &HeaderMap) -> bool {
    let site = headers.get(SEC_FETCH_SITE);
    let same_site = site.is_none_or(|site| site == "same-origin" || site == "none");
    let own = text(headers, &header::HOST).map(|host| format!("http://{host}"));
    same_site && headers.get(header::ORIGIN).is_none_or(|origin| own.is_some_and(|own| *origin == own))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn file(media_type: &'static str, text: &'static str) -> Answer {
    of(StatusCode::OK, media_type, Bytes::from_static(text.as_bytes()))
}

/// What the backend says.
fn answered(told: Result<Json, BoxError>) -> Answer {
    match told {
        Ok(told) => of(StatusCode::OK, "application/json", told.to_string().into()),
        Err(error) => failure(StatusCode::BAD_GATEWAY, &format!("The services did not answer: {error}")),
    }
}

fn not_allowed(methods: &'static str) -> Answer {
    let mut answer = failure(StatusCode::METHOD_NOT_ALLOWED, &format!("Allowed here: {methods}."));
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    answer
}

fn failure(status: StatusCode, message: &str) -> Answer {
    of(status, "application/json", json!({ "message": message }).to_string().into())
}

fn of(status: StatusCode, media_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}
