//! Outcomes of uploads, sent to a URL of the configuration.

use std::{error::Error, time::Duration};

use reqwest::{
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect,
};

use super::text;

/// How long a receiver may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Idle connections kept to each receiver.
const IDLE_CONNECTIONS: usize = 4;

/// Whether a text is the URL of a receiver: absolute, and without credentials, which would be in the log.
#[must_use]
pub fn is_url(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| {
        ["http", "https"].contains(&url.scheme())
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
    })
}

/// The HTTP client for callbacks. Follows no redirect, and reads nothing of an answer but its status.
#[derive(Debug, Clone)]
pub struct Callbacks {
    client: reqwest::Client,
}

impl Callbacks {
    /// Makes the client. No address is refused: the operator has written where callbacks go.
    ///
    /// # Errors
    /// When the TLS roots of the system cannot be loaded.
    pub fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("safelight/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build()?;
        Ok(Self { client })
    }

    /// Sends a body by POST. Any status of 200 to 299 says that it was received.
    ///
    /// # Errors
    /// Why it was not, in words for the log.
    pub async fn send<'h>(
        &self,
        url: &str,
        headers: impl Iterator<Item = (&'h str, &'h str)>,
        body: String,
    ) -> Result<(), String> {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            let header = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
            let (name, value) = header.ok_or_else(|| "the signer's headers cannot be sent".to_owned())?;
            all.insert(name, value);
        }
        let answer = self.client.post(url).headers(all).body(body).send().await;
        let status = answer.map_err(|error| describe(&error))?.status();
        if status.is_success() { Ok(()) } else { Err(format!("the receiver answered with status {status}")) }
    }
}

/// What happened, without the URL: it may hold a secret.
fn describe(error: &reqwest::Error) -> String {
    if error.is_timeout() && error.is_connect() {
        return format!("no connection within {CONNECT_TIMEOUT:?}");
    }
    if error.is_timeout() {
        return format!("no answer within {TIMEOUT:?}");
    }
    let innermost = std::iter::successors(error.source(), |error| (*error).source()).last();
    let detail = innermost.map(ToString::to_string).unwrap_or_default();
    let step = if error.is_connect() { "connecting failed" } else { "no HTTP answer" };
    format!("{step}: {}", text::shown(&detail, &HeaderMap::new()))
}
