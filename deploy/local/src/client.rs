//! Asks the HTTP port, as a browser or a CDN would, and uploads to it.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, Uri, header, request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use safelight_chassis::BoxError;
use tokio::net::TcpStream;

/// What pictures the made-up client takes.
const ACCEPT: &str = "image/webp,*/*";

/// An answer, to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// A header as text; empty where there is none.
    pub(crate) fn header(&self, name: &HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Sends a request without a body on a connection of its own.
pub(crate) async fn ask(method: Method, url: &str, if_none_match: Option<&str>) -> Result<Answer, BoxError> {
    let mut request = Request::builder().method(method).header(header::ACCEPT, ACCEPT);
    if let Some(etag) = if_none_match {
        request = request.header(header::IF_NONE_MATCH, etag);
    }
    send(request, url, Bytes::new()).await
}

/// Posts a form with one part, `file`, as a browser does. The name must be plain: it is not escaped.
pub(crate) async fn post_file(url: &str, name: &str, file: &[u8]) -> Result<Answer, BoxError> {
    let boundary = random_boundary()?;
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    let body = [head.as_bytes(), file, format!("\r\n--{boundary}--\r\n").as_bytes()].concat();
    let media_type = format!("multipart/form-data; boundary={boundary}");
    let request = Request::builder().method(Method::POST).header(header::CONTENT_TYPE, media_type);
    send(request, url, body.into()).await
}

/// What stands between the parts of a form, and in no file.
fn random_boundary() -> Result<String, BoxError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    Ok(format!("safelight-{}", hex::encode(random)))
}

async fn send(request: request::Builder, url: &str, body: Bytes) -> Result<Answer, BoxError> {
    let uri: Uri = url.parse()?;
    let authority = uri.authority().ok_or("a URL must be absolute")?.as_str();
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let request = request.uri(target).header(header::HOST, authority);
    let stream = TcpStream::connect(authority).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the sender; what goes wrong there is the answer's error.
    tokio::spawn(connection);
    let answer = sender.send_request(request.body(Full::new(body))?).await?;
    let (parts, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Answer { status: parts.status, headers: parts.headers, body })
}
