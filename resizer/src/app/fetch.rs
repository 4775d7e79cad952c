//! An object of an origin, into bytes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::HeaderMap;
use safelight_client::OriginRequest;
use safelight_image::plan::OutputBounds;
use safelight_proto::{
    reason::{CallError, Reason},
    signer::v1::Header,
};

use super::{
    App, Context, error,
    permits::{Permits, Wanted},
    render::Source,
};
use crate::{
    admission::{Place, Rejected, Reserved},
    origin::{
        CallerHeaders, Fetcher, Opened, Origin, OriginError, OriginKind,
        request::{self, SignedGet},
    },
};

/// Part of the remaining time that may be spent fetching: the rest is for making the picture.
const FETCH_SHARE: f64 = 0.9;

/// An object that a caller names.
#[derive(Clone, Copy)]
pub struct Object<'a> {
    /// Name of the origin.
    pub origin: &'a str,
    /// Key, as text.
    pub key: &'a str,
    /// Headers by which the caller itself authorizes the fetch.
    pub caller: &'a CallerHeaders,
}

/// An object whose head has come.
pub(super) struct Found {
    pub(super) opened: Opened,
    /// Time that the signer took; zero when it was not asked.
    pub(super) signer: Duration,
    pub(super) started: Instant,
}

impl App {
    /// Fetches a named object that the caller may have. With it come the largest outputs that the caller may make of it.
    ///
    /// # Errors
    /// `CALLER_DENIED`, `ORIGIN_UNKNOWN`, `OBJECT_KEY_UNSUPPORTED`, the signer's and the origin's failures, `BUSY`.
    pub async fn fetch(
        &self,
        object: Object<'_>,
        permits: &dyn Permits,
        place: Place,
        context: &Context,
    ) -> Result<(Source, Option<OutputBounds>), CallError> {
        let wanted = Wanted { route: None, origin: object.origin, key: object.key, public: false };
        let bounds = permits.object(&wanted)?;
        let Found { opened, signer, started } = self.find(object, context).await?;
        let (bytes, reserved) = self.read(opened).await?;
        let signer = (!signer.is_zero()).then_some(signer);
        Ok((Source { bytes, reserved, place, receive: started.elapsed(), signer }, bounds))
    }

    pub(super) fn origin(&self, name: &str) -> Result<&(Origin, Fetcher), CallError> {
        self.origins
            .get(name)
            .ok_or_else(|| Reason::OriginUnknown.error("no origin of that name is configured"))
    }

    /// Has the request signed where the origin needs that, sends it, and waits for the head of the answer.
    pub(super) async fn find(&self, object: Object<'_>, context: &Context) -> Result<Found, CallError> {
        let (origin, fetcher) = self.origin(object.origin)?;
        let url = request::url(origin, object.key).map_err(error::origin)?;
        let asked = Instant::now();
        let (headers, signer) = match &origin.kind {
            _ if !object.caller.is_empty() => (object.caller.to_headers(), Duration::ZERO),
            OriginKind::S3 { region, signing_key: Some(key) } => {
                let request = OriginRequest { key, method: "GET", url: url.as_str(), region };
                let headers = self.signer.sign_request(request, context).await;
                (signed_headers(&headers.map_err(|error| error::signer(&error))?)?, asked.elapsed())
            }
            OriginKind::S3 { signing_key: None, .. } | OriginKind::Http => (HeaderMap::new(), Duration::ZERO),
        };
        let started = Instant::now();
        let remaining = context.remaining().mul_f64(FETCH_SHARE);
        let opened = fetcher.open(&SignedGet { url, headers }, remaining).await.map_err(error::origin)?;
        Ok(Found { opened, signer, started })
    }

    /// Reads the body, with memory reserved as it grows.
    pub(super) async fn read(&self, opened: Opened) -> Result<(Bytes, Reserved), CallError> {
        /// What can end the reading: the origin, or our own memory.
        enum Ended {
            Origin(OriginError),
            Memory(Rejected),
        }
        impl From<OriginError> for Ended {
            fn from(error: OriginError) -> Self {
                Self::Origin(error)
            }
        }
        let mut reserved = self.admission.upload();
        let read =
            opened.read(self.limits.max_source_bytes, |bytes| reserved.grow_to(bytes).map_err(Ended::Memory));
        let bytes = read.await.map_err(|ended| match ended {
            Ended::Origin(error) => error::origin(error),
            Ended::Memory(rejected) => error::rejected(rejected),
        })?;
        Ok((bytes, reserved))
    }
}

/// The signer's headers, ready to be sent.
fn signed_headers(headers: &[Header]) -> Result<HeaderMap, CallError> {
    let pairs = headers.iter().map(|header| (header.name.as_str(), header.value.as_str()));
    request::signed_headers(pairs).ok_or_else(error::unusable_signature)
}
