//! An object of an origin, into bytes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use safelight_client::{Fetch, OriginRequest};
use safelight_image::{cancel::Cancel, plan::OutputBounds};
use safelight_proto::{
    reason::{CallError, Reason},
    signer::v1::Header,
};

use super::{
    App, Context,
    agreement::Agreement,
    error,
    metrics::FETCHED,
    permits::{Permits, Wanted},
    render::{CancelOnDrop, Source},
    results::Known,
    source::{SourceBytes, is_image},
};
use crate::{
    admission::{Place, Rejected, Reserved},
    delivery::Route,
    origin::{
        Body, CallerHeaders, Fetcher, Opened, Origin, OriginError, Provenance, SignedRequest, Stat, request,
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

/// A request that may be sent.
struct Signed<'a> {
    request: SignedRequest,
    fetcher: &'a Fetcher,
    /// Time that the signer took.
    signer: Duration,
}

/// A named object that has been fetched.
#[derive(Debug)]
pub struct Fetched {
    /// Its bytes.
    pub source: Source,
    /// How large outputs the caller may make of it.
    pub bounds: Vec<OutputBounds>,
    /// What the origin says of it.
    pub stat: Stat,
}

impl App {
    /// Fetches a named object that the caller may have.
    ///
    /// # Errors
    /// `CALLER_DENIED`, `ORIGIN_UNKNOWN`, `OBJECT_KEY_UNSUPPORTED`, the signer's and the origin's failures, `BUSY`.
    pub async fn fetch(
        &self,
        object: Object<'_>,
        permits: &dyn Permits,
        place: Place,
        context: &Context,
    ) -> Result<Fetched, CallError> {
        let wanted = Wanted { route: None, origin: object.origin, key: object.key, public: false };
        let bounds = permits.object(&wanted)?;
        let Found { opened, signer, started } = self.find(object, None, context).await?;
        let stat = opened.stat();
        let (bytes, reserved) = self.read(object.origin, opened).await?;
        let signer = (!signer.is_zero()).then_some(signer);
        let source = Source { bytes, reserved, place, receive: started.elapsed(), signer };
        Ok(Fetched { source, bounds, stat })
    }

    pub(super) fn origin(&self, name: &str) -> Result<&(Origin, Fetcher), CallError> {
        self.origins
            .get(name)
            .ok_or_else(|| Reason::OriginUnknown.error("no origin of that name is configured"))
    }

    pub(super) fn agreement(&self, route: &Route) -> Option<&Agreement> {
        let place = self.delivery.routes.iter().position(|known| std::ptr::eq(known, route))?;
        self.agreements.get(place)
    }

    /// Has the request for an object signed, where the origin needs that and the signer has not done so with the URL
    /// (`fetch`).
    async fn sign_fetch(
        &self,
        object: Object<'_>,
        fetch: Option<&Fetch>,
        context: &Context,
    ) -> Result<Signed<'_>, CallError> {
        let (origin, fetcher) = self.origin(object.origin)?;
        let url = request::url(origin, object.key).map_err(|error| error::origin(&error))?;
        if self.results.as_ref().is_some_and(|results| results.is_ours(url.as_str())) {
            // A result does not say whether its original is private.
            return Err(self.failed(object.origin, error::result_asked_for(object.origin)));
        }
        let asked = Instant::now();
        let (signed, signer) = match (origin.signing(), fetch) {
            (Some(_), Some(fetch)) if object.caller.is_empty() => {
                if fetch.url != url.as_str() {
                    return Err(error::other_object(&fetch.url, object.origin));
                }
                (sign(url.clone(), &fetch.headers)?, Duration::ZERO)
            }
            (Some((key, region)), _) if object.caller.is_empty() => {
                let url_text = url.as_str();
                let request = OriginRequest {
                    key,
                    method: "GET",
                    url: url_text,
                    region,
                    headers: &[],
                    body_sha256: "",
                };
                let headers = self.signer.sign_request(request, context).await;
                let headers = headers.map_err(|error| error::signer(&error))?;
                (sign(url.clone(), &headers)?, asked.elapsed())
            }
            _ => (SignedRequest::by_caller(url, object.caller), Duration::ZERO),
        };
        Ok(Signed { request: signed, fetcher, signer })
    }

    /// Sends the request for an object and waits for the head of the answer.
    pub(super) async fn find(
        &self,
        object: Object<'_>,
        fetch: Option<&Fetch>,
        context: &Context,
    ) -> Result<Found, CallError> {
        let Signed { request, fetcher, signer } = self.sign_fetch(object, fetch, context).await?;
        let started = Instant::now();
        let remaining = context.remaining().mul_f64(FETCH_SHARE);
        let opened = fetcher
            .open(&request, &context.trace(), remaining)
            .await
            .map_err(|error| self.failed(object.origin, error::origin(&error)))?;
        Ok(Found { opened, signer, started })
    }

    /// Asks what the origin says of an object.
    pub(super) async fn probe(
        &self,
        object: Object<'_>,
        fetch: Option<&Fetch>,
        context: &Context,
    ) -> Result<Known, CallError> {
        let Signed { request, fetcher, .. } = self.sign_fetch(object, fetch, context).await?;
        let remaining = context.remaining().mul_f64(FETCH_SHARE);
        let probed = fetcher.probe(&request, &context.trace(), remaining).await;
        let stat = probed.map_err(|error| self.failed(object.origin, error::origin(&error)))?;
        Ok(Known::of(&stat))
    }

    /// Reads the body, with memory reserved as it grows.
    pub(super) async fn read(
        &self,
        origin: &str,
        opened: Opened,
    ) -> Result<(SourceBytes, Reserved), CallError> {
        let mut reserved = self.admission.upload();
        let read = opened.read(self.limits.max_source_bytes, is_image, |bytes| {
            reserved.grow_to(bytes).map_err(Ended::Memory)
        });
        let body = read.await.map_err(|ended| self.ended(origin, ended))?;
        let ((bytes, provenance), reserved) = if body.is_coded() {
            let (decoded, reserved) = self.decode(body, reserved).await.map_err(error::rejected)?;
            (decoded.map_err(|ended| self.ended(origin, ended))?, reserved)
        } else {
            (body.into_bytes(), reserved)
        };
        self.metrics.fetched(origin, FETCHED);
        Ok((SourceBytes::fetched(bytes, provenance), reserved))
    }

    /// Undoes content codings on a CPU slot.
    async fn decode(
        &self,
        body: Body,
        mut reserved: Reserved,
    ) -> Result<(Result<(Bytes, Provenance), Ended>, Reserved), Rejected> {
        let deadline = body.deadline();
        let cancel = Cancel::new();
        let _cancelled_when_dropped = CancelOnDrop(cancel.clone());
        let job = move || {
            let reserve = |bytes| reserved.grow_to(bytes).map_err(Ended::Memory);
            let decoded = body.decode(is_image, reserve, &|| cancel.check().is_err());
            (decoded, reserved)
        };
        self.admission.start(deadline, job).await?.finish().await
    }

    fn ended(&self, origin: &str, ended: Ended) -> CallError {
        match ended {
            Ended::Origin(error) => self.failed(origin, error::origin(&error)),
            Ended::Memory(rejected) => error::rejected(rejected),
        }
    }

    pub(super) fn count_not_found(&self, origin: &str) {
        self.metrics.fetched(origin, Reason::OriginNotFound.as_str());
    }

    fn failed(&self, origin: &str, error: CallError) -> CallError {
        self.metrics.fetched(origin, error.reason().as_str());
        error
    }
}

/// What can end the reading: the origin, or our own memory.
pub(super) enum Ended {
    Origin(OriginError),
    Memory(Rejected),
}

impl From<OriginError> for Ended {
    fn from(error: OriginError) -> Self {
        Self::Origin(error)
    }
}

/// A request with the signer's headers.
fn sign(url: reqwest::Url, headers: &[Header]) -> Result<SignedRequest, CallError> {
    let pairs = headers.iter().map(|header| (header.name.as_str(), header.value.as_str()));
    SignedRequest::by_signer(url, pairs).map_err(|error| error::unusable_signature(&error))
}
