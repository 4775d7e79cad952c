//! The HTTP door: GET and HEAD of every route, and uploads, for browsers, CDNs and proxies. Translates, and calls [`app`](crate::app).
//!
//! The signed URL, or that its variant is public, is the authority: there are no callers. The target is verified as it was
//! received, byte for byte but for a fragment, which is no part of a target: the parser drops what follows a `#`.
//!
//! # Layout
//! - [`config`]: the `[http]` table
//! - [`forwarded`]: who asked, of which scheme and host; trusted proxies
//! - `request`: what the request's headers say
//! - `headers`: what the answer's head says
//! - `cors`: what scripts of other sites may do; `OPTIONS`
//! - `answer`: a picture, into a body
//! - `problem`: errors
//! - `upload`: pictures in

mod answer;
pub mod config;
mod cors;
pub mod forwarded;
mod headers;
mod problem;
mod request;
mod upload;

use std::{
    future::poll_fn,
    pin::Pin,
    ptr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use ::http::{Method, Request, Response, StatusCode, Version, header, request::Parts};
use http_body::Body as _;
use hyper::body::Incoming;
use safelight_chassis::{
    http::{Body, Handler, Peer},
    request_id::{RequestId, TraceParent},
    server::Server,
};
use safelight_proto::reason::{CallError, Reason};
use tokio::time::{timeout, timeout_at};

use self::{forwarded::Viewer, request::Asking};
use crate::{
    app::{
        App, Context,
        deliver::{Asked, Delivered},
        error,
        permits::ByUrl,
        sink::Collected,
    },
    delivery::{Presentation, Route, Target, presentation::Origins},
    origin::CallerHeaders,
};
pub use config::Config;

/// The methods that are answered.
const METHODS: &str = "GET, HEAD, OPTIONS";

/// Adds the door to a server.
pub(crate) fn add_to(server: Server, app: Arc<App>, config: &Config) -> Server {
    let door = Door {
        app,
        proxies: Arc::new(config.proxies.clone()),
        deadline: config.deadline,
        upload_deadline: config.upload_deadline,
    };
    server.http(config.listen, config.limits, door)
}

/// Most bytes of a request's body that are read and thrown away.
const MAX_DISCARDED: usize = 64 * 1024;
/// How long that may take.
const DISCARD_TIME: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
struct Door {
    app: Arc<App>,
    proxies: Arc<forwarded::Proxies>,
    deadline: Duration,
    upload_deadline: Duration,
}

impl Handler for Door {
    async fn handle(&self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let request_id = parts.extensions.get::<RequestId>().map(ToString::to_string).unwrap_or_default();
        let context = Context {
            request_id: Some(request_id.clone()),
            trace_parent: parts.extensions.get::<TraceParent>().map(|parent| parent.as_str().to_owned()),
            ..Context::until(Instant::now() + self.deadline)
        };
        let path = parts.uri.path();
        let is_read = [Method::GET, Method::HEAD].contains(&parts.method);
        if let Some(rule) = self.app.uploads().at(path)
            && !(is_read && self.app.delivery().route(path).is_some())
        {
            return self.upload(rule, &parts, body, context).await;
        }
        discard(body).await;
        let mut route = None;
        let answered = self.answer(&parts, peer, context, &mut route).await;
        let presentation = route.map(|route| &route.presentation);
        let mut response =
            answered.unwrap_or_else(|error| problem::answer(&error, &request_id, presentation));
        if let Some(presentation) = presentation {
            let Presentation { cors, timing_allow_origin, .. } = presentation;
            cors::mark(cors, timing_allow_origin, &parts.headers, response.headers_mut());
        }
        // The head is the same, `Content-Length` included.
        if parts.method == Method::HEAD { response.map(|_| Body::empty()) } else { response }
    }

    fn refuse(&self, error: &CallError, request_id: &str) -> Response<Body> {
        problem::answer(error, request_id, None)
    }
}

/// Reads a small body and throws it away: an HTTP/2 stream that is reset because its body was not read may reach the client
/// ahead of the answer. A larger or slower one is not waited for.
async fn discard(mut body: Incoming) {
    let mut left = MAX_DISCARDED;
    let read = async {
        while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len()));
            if left == 0 {
                break;
            }
        }
    };
    _ = timeout(DISCARD_TIME, read).await;
}

impl Door {
    /// Answers a request. `found` becomes its route, as soon as that is known.
    async fn answer<'a>(
        &'a self,
        parts: &Parts,
        peer: Peer,
        context: Context,
        found: &mut Option<&'a Route>,
    ) -> Result<Response<Body>, CallError> {
        if parts.version == Version::HTTP_11 && !parts.headers.contains_key(header::HOST) {
            return Err(CallError::field("url", "there is no Host header"));
        }
        if ![Method::GET, Method::HEAD, Method::OPTIONS].contains(&parts.method) {
            return Err(Reason::HttpMethodUnsupported.error(format!("only {METHODS} are answered here")));
        }
        let authority = parts.uri.authority().map(::http::uri::Authority::as_str);
        let Viewer { origin, client } = self.proxies.viewer(peer, authority, &parts.headers)?;
        let received = parts.uri.path_and_query().map_or("", |target| target.as_str());
        if parts.method == Method::OPTIONS && received == "*" {
            return Ok(cors::options(&Origins::None, METHODS, &parts.headers));
        }
        let target = Target::received(origin.as_deref(), received).map_err(error::target)?;
        *found = self.app.delivery().route(target.path());
        if let Some(route) = found
            && parts.method == Method::OPTIONS
        {
            return Ok(cors::options(&route.presentation.cors, METHODS, &parts.headers));
        }

        let asking = Asking::read(&parts.headers);
        let caller = CallerHeaders::default();
        let asked = Asked {
            target,
            accept: &asking.accept,
            if_none_match: &asking.if_none_match,
            if_modified_since: asking.if_modified_since,
            client,
            cookies: &asking.cookies,
            caller: &caller,
            share_publicly: false,
        };
        let delivered = self.deliver(asked, parts, &context, found);
        match timeout_at(context.deadline.into(), delivered).await {
            Ok(answered) => answered,
            Err(_) => Err(Reason::DeadlineExceeded.error("the picture could not be made in time")),
        }
    }

    async fn deliver<'a>(
        &'a self,
        asked: Asked<'_>,
        parts: &Parts,
        context: &Context,
        found: &mut Option<&'a Route>,
    ) -> Result<Response<Body>, CallError> {
        let resolved = self.app.resolve(asked.target, request::hints(&parts.headers))?;
        // A route of the configuration outlives the URL that it was found by.
        *found = self.app.delivery().routes.iter().find(|route| ptr::eq(*route, resolved.route));
        let presentation = &resolved.route.presentation;
        let place = self.app.enter()?;
        let delivered = self.app.deliver(&resolved, asked, &ByUrl, place, context).await?;
        let mut response = Response::new(Body::empty());
        headers::guard(response.headers_mut(), Some(presentation));
        let (head, content) = match delivered {
            Delivered::NotModified(head) => {
                headers::describe(response.headers_mut(), &head, presentation, SystemTime::now());
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                return Ok(response);
            }
            Delivered::Picture(head, content) => (head, *content),
        };
        let mut collected = Collected::default();
        self.app.answer(content, context, &mut collected).await?;
        let Collected { head: Some(output), bytes, end: Some((summary, held)) } = collected else {
            return Err(Reason::Internal.error("the picture could not be made"));
        };
        // Only now: the time that it took does not count.
        let fields = response.headers_mut();
        headers::describe(fields, &head, presentation, SystemTime::now());
        headers::insert(fields, header::CONTENT_TYPE, output.format.media_type());
        headers::insert(fields, header::CONTENT_LENGTH, &output.length.to_string());
        if presentation.server_timing {
            headers::server_timing(fields, &summary.timings);
        }
        if presentation.filename {
            headers::filename(fields, &head.object_key, output.format);
        }
        *response.body_mut() = answer::body(bytes, held);
        Ok(response)
    }
}
