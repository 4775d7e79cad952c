//! A URL, into what its answer's headers say and the work to do.

use std::{
    net::IpAddr,
    time::{Duration, Instant, SystemTime},
};

use safelight_client::{Authorization, Fetch, PresentedUrl, Verification};
use safelight_image::{accept::Accepts, plan::OutputBounds};
use safelight_proto::reason::CallError;

use super::{
    App, Context, error,
    fetch::{Found, Object},
    permits::{Permits, Wanted},
    render::{Order, Source, Work},
};
use crate::{
    admission::Place,
    delivery::{
        DeliveryError, Hint, Hints, Resolved, Target,
        cache::{self, Original},
    },
    origin::CallerHeaders,
};

/// What must be left of a URL for its answer to be 304: a second of lifetime, and one to say so.
const LEAST_OF_UNCHANGED: Duration = Duration::from_secs(2);

/// A URL that was asked for, and what its viewer said besides.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The URL.
    pub target: Target<'a>,
    /// The `Accept` header; empty when not known.
    pub accept: &'a str,
    /// The `If-None-Match` header; empty when there is none.
    pub if_none_match: &'a str,
    /// The `If-Modified-Since` header, where it counts: there is no `If-None-Match`.
    pub if_modified_since: Option<SystemTime>,
    /// The viewer's address; `None` when not known.
    pub client: Option<IpAddr>,
    /// The viewer's `Cookie` header; empty when there is none.
    pub cookies: &'a str,
    /// Headers by which the caller itself authorizes the fetch at the origin.
    pub caller: &'a CallerHeaders,
    /// What was fetched with the caller's headers may be shared all the same.
    pub share_publicly: bool,
}

/// Who may share a cached answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Anyone: the variant is public.
    Public,
    /// Requests whose URL verifies.
    Signed,
    /// This caller alone: it was fetched with the caller's own headers, or the URL is bound to the viewer's address, or signed
    /// by cookies.
    Caller,
}

/// What the answer's headers say.
#[derive(Debug, Clone)]
pub struct Head {
    /// Strong entity tag, quotes included.
    pub etag: String,
    /// When the original was last changed, by its origin.
    pub last_modified: Option<SystemTime>,
    /// When what is made of it may have changed last: with the original, or with routes and variants, which change with a
    /// start of the process.
    pub changed: Option<SystemTime>,
    /// Who may share the answer.
    pub scope: Scope,
    /// Whether the answer depends on `Accept`.
    pub vary_accept: bool,
    /// The client hints that the answer depends on.
    pub hints: Vec<Hint>,
    /// Key of the object at the origin.
    pub object_key: String,
    /// The variant's name, or the option list of a flexible one.
    pub variant: String,
    /// When the URL's signature expires.
    pub expires: Option<SystemTime>,
    max_age: Duration,
}

impl Head {
    #[cfg(test)]
    pub(crate) fn for_test(scope: Scope, expires: Option<SystemTime>, max_age: Duration) -> Self {
        Self {
            etag: String::new(),
            last_modified: None,
            changed: None,
            scope,
            vary_accept: false,
            hints: Vec::new(),
            object_key: String::new(),
            variant: String::new(),
            expires,
            max_age,
        }
    }

    /// How long the answer may be cached from `now` on: never beyond the URL's expiry.
    #[must_use]
    pub fn lifetime(&self, now: SystemTime) -> Duration {
        cache::lifetime(self.max_age, self.expires, now)
    }
}

/// What a URL that was not refused comes to.
#[derive(Debug)]
pub enum Delivered {
    /// The viewer has the picture.
    NotModified(Head),
    /// The picture is to be made.
    Picture(Head, Work),
}

impl App {
    /// Finds what a URL asks for, by its path, and by what its viewer's browser says where the route allows that.
    ///
    /// # Errors
    /// `ROUTE_NOT_FOUND`, `VARIANT_NOT_FOUND`, `FIELD_INVALID` for a bad option list.
    pub fn resolve<'a>(&'a self, target: Target<'a>, hints: Hints) -> Result<Resolved<'a>, CallError> {
        let path = target.path();
        let mut resolved = match self.delivery.resolve(path) {
            Err(DeliveryError::RouteNotFound) => self.delivery.resolve_behind_signature(path),
            resolved => resolved,
        }
        .map_err(error::delivery)?;
        resolved.settle(hints);
        Ok(resolved)
    }

    /// Answers a URL. Fails closed: nothing is fetched before the signature holds, unless the variant is public.
    ///
    /// # Errors
    /// `URL_REFUSED`, `CALLER_DENIED`, the signer's and the origin's failures, `BUSY`.
    pub async fn deliver(
        &self,
        resolved: &Resolved<'_>,
        asked: Asked<'_>,
        permits: &dyn Permits,
        place: Place,
        context: &Context,
    ) -> Result<Delivered, CallError> {
        // With the signature in the path, which path was signed is known only now.
        let began = Instant::now();
        let proof = self.prove(resolved, asked, context).await?;
        let again = proof.path().filter(|path| !resolved.is_of(path));
        let again = again.map(|path| self.resolve_signed(resolved, path)).transpose()?;
        let resolved = again.as_ref().unwrap_or(resolved);

        let origin = resolved.route.origin.as_str();
        let wanted = Wanted {
            route: Some(&resolved.route.name),
            origin,
            key: &resolved.object_key,
            public: resolved.url_key.is_none(),
        };
        let granted = permits.object(&wanted)?;
        let accepts = Accepts::from_header(asked.accept);

        let expires = proof.expires();
        let object = Object { origin, key: &resolved.object_key, caller: asked.caller };
        let verification = began.elapsed();
        let Found { opened, signer, started } = self.find(object, proof.fetch(), context).await?;

        let last_modified = opened.last_modified();
        let mut head = Head {
            etag: String::new(),
            last_modified,
            changed: last_modified.map(|original| original.max(self.began)),
            scope: match (asked.caller.is_empty() || asked.share_publicly, resolved.url_key) {
                _ if proof.is_viewer_bound() => Scope::Caller,
                (false, _) => Scope::Caller,
                (true, Some(_)) => Scope::Signed,
                (true, None) => Scope::Public,
            },
            vary_accept: resolved.options.varies_by_accept(),
            hints: resolved.hints.clone(),
            object_key: resolved.object_key.clone(),
            variant: resolved.variant.clone(),
            expires,
            max_age: resolved.route.max_age,
        };
        let bounds: Vec<OutputBounds> = resolved.route.bounds.into_iter().chain(granted).collect();
        let identity = format!("{};{}", resolved.options.identity(accepts), bounds_identity(&bounds));
        let tag = |original| cache::entity_tag(original, origin, &resolved.object_key, &identity);

        // With a tag of the origin's the answer may be known before a byte of the body has come.
        let origin_tag = opened.etag();
        if let Some(origin_tag) = &origin_tag {
            head.etag = tag(Original::Tag(origin_tag));
            if is_unchanged(&head, asked) {
                return Ok(Delivered::NotModified(head));
            }
        }
        let (bytes, reserved) = self.read(origin, opened).await?;
        if origin_tag.is_none() {
            head.etag = tag(Original::Bytes(&bytes));
            if is_unchanged(&head, asked) {
                return Ok(Delivered::NotModified(head));
            }
        }
        let signer = Some(verification + signer).filter(|time| !time.is_zero());
        let source = Source { bytes, reserved, place, receive: started.elapsed(), signer };
        let orders = vec![Order { id: resolved.variant.clone(), options: resolved.options.clone() }];
        Ok(Delivered::Picture(head, Work { source, orders, accepts, bounds }))
    }

    /// Asks the signer for what the delivery needs of it. Fails closed.
    async fn prove(
        &self,
        resolved: &Resolved<'_>,
        asked: Asked<'_>,
        context: &Context,
    ) -> Result<Proof, CallError> {
        let route = resolved.route;
        let url = PresentedUrl {
            target: asked.target.as_str(),
            origin: asked.target.origin(),
            client: asked.client,
            cookies: asked.cookies,
        };
        let (origin, _) = self.origin(&route.origin)?;
        let must_sign = origin.is_signed() && asked.caller.is_empty();
        if resolved.url_key.is_none() && !must_sign {
            return Ok(Proof::Public);
        }
        if let Some(agreement) = self.agreement(route)
            && let Some(digest) = agreement.digest()
        {
            match self.signer.authorize_delivery(digest, url, context).await {
                Ok(Authorization::Authorized(fetch)) => return Ok(Proof::Authorized(fetch)),
                Ok(Authorization::Refused(reason)) => {
                    return Err(error::url_refused(reason, resolved.url_key, &route.name));
                }
                Err(error) if agreement.is_refused_by(&error, &route.name) => {}
                Err(error) => return Err(error::signer(&error)),
            }
        }
        let Some(key) = resolved.url_key else { return Ok(Proof::Public) };
        match self.signer.verify_url(key, url, context).await {
            Ok(Verification::Valid { target, expires, viewer_bound, .. }) => {
                Ok(Proof::Verified { target, expires, viewer_bound })
            }
            Ok(Verification::Refused(reason)) => Err(error::url_refused(reason, Some(key), &route.name)),
            Err(error) => Err(error::signer(&error)),
        }
    }

    /// What a signed path asks for that is not the URL's own.
    fn resolve_signed<'a>(&'a self, asked: &Resolved<'_>, path: &'a str) -> Result<Resolved<'a>, CallError> {
        self.delivery.resolve_signed(asked, path).ok_or_else(|| {
            let cause = "the signature covers a path that this route does not serve";
            error::url_refused(cause, asked.url_key, &asked.route.name)
        })
    }
}

/// What the signer said of a URL.
enum Proof {
    /// Nothing: the variant is public, and the signer was not asked.
    Public,
    /// The URL holds.
    Verified { target: String, expires: Option<SystemTime>, viewer_bound: bool },
    /// The URL holds or its variant is public, and this is the fetch.
    Authorized(Fetch),
}

impl Proof {
    /// The path that was authenticated.
    fn path(&self) -> Option<&str> {
        match self {
            Self::Public => None,
            Self::Verified { target, .. } | Self::Authorized(Fetch { target, .. }) => {
                // What is no target names no path, and so nothing.
                Some(Target::of(target).map_or("", Target::path))
            }
        }
    }

    const fn expires(&self) -> Option<SystemTime> {
        match self {
            Self::Public => None,
            Self::Verified { expires, .. } | Self::Authorized(Fetch { expires, .. }) => *expires,
        }
    }

    /// Whether the URL holds for this viewer alone.
    const fn is_viewer_bound(&self) -> bool {
        match self {
            Self::Public => false,
            Self::Verified { viewer_bound, .. } | Self::Authorized(Fetch { viewer_bound, .. }) => {
                *viewer_bound
            }
        }
    }

    const fn fetch(&self) -> Option<&Fetch> {
        match self {
            Self::Authorized(fetch) => Some(fetch),
            Self::Public | Self::Verified { .. } => None,
        }
    }
}

/// Whether the viewer has what would be sent (RFC 9110, section 13.2.2). Not at the very end of a URL's life: a cache that
/// gets a 304 without a lifetime may begin anew with that of the answer it holds, as nginx does, and serve it beyond `exp`.
fn is_unchanged(head: &Head, asked: Asked<'_>) -> bool {
    let now = SystemTime::now();
    if head.expires.is_some_and(|expires| cache::left(expires, now) < LEAST_OF_UNCHANGED) {
        return false;
    }
    if !asked.if_none_match.is_empty() {
        return cache::none_match_holds(asked.if_none_match, &head.etag);
    }
    head.changed.zip(asked.if_modified_since).is_some_and(|(changed, since)| changed <= since)
}

/// Bounds that clamp decide the output's bytes as well.
fn bounds_identity(bounds: &[OutputBounds]) -> String {
    let bound = |bounds: &OutputBounds| {
        format!("{:?}x{:?}:{:?}:{:?}", bounds.max_width, bounds.max_height, bounds.max_area, bounds.on_exceed)
    };
    bounds.iter().map(bound).collect::<Vec<_>>().join(";")
}
