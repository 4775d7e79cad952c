//! Where sources come from: named objects, and what a URL names.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use safelight_proto::{
    client::Verification,
    reason::{CallError, Reason},
    resizer::v1::{
        CacheScope, DeliverRequest, DeliverResponse, Delivery, DeliveryOutcome, ObjectSource,
        deliver_response,
    },
};

use super::{
    answer::{Source, Work},
    error,
    state::State,
    translate::{self, Order},
};
use crate::{
    admission::{Place, Rejected, Reserved},
    delivery::{
        Resolved, Target,
        cache::{self, Original},
    },
    origin::{self, CallerHeaders, Opened, OriginError},
};
use safelight_image::{accept::Accepts, plan::OutputBounds};

/// Part of the remaining time that may be spent fetching: the rest is for making the picture.
const FETCH_SHARE: f64 = 0.9;

/// What an edge needs for its headers.
pub(super) struct Head {
    /// All but the lifetime.
    delivery: Delivery,
    max_age: Duration,
    expires: Option<SystemTime>,
}

impl Head {
    /// The message. Whoever gets it counts from then on, so the lifetime is taken now: the original and the picture
    /// have had their time.
    pub(super) fn now(mut self) -> DeliverResponse {
        self.delivery.max_age = seconds(cache::lifetime(self.max_age, self.expires, SystemTime::now()));
        DeliverResponse { message: Some(deliver_response::Message::Delivery(self.delivery)) }
    }
}

/// An object whose head has come.
struct Found {
    opened: Opened,
    signer: Duration,
    started: Instant,
}

/// Fetches a named object. `at` is where the request holds `source`, for field violations.
pub(super) async fn object(
    state: &State,
    source: &ObjectSource,
    at: &str,
    place: Place,
    deadline: Instant,
) -> Result<Source, CallError> {
    let caller = translate::caller_headers(source.caller_headers.as_ref(), at)?;
    let found = find(state, &source.origin, &source.key, &caller, deadline).await?;
    let Found { signer, started, .. } = found;
    let (bytes, reserved) = read(state, found.opened).await?;
    let signer = (!signer.is_zero()).then_some(signer);
    Ok(Source { bytes, reserved, place, receive: started.elapsed(), signer })
}

/// Answers a URL: what the edge needs for its headers and, unless nothing changed, the work to do.
pub(super) async fn deliver(
    state: &State,
    request: DeliverRequest,
    place: Place,
    deadline: Instant,
) -> Result<(Head, Option<Work>), CallError> {
    let caller = translate::caller_headers(request.caller_headers.as_ref(), "")?;
    let target = Target::of(&request.url).map_err(error::target)?;
    let resolved = state.delivery.resolve(target.path()).map_err(error::delivery)?;
    let accepts = Accepts::from_header(&request.accept);

    let asked = Instant::now();
    let expires = authorise(state, &resolved, target).await?;
    let verification = asked.elapsed();

    let found = find(state, resolved.origin, &resolved.object_key, &caller, deadline).await?;
    let Found { signer, started, .. } = found;
    let mut delivery = Delivery {
        outcome: DeliveryOutcome::Ok.into(),
        cache_scope: match (caller.is_empty() || request.share_publicly, resolved.url_key) {
            (false, _) => CacheScope::Caller,
            (true, Some(_)) => CacheScope::Signed,
            (true, None) => CacheScope::Public,
        }
        .into(),
        vary_accept: resolved.options.varies_by_accept(),
        variant: resolved.variant.clone(),
        expire_time: expires.map(prost_types::Timestamp::from),
        ..Delivery::default()
    };
    let identify = |delivery: &mut Delivery, original| {
        let identity = format!("{};{}", resolved.options.identity(accepts), bounds_identity(resolved.bounds));
        delivery.etag = cache::entity_tag(original, resolved.origin, &resolved.object_key, &identity);
        if cache::none_match_holds(&request.if_none_match, &delivery.etag) {
            delivery.set_outcome(DeliveryOutcome::NotModified);
        }
    };
    let head = |delivery| Head { delivery, max_age: resolved.max_age, expires };

    // With a tag of the origin's the answer may be known before a byte of the body has come.
    let origin_tag = found.opened.etag();
    if let Some(origin_tag) = &origin_tag {
        identify(&mut delivery, Original::Tag(origin_tag));
    }
    if delivery.outcome() == DeliveryOutcome::NotModified {
        return Ok((head(delivery), None));
    }
    let (bytes, reserved) = read(state, found.opened).await?;
    if origin_tag.is_none() {
        identify(&mut delivery, Original::Bytes(&bytes));
    }
    if delivery.outcome() == DeliveryOutcome::NotModified {
        return Ok((head(delivery), None));
    }
    let work = Work {
        source: Source {
            bytes,
            reserved,
            place,
            receive: started.elapsed(),
            signer: Some(verification + signer).filter(|time| !time.is_zero()),
        },
        orders: vec![Order { id: resolved.variant.clone(), options: resolved.options.clone() }],
        accepts,
        bounds: resolved.bounds.copied(),
        deadline,
    };
    Ok((head(delivery), Some(work)))
}

/// Has the signature verified unless the variant is public; answers when it expires. Fails closed.
async fn authorise(
    state: &State,
    resolved: &Resolved<'_>,
    target: Target<'_>,
) -> Result<Option<SystemTime>, CallError> {
    let Some(key) = resolved.url_key else { return Ok(None) };
    // One answer for every cause: a caller who learns which check failed can forge step by step.
    let refused = || Reason::UrlRefused.error("the URL is not signed, not authentic, or expired");
    match state.signer.verify_url(key, target.origin(), target.as_str(), state.signer_timeout).await {
        Ok(Verification::Valid { target: authenticated, expires, .. }) => {
            // What was authenticated is what is acted on.
            let same = Target::of(&authenticated).is_ok_and(|verified| verified.path() == target.path());
            if same { Ok(expires) } else { Err(refused()) }
        }
        Ok(Verification::Refused(reason)) => {
            tracing::info!(reason, variant = resolved.variant, "url.refused");
            Err(refused())
        }
        Err(unavailable) => Err(error::signer(&unavailable)),
    }
}

async fn find(
    state: &State,
    name: &str,
    key: &str,
    caller: &CallerHeaders,
    deadline: Instant,
) -> Result<Found, CallError> {
    let (origin, fetcher) = state
        .origins
        .get(name)
        .ok_or_else(|| Reason::OriginUnknown.error("no origin of that name is configured"))?;
    let asked = Instant::now();
    let signed = origin::request::prepare(origin, key, caller, &state.signer, state.signer_timeout)
        .await
        .map_err(error::origin)?;
    let needs_signature = caller.is_empty() && origin.is_signed();
    let signer = if needs_signature { asked.elapsed() } else { Duration::ZERO };
    let started = Instant::now();
    let remaining = deadline.saturating_duration_since(started).mul_f64(FETCH_SHARE);
    let opened = fetcher.open(&signed, remaining).await.map_err(error::origin)?;
    Ok(Found { opened, signer, started })
}

async fn read(state: &State, opened: Opened) -> Result<(Bytes, Reserved), CallError> {
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
    let mut reserved = state.admission.upload();
    let read =
        opened.read(state.limits.max_source_bytes, |bytes| reserved.grow_to(bytes).map_err(Ended::Memory));
    let bytes = read.await.map_err(|ended| match ended {
        Ended::Origin(error) => error::origin(error),
        Ended::Memory(rejected) => error::rejected(rejected),
    })?;
    Ok((bytes, reserved))
}

/// Bounds that clamp decide the output's bytes as well.
fn bounds_identity(bounds: Option<&OutputBounds>) -> String {
    let Some(bounds) = bounds else { return String::new() };
    format!("{:?}x{:?}:{:?}:{:?}", bounds.max_width, bounds.max_height, bounds.max_area, bounds.on_exceed)
}

fn seconds(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}
