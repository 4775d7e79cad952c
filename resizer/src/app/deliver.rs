//! A URL, into what its answer's headers say, and its picture.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use safelight_client::{Authorization, Fetch, PresentedUrl, Verification};
use safelight_image::{accept::Accepts, options::Options, plan::OutputBounds};
use safelight_proto::reason::{CallError, Reason};
use tokio::time::timeout_at;

use super::{
    App, Context, error,
    flights::Flights,
    making::{Made, Making, alone},
    permits::{Permits, Wanted},
    render::{Order, Work},
    results::{Facts, Known, ResultSource, Results, Status},
    sink::{Held, OutputHead, Sink, Summary, Timings},
};
use crate::{
    admission::Place,
    delivery::{
        DeliveryError, Hint, Hints, Privacy, Resolved, Target,
        cache::{self, Original},
    },
    origin::CallerHeaders,
    results::{Memory, Picture},
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

impl<'a> Asked<'a> {
    const fn is_conditional(&self) -> bool {
        !self.if_none_match.is_empty() || self.if_modified_since.is_some()
    }

    /// As the signer is shown it.
    fn presented(&self) -> PresentedUrl<'a> {
        PresentedUrl {
            target: self.target.as_str(),
            origin: self.target.origin(),
            client: self.client,
            cookies: self.cookies,
        }
    }
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
    /// Where the picture came from.
    pub result: Status,
    /// Whether the object decides who may have it without a signature: a stale answer is then not served.
    pub by_object: bool,
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
            result: Status::of(ResultSource::Bypass),
            by_object: false,
            max_age,
        }
    }

    /// Says of which original it is.
    pub(super) fn describe(&mut self, known: &Known, etag: String, began: SystemTime) {
        self.etag = etag;
        self.last_modified = known.last_modified;
        self.changed = known.last_modified.map(|original| original.max(began));
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
    /// The picture.
    Picture(Head, Box<Content>),
}

/// The picture of an answer.
#[derive(Debug)]
pub enum Content {
    /// It is to be made, for this caller alone.
    ToMake(Work),
    /// It was made, or found.
    Made {
        /// The picture; of all requests that waited for it.
        made: Arc<Made>,
        /// Its name for the caller.
        id: String,
        /// The request's place.
        place: Place,
        /// How long this request's signature took.
        signer: Option<Duration>,
    },
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
        self: &Arc<Self>,
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
        let route = resolved.route;

        let origin = route.origin.as_str();
        let wanted = Wanted {
            route: Some(&route.name),
            origin,
            key: &resolved.object_key,
            public: resolved.url_key.is_none(),
        };
        let granted = permits.object(&wanted)?;
        let signature = self.signature(resolved, asked, &proof, context).await?;
        let accepts = Accepts::from_header(asked.accept);
        let bounds: Vec<OutputBounds> = route.bounds.into_iter().chain(granted).collect();
        let is_by_object = route.privacy == Privacy::Object && resolved.url_key.is_none();
        let making = Making {
            app: Arc::clone(self),
            route: route.name.clone(),
            origin: origin.to_owned(),
            key: resolved.object_key.clone(),
            caller: asked.caller.clone(),
            is_stranger: is_by_object && signature.is_none(),
            identity: identity(&resolved.options, accepts, &bounds),
            order: Order::new(resolved.variant.clone(), resolved.options.clone()),
            accepts,
            bounds,
            signer: Some(began.elapsed()).filter(|time| !time.is_zero()),
            fetch: proof.fetch().cloned(),
            context: context.clone(),
        };
        let head = Head {
            etag: String::new(),
            last_modified: None,
            changed: None,
            scope: match (asked.caller.is_empty() || asked.share_publicly, &signature) {
                (_, Some(Signature { viewer_bound: true, .. })) | (false, _) => Scope::Caller,
                (true, Some(_)) => Scope::Signed,
                (true, None) => Scope::Public,
            },
            vary_accept: resolved.options.varies_by_accept(),
            hints: resolved.hints.clone(),
            object_key: resolved.object_key.clone(),
            variant: resolved.variant.clone(),
            expires: signature.and_then(|signature| signature.expires),
            result: Status::of(ResultSource::Bypass),
            by_object: is_by_object,
            max_age: route.max_age,
        };
        let delivered = if head.scope == Scope::Caller {
            alone(making, head, asked, place).await
        } else {
            self.shared(making, head, asked, place).await
        };
        if let Ok(Delivered::NotModified(head) | Delivered::Picture(head, _)) = &delivered {
            self.metrics.result(head.result.outcome());
        }
        delivered
    }

    /// An answer that others may have as well: stored, or made once for all who ask at the same time.
    async fn shared(
        self: &Arc<Self>,
        making: Making,
        mut head: Head,
        asked: Asked<'_>,
        place: Place,
    ) -> Result<Delivered, CallError> {
        let context = making.context.clone();
        let making = Arc::new(making);
        let results = self.usable_results(&making.origin, &making.key);
        let mut facts = None;
        if making.is_stranger || results.is_some() {
            let (found, is_remembered) = self.facts(&making, results.is_some()).await?;
            if let Some(etag) = &found.known.etag {
                head.describe(&found.known, making.tag(Original::Tag(etag)), self.began);
                if is_unchanged(&head, asked) {
                    let source = if is_remembered { ResultSource::Hit } else { ResultSource::Miss };
                    head.result = Status::of(if results.is_some() { source } else { ResultSource::Bypass });
                    return Ok(Delivered::NotModified(head));
                }
            }
            facts = Some(found);
        }
        let mut found = None;
        if facts.is_none() && asked.is_conditional() {
            // With a tag of the origin's the answer may be known before a byte of the body has come.
            let opened = making.find().await?;
            let known = Known::of(&opened.opened.stat());
            if let Some(etag) = &known.etag {
                head.describe(&known, making.tag(Original::Tag(etag)), self.began);
                if is_unchanged(&head, asked) {
                    return Ok(Delivered::NotModified(head));
                }
            }
            found = Some((opened, known));
        }

        let address = facts.as_ref().zip(results).and_then(|(facts, results)| {
            results.address(&making.origin, &making.key, facts, &making.identity)
        });
        let known =
            found.as_ref().map(|(_, known)| known).or_else(|| facts.as_ref().map(|facts| &facts.known));
        let etag = known.and_then(|known| known.etag.as_deref()).unwrap_or_default();
        let work = making.name("made", &[&making.identity, etag, address.as_deref().unwrap_or_default()]);
        let mut source = Some((facts, found.map(|(found, _)| found)));
        let (made, is_first) = self
            .wait(&self.pictures, &work, &context, || {
                let (facts, found) = source.take().unwrap_or_default();
                Arc::clone(&making).make(address.clone(), facts, found)
            })
            .await?;

        head.describe(&made.known, made.etag.clone(), self.began);
        head.result = Status {
            source: made.source,
            collapsed: !is_first && made.source != ResultSource::Hit,
            stored: made.stored,
        };
        if is_unchanged(&head, asked) {
            return Ok(Delivered::NotModified(head));
        }
        let (id, signer) = (making.order.id.clone(), making.signer);
        Ok(Delivered::Picture(head, Box::new(Content::Made { made, id, place, signer })))
    }

    /// What is known of an original, and whether it was remembered. A stranger learns nothing that was found out for others:
    /// what is absent is not remembered, so what is private must not be either.
    async fn facts(
        self: &Arc<Self>,
        making: &Arc<Making>,
        with_epoch: bool,
    ) -> Result<(Facts, bool), CallError> {
        let memory = self.results.as_ref().filter(|_| with_epoch).map(Results::memory);
        if let Some(facts) = memory.and_then(|memory| memory.get(&making.origin, &making.key))
            && !(making.is_stranger && facts.known.is_private)
        {
            return Ok((facts, true));
        }
        let purges = memory.map_or(0, Memory::purges);
        let work = making.name("known", &[&purges.to_string(), if with_epoch { "epoch" } else { "" }]);
        let ask = || Arc::clone(making).ask(with_epoch, purges);
        let (facts, _) = self.wait(&self.originals, &work, &making.context, ask).await?;
        Ok((facts, false))
    }

    /// Waits for some work that is done once for all who need it. Where its first request had less time than this one, it is
    /// begun again. Answers also whether this request began it.
    async fn wait<T, F>(
        &self,
        flights: &Flights<T>,
        work: &str,
        context: &Context,
        mut begin: impl FnMut() -> F,
    ) -> Result<(T, bool), CallError>
    where
        T: Clone + Send + Sync + 'static,
        F: Future<Output = Result<T, CallError>> + Send + 'static,
    {
        loop {
            let (flight, is_first) = flights.join(work.to_owned(), &mut begin);
            match timeout_at(context.deadline.into(), flight.outcome()).await {
                Ok(Ok(outcome)) => return Ok((outcome, is_first)),
                Ok(Err(error)) if !is_first && error.reason() == Reason::DeadlineExceeded => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(Reason::DeadlineExceeded.error("the picture could not be made in time")),
            }
        }
    }

    /// Hands a picture on.
    ///
    /// # Errors
    /// As [`App::render`].
    pub async fn answer(
        &self,
        content: Content,
        context: &Context,
        sink: &mut impl Sink,
    ) -> Result<(), CallError> {
        match content {
            Content::ToMake(work) => self.render(work, context, sink).await,
            Content::Made { made, id, place, signer } => {
                let Picture { format, size, length, crc32c } = made.picture;
                let head = OutputHead { index: 0, id, format, size, length, crc32c };
                sink.head(head).await.map_err(error::send)?;
                sink.bytes(made.bytes.clone()).await.map_err(error::send)?;
                let timings = Timings { signer, ..made.timings };
                let summary = Summary { source: made.info.clone(), outputs: 1, timings };
                let held = Held { memory: Arc::clone(&made.memory), place };
                sink.end(summary, held).await.map_err(error::send)
            }
        }
    }

    /// What signature lets the URL be answered: that of a variant that needs one, or, on a route where the object decides, one
    /// that a public variant's URL has.
    async fn signature(
        &self,
        resolved: &Resolved<'_>,
        asked: Asked<'_>,
        proof: &Proof,
        context: &Context,
    ) -> Result<Option<Signature>, CallError> {
        let route = resolved.route;
        if resolved.url_key.is_some() || proof.is_signed() {
            return Ok(Some(Signature { expires: proof.expires(), viewer_bound: proof.is_viewer_bound() }));
        }
        let may_be_signed = asked.target.as_str().contains('?') || !asked.cookies.is_empty();
        let Some(key) = route.url_key.as_ref().filter(|_| route.privacy == Privacy::Object && may_be_signed)
        else {
            return Ok(None);
        };
        match self.signer.verify_url(key, asked.presented(), context).await {
            Ok(Verification::Valid { target, expires, viewer_bound, .. }) => {
                let is_of_this = Target::of(&target).is_ok_and(|target| resolved.is_of(target.path()));
                Ok(is_of_this.then_some(Signature { expires, viewer_bound }))
            }
            Ok(Verification::Refused(_)) => Ok(None),
            Err(error) => Err(error::signer(&error)),
        }
    }

    /// Asks the signer for what the delivery needs of it. Fails closed.
    async fn prove(
        &self,
        resolved: &Resolved<'_>,
        asked: Asked<'_>,
        context: &Context,
    ) -> Result<Proof, CallError> {
        let route = resolved.route;
        let url = asked.presented();
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

/// A signature that lets a URL be answered.
struct Signature {
    expires: Option<SystemTime>,
    /// Whether it holds for this viewer alone.
    viewer_bound: bool,
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

    /// Whether a signature was verified, though it need not have been.
    const fn is_signed(&self) -> bool {
        match self {
            Self::Public => false,
            Self::Verified { .. } => true,
            Self::Authorized(fetch) => !fetch.public,
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
pub(super) fn is_unchanged(head: &Head, asked: Asked<'_>) -> bool {
    let now = SystemTime::now();
    if head.expires.is_some_and(|expires| cache::left(expires, now) < LEAST_OF_UNCHANGED) {
        return false;
    }
    if !asked.if_none_match.is_empty() {
        return cache::none_match_holds(asked.if_none_match, &head.etag);
    }
    head.changed.zip(asked.if_modified_since).is_some_and(|(changed, since)| changed <= since)
}

/// What decides the bytes of an output besides its original.
pub(super) fn identity(options: &Options, accepts: Accepts, bounds: &[OutputBounds]) -> String {
    format!("{};{}", options.identity(accepts), bounds_identity(bounds))
}

/// Bounds that clamp decide the output's bytes as well.
fn bounds_identity(bounds: &[OutputBounds]) -> String {
    let bound = |bounds: &OutputBounds| {
        format!("{:?}x{:?}:{:?}:{:?}", bounds.max_width, bounds.max_height, bounds.max_area, bounds.on_exceed)
    };
    bounds.iter().map(bound).collect::<Vec<_>>().join(";")
}
