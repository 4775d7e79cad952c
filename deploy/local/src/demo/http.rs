//! The same over HTTP, as browsers and CDNs ask; and URLs that expire, over both.

use std::time::Duration;

use http::{Method, StatusCode, header};
use safelight_chassis::BoxError;
use tokio::time::Instant;

use super::{Demo, PRIVATE, PUBLIC, ensure};
use crate::client::{Answer, ask};

/// By when a URL of one second has certainly expired: both ends are whole seconds.
const EXPIRED: Duration = Duration::from_secs(2);

/// A URL that expires in a moment.
pub(super) struct Expiring {
    url: String,
    gone: Instant,
}

impl Demo<'_> {
    /// A GET and a HEAD, once more with the ETag, then what must be refused. The signed URL.
    pub(super) async fn http(&self, base: &str) -> Result<String, BoxError> {
        self.say.line("\n4. The same over HTTP: a plain GET, as browsers and CDNs send it");
        let url = format!("{base}/{PRIVATE}");
        let signed_url = self.sign(&url, 3600).await?;

        let got = answered(Method::GET, &signed_url, None, StatusCode::OK).await?;
        let (etag, cache) = (got.header(&header::ETAG), got.header(&header::CACHE_CONTROL));
        let (media_type, size) = (got.header(&header::CONTENT_TYPE), got.body.len());
        ensure(got.header(&header::CONTENT_LENGTH) == size.to_string(), "Content-Length must be exact")?;
        ensure(etag.starts_with('"'), "an answer must have a strong ETag")?;
        ensure(max_age(cache).is_some_and(|age| (1..=3600).contains(&age)), "max-age must end with the URL")?;
        self.say.step("GET", format!("200 {media_type}, {size} bytes"));
        self.say.step("", format!("ETag: {etag}"));
        self.say.step("", format!("Cache-Control: {cache}"));

        let head = answered(Method::HEAD, &signed_url, None, StatusCode::OK).await?;
        let same = [header::ETAG, header::CONTENT_TYPE, header::CONTENT_LENGTH]
            .iter()
            .all(|name| head.headers.get(name) == got.headers.get(name));
        ensure(same && head.body.is_empty(), "HEAD must have GET's headers, and no body")?;
        self.say.step("HEAD", "200, the same head");

        let again = answered(Method::GET, &signed_url, Some(etag), StatusCode::NOT_MODIFIED).await?;
        ensure(again.body.is_empty(), "an unchanged picture must not be sent again")?;
        self.say.step("GET, If-None-Match", "304");

        let public = answered(Method::GET, &format!("{base}/{PUBLIC}"), None, StatusCode::OK).await?;
        ensure(!public.body.is_empty(), "a public variant needs no signature")?;
        self.say.step("GET, public variant", format!("200, {} bytes", public.body.len()));

        let changed = signed_url.replace(&format!("/{PRIVATE}?"), "/width=801?");
        self.refused_get("GET, changed URL", &changed).await?;
        self.refused_get("GET, unsigned URL", &url).await?;
        Ok(signed_url)
    }

    /// A URL that is to be asked for when it has expired.
    pub(super) async fn expiring(&self, base: &str) -> Result<Expiring, BoxError> {
        let url = self.sign(&format!("{base}/{PRIVATE}"), 1).await?;
        Ok(Expiring { url, gone: Instant::now() + EXPIRED })
    }

    /// Waits until it has, and asks.
    pub(super) async fn expired(&self, Expiring { url, gone }: Expiring) -> Result<(), BoxError> {
        tokio::time::sleep_until(gone).await;
        self.say.line("\n6. A URL that was signed for a second, after two");
        self.refused_call("Deliver", &url).await?;
        self.refused_get("GET", &url).await
    }

    /// The HTTP port must refuse the URL as such.
    pub(super) async fn refused_get(&self, what: &str, url: &str) -> Result<(), BoxError> {
        let refused = answered(Method::GET, url, None, StatusCode::FORBIDDEN).await?;
        let problem: serde_json::Value = serde_json::from_slice(&refused.body)?;
        ensure(problem["reason"] == "URL_REFUSED", &format!("{what}: {problem}"))?;
        self.say.step(what, "403 URL_REFUSED");
        Ok(())
    }
}

/// Asks; the answer must have this status.
pub(super) async fn answered(
    method: Method,
    url: &str,
    if_none_match: Option<&str>,
    expected: StatusCode,
) -> Result<Answer, BoxError> {
    let answer = ask(method.clone(), url, if_none_match).await?;
    if answer.status == expected {
        return Ok(answer);
    }
    let text = String::from_utf8_lossy(&answer.body);
    Err(format!("{method} {url}: {expected} was expected, not {}: {text}", answer.status).into())
}

/// The seconds of `max-age`.
fn max_age(cache_control: &str) -> Option<u64> {
    cache_control.split(", ").find_map(|directive| directive.strip_prefix("max-age="))?.parse().ok()
}
