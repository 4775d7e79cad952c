//! Results in the user's own bucket: read, written, and dropped. Whatever fails here fails no delivery.
//!
//! The signer signs every request. A store that fails is left alone for a while: the log says so when that begins, with the
//! cause, and when it ends.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use safelight_chassis::random;
use safelight_client::OriginRequest;
use safelight_image::{accept::Accepts, options::Options};
use safelight_proto::{
    reason::{CallError, Reason},
    upload::object::metadata,
};
use sha2::{Digest as _, Sha256};
use tokio::{sync::Semaphore, time::timeout};
use tracing::Instrument as _;

use super::{
    App, Context, deliver, error,
    fetch::Ended,
    permits::{Permits, Wanted},
    render::Viewer,
    source::is_image,
};
use crate::{
    admission::Reserved,
    delivery::Delivery,
    origin::{Fetcher, Kind, Origin, OriginError, Origins, SignedRequest, Stat, Trace, key, request},
    results::{Breaker, Config, Memory, Picture, address, breaker::Gate},
};

/// How long the store may take to answer a question, signature included.
const READ_TIMEOUT: Duration = Duration::from_secs(1);
/// Part of a request's time that may be spent on it.
const READ_SHARE: u32 = 4;
/// How long writing may take: nothing waits for it but the end of the process.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Results that are written at once. What comes while all are taken is not stored.
const WRITES: u32 = 8;
/// Results of one upload that are written at once.
const EAGER_WRITES: usize = 4;
/// Most bytes of an epoch.
const MAX_EPOCH: u64 = 128;

/// The result store, and what is remembered beside it.
#[derive(Debug)]
pub(super) struct Results {
    config: Config,
    /// What the URL of every object of ours begins with.
    base: String,
    memory: Memory<Facts>,
    reading: Breaker,
    /// Apart: a store that may be read and not written is of use all the same.
    writing: Breaker,
    writes: Arc<Semaphore>,
}

/// What an origin says of an original.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// Its strong entity tag.
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<std::time::SystemTime>,
    /// Whether it is delivered by signed URLs only.
    pub(super) is_private: bool,
}

/// What is known of an original.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) known: Known,
    /// Its epoch, empty where it was never purged; `None`: the store did not say, so nothing of it may be used.
    pub(super) epoch: Option<String>,
    /// How often anything had been purged when this was asked.
    pub(super) purges: u64,
}

/// What came of looking for a result.
pub(super) enum Looked {
    Hit(Picture, Bytes, Reserved),
    Absent,
    /// There is an object, which is no result or a damaged one.
    Damaged,
    /// The store did not answer, or there is no memory for its answer.
    Failed,
}

/// Where a delivered picture came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// What was done.
    pub source: ResultSource,
    /// Whether another request had it made, and this one waited.
    pub collapsed: bool,
    /// Whether it is being written to the store.
    pub stored: bool,
}

/// What was done for a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultSource {
    /// It was in the store; or the viewer's copy was known to be current.
    Hit,
    /// The store was asked, and did not have it.
    Miss,
    /// The store was not asked.
    Bypass,
}

/// A variant to be made ahead of the first request for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Eager {
    /// The variant's name.
    pub variant: String,
    /// How it is made.
    pub options: Options,
    /// For viewers that accept this, within the bounds of a route.
    pub viewer: Viewer,
}

/// A variant that was made ahead.
#[derive(Debug)]
pub struct EagerOutput {
    /// What was to be made.
    pub eager: Eager,
    /// What it is.
    pub picture: Picture,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Known {
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            etag: stat.strong_etag(),
            last_modified: stat.last_modified(),
            is_private: stat.metadata(metadata::REQUIRE_SIGNED_URLS).as_deref() == Some("true"),
        }
    }
}

impl Status {
    pub(super) const fn of(source: ResultSource) -> Self {
        Self { source, collapsed: false, stored: false }
    }

    /// Its name in the metrics.
    pub(super) const fn outcome(self) -> &'static str {
        match self.source {
            ResultSource::Hit => "hit",
            ResultSource::Miss | ResultSource::Bypass if self.collapsed => "collapsed",
            ResultSource::Miss => "miss",
            ResultSource::Bypass => "bypass",
        }
    }
}

impl Results {
    pub(super) fn new(config: Config, origins: &Origins) -> Self {
        let base = origins.get(&config.origin).map(|origin| origin.base.clone()).unwrap_or_default();
        Self {
            base: format!("{base}{}", key::encode(&config.prefix).unwrap_or_default()),
            memory: Memory::new(config.ttl),
            reading: Breaker::default(),
            writing: Breaker::default(),
            writes: Arc::new(Semaphore::new(WRITES as usize)),
            config,
        }
    }

    pub(super) const fn memory(&self) -> &Memory<Facts> {
        &self.memory
    }

    /// Where a result of an original is; `None` where what is known of it does not say.
    pub(super) fn address(&self, origin: &str, key: &str, facts: &Facts, identity: &str) -> Option<String> {
        let (etag, epoch) = (facts.known.etag.as_deref()?, facts.epoch.as_deref()?);
        Some(address::result(&self.config.prefix, address::Original { origin, key, etag, epoch }, identity))
    }

    /// Whether a URL is that of an object of ours: those are no originals.
    pub(super) fn is_ours(&self, url: &str) -> bool {
        url.starts_with(&self.base)
    }

    /// Reading has failed. Pictures are made anew until the store answers again.
    fn read_failed(&self, cause: &str) {
        let (origin, begins) = (&self.config.origin, self.reading.failed());
        if begins {
            tracing::warn!(origin, cause, "results.paused: results cannot be read; pictures are made anew");
        } else {
            tracing::debug!(origin, cause, "results.read_failed");
        }
    }

    fn read_succeeded(&self) {
        if self.reading.succeeded() {
            tracing::info!(origin = self.config.origin, "results.resumed: results can be read again");
        }
    }

    /// Writing has failed. Nothing is stored until it succeeds again.
    fn write_failed(&self, cause: &str) {
        let (origin, begins) = (&self.config.origin, self.writing.failed());
        if begins {
            tracing::warn!(
                origin,
                cause,
                "results.not_stored: results cannot be written, and are not stored"
            );
        } else {
            tracing::debug!(origin, cause, "results.write_failed");
        }
    }

    fn write_succeeded(&self) {
        if self.writing.succeeded() {
            tracing::info!(origin = self.config.origin, "results.stored_again: results can be written again");
        }
    }
}

/// A request to the store that did not bring what was asked for.
enum Failed {
    /// The store, or the signer: what to say of it.
    Store(String),
    /// There is no object.
    Absent,
    /// Our own memory, or the request's time.
    Ours,
}

impl From<OriginError> for Failed {
    fn from(error: OriginError) -> Self {
        let code = error.cause().refusal.code.as_deref();
        if error.kind() == Kind::NotFound && code != Some("NoSuchBucket") {
            return Self::Absent;
        }
        Self::Store(describe(&error))
    }
}

/// A failure with its cause, in a line.
pub(super) fn describe(error: &OriginError) -> String {
    let cause = error.cause();
    let parts = [&cause.refusal.code, &cause.refusal.message, &cause.detail, &cause.hint];
    let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    if parts.is_empty() { error.to_string() } else { format!("{error}: {}", parts.join("; ")) }
}

impl App {
    /// The store, where there is one that answers.
    pub(super) fn usable_results(self: &Arc<Self>, origin: &str, key: &str) -> Option<&Results> {
        let results = self.results.as_ref()?;
        match results.reading.gate() {
            Gate::Open => Some(results),
            Gate::Paused => None,
            Gate::Try => {
                // Not while a request waits for it.
                let (app, origin, key) = (Arc::clone(self), origin.to_owned(), key.to_owned());
                tokio::spawn(async move { app.epoch(&origin, &key, &Context::within(WRITE_TIMEOUT)).await });
                None
            }
        }
    }

    /// The epoch of an original, empty where it was never purged; `None` where the store does not say.
    pub(super) async fn epoch(&self, origin: &str, key: &str, context: &Context) -> Option<String> {
        let results = self.results.as_ref()?;
        let address = address::epoch(&results.config.prefix, origin, key);
        match self.read_object(results, &address, MAX_EPOCH, context).await {
            Ok((_, bytes, _)) => {
                let text = String::from_utf8(bytes.into()).ok();
                let text = text.filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()));
                if text.is_none() {
                    tracing::warn!(origin, object = address, "results.epoch_damaged: purge the object again");
                }
                text
            }
            Err(Failed::Absent) => Some(String::new()),
            Err(Failed::Store(_) | Failed::Ours) => None,
        }
    }

    /// Looks for a result.
    pub(super) async fn look_up(&self, results: &Results, address: &str, context: &Context) -> Looked {
        match self.read_object(results, address, results.config.max_bytes, context).await {
            Ok((stat, bytes, reserved)) => match Picture::read(&stat, &bytes) {
                Ok(picture) => Looked::Hit(picture, bytes, reserved),
                Err(cause) => {
                    tracing::warn!(
                        origin = results.config.origin,
                        object = address,
                        cause,
                        "results.damaged: it is made anew and replaced"
                    );
                    self.metrics.result_store("damaged");
                    Looked::Damaged
                }
            },
            Err(Failed::Absent) => Looked::Absent,
            Err(Failed::Store(_) | Failed::Ours) => Looked::Failed,
        }
    }

    /// Reads an object of the store, in a time that no viewer notices.
    async fn read_object(
        &self,
        results: &Results,
        object: &str,
        limit: u64,
        context: &Context,
    ) -> Result<(Stat, Bytes, Reserved), Failed> {
        let remaining = context.remaining();
        let time = READ_TIMEOUT.min(remaining / READ_SHARE);
        let until_late = remaining.saturating_sub(time);
        let read = async {
            let context = Context { deadline: std::time::Instant::now() + time, ..context.clone() };
            let request = StoreRequest { method: "GET", object, headers: &[], sha256: "" };
            let (request, fetcher, trace) = self.sign_for_store(results, request, &context).await?;
            let opened = fetcher.open(&request, &trace, time).await?;
            let stat = opened.stat();
            let mut reserved = self.admission.upload();
            let body = opened.read(limit, is_image, |bytes| reserved.grow_to(bytes).map_err(Ended::Memory));
            let body = body.await.map_err(|ended| match ended {
                Ended::Origin(error) => Failed::from(error),
                Ended::Memory(_) => Failed::Ours,
            })?;
            // We store no content coding: bytes that have one are no result, and are found to be none.
            let (bytes, _) = body.into_bytes();
            Ok((stat, bytes, reserved))
        };
        let late = || Err(Failed::Store(format!("no answer within {time:?}")));
        let read = timeout(time, read).await.unwrap_or_else(|_| late());
        // A request that has little time says nothing of the store.
        let read = match read {
            Err(Failed::Store(_)) if time < READ_TIMEOUT && context.remaining() <= until_late => {
                Err(Failed::Ours)
            }
            read => read,
        };
        match &read {
            Ok(_) | Err(Failed::Absent) => results.read_succeeded(),
            Err(Failed::Store(cause)) => {
                self.metrics.result_store("read_failed");
                results.read_failed(cause);
            }
            Err(Failed::Ours) => {}
        }
        read
    }

    async fn sign_for_store(
        &self,
        results: &Results,
        asked: StoreRequest<'_>,
        context: &Context,
    ) -> Result<(SignedRequest, &Fetcher, Trace), Failed> {
        let (origin, fetcher) = self.origin(&results.config.origin).map_err(|_| Failed::Ours)?;
        let url = request::url(origin, asked.object)?;
        let (key, region) = signing(origin).ok_or(Failed::Ours)?;
        let StoreRequest { method, headers, sha256, .. } = asked;
        let wanted = OriginRequest { key, method, url: url.as_str(), region, headers, body_sha256: sha256 };
        let signed = self.signer.sign_request(wanted, context).await;
        let signed = signed.map_err(|error| Failed::Store(format!("the signer: {}", error.failure())))?;
        // What was signed, and what signs it.
        let signature = signed.iter().map(|header| (header.name.as_str(), header.value.as_str()));
        let request = SignedRequest::by_signer(url, headers.iter().copied().chain(signature));
        let request = request.map_err(|error| Failed::Store(error.to_string()))?;
        Ok((request, fetcher, context.trace()))
    }

    /// Writes a result once its answer is on its way. Answers whether it will be tried.
    pub(super) fn store_later(
        self: &Arc<Self>,
        address: String,
        (picture, bytes, held): (Picture, Bytes, Arc<Reserved>),
        replace: bool,
        context: &Context,
    ) -> bool {
        let Some(results) = &self.results else { return false };
        if picture.length > results.config.max_bytes {
            self.metrics.result_store("too_large");
            return false;
        }
        // After a pause this one shows whether writing succeeds again.
        if results.writing.gate() == Gate::Paused {
            self.metrics.result_store("skipped");
            return false;
        }
        let Ok(permit) = Arc::clone(&results.writes).try_acquire_owned() else {
            self.metrics.result_store("skipped");
            return false;
        };
        let app = Arc::clone(self);
        let context = Context { deadline: std::time::Instant::now() + WRITE_TIMEOUT, ..context.clone() };
        let task = async move {
            app.write(&address, picture, bytes, replace, &context).await;
            drop((held, permit));
        };
        tokio::spawn(task.in_current_span());
        true
    }

    /// Writes a result. Answers whether the store has it then.
    async fn write(
        &self,
        address: &str,
        picture: Picture,
        bytes: Bytes,
        replace: bool,
        context: &Context,
    ) -> bool {
        let Some(results) = &self.results else { return false };
        let described = picture.headers();
        let mut headers: Vec<(&str, &str)> =
            described.iter().map(|(name, value)| (*name, value.as_str())).collect();
        if !replace {
            headers.push(("if-none-match", "*"));
        }
        let written =
            timeout(context.remaining(), self.put(results, address, &headers, bytes, context)).await;
        let written =
            written.unwrap_or_else(|_| Err(Failed::Store(format!("not written within {WRITE_TIMEOUT:?}"))));
        let outcome = match &written {
            Ok(()) => "stored",
            Err(Failed::Absent) => "exists",
            Err(Failed::Store(_)) => "write_failed",
            Err(Failed::Ours) => "skipped",
        };
        self.metrics.result_store(outcome);
        match written {
            Ok(()) | Err(Failed::Absent) => results.write_succeeded(),
            Err(Failed::Store(cause)) => results.write_failed(&cause),
            Err(Failed::Ours) => {}
        }
        matches!(outcome, "stored" | "exists")
    }

    /// Sends a PUT. That another process has written the same object first is [`Failed::Absent`]: there was nothing to do.
    async fn put(
        &self,
        results: &Results,
        object: &str,
        headers: &[(&str, &str)],
        bytes: Bytes,
        context: &Context,
    ) -> Result<(), Failed> {
        let hashed = bytes.clone();
        let job = self.admission.start(context.deadline, move || hex::encode(Sha256::digest(&hashed))).await;
        let sha256 = job.map_err(|_| Failed::Ours)?.finish().await.map_err(|_| Failed::Ours)?;
        let request = StoreRequest { method: "PUT", object, headers, sha256: &sha256 };
        let (request, fetcher, trace) = self.sign_for_store(results, request, context).await?;
        match fetcher.put(&request, bytes, &trace, context.remaining()).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == Kind::Exists => Err(Failed::Absent),
            Err(error) => Err(Failed::Store(describe(&error))),
        }
    }

    /// Waits until what is being written is written. For the end of the process.
    pub async fn results_written(&self) {
        let Some(results) = &self.results else { return };
        _ = results.writes.acquire_many(WRITES).await;
    }

    /// Drops all results of an original that the caller may have.
    ///
    /// # Errors
    /// `RESULTS_NOT_CONFIGURED`, `CALLER_DENIED`, `ORIGIN_UNKNOWN`, `OBJECT_KEY_UNSUPPORTED`, the signer's and the store's
    /// failures.
    pub async fn purge(
        &self,
        origin: &str,
        key: &str,
        permits: &dyn Permits,
        context: &Context,
    ) -> Result<(), CallError> {
        permits.object(&Wanted { route: None, origin, key, public: false })?;
        let (of, _) = self.origin(origin)?;
        request::url(of, key).map_err(|error| error::origin(&error))?;
        let Some(results) = &self.results else {
            return Err(Reason::ResultsNotConfigured.error("there is no [results] in the configuration"));
        };
        let dropped = self.drop_results(results, origin, key, context).await;
        // Also where it failed: it may have been written.
        self.forget(origin, key);
        if dropped.is_ok() {
            tracing::info!(origin, "results.purged");
        }
        dropped
    }

    /// Forgets what is known of an original, and begins its works anew.
    pub(super) fn forget(&self, origin: &str, key: &str) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        if let Some(results) = &self.results {
            results.memory.forget(origin, key);
        }
    }

    /// Drops all results of an original where there is a store of them. To be followed by [`Self::forget`].
    pub(super) async fn drop_any_results(
        &self,
        origin: &str,
        key: &str,
        context: &Context,
    ) -> Result<(), CallError> {
        match &self.results {
            Some(results) => self.drop_results(results, origin, key, context).await,
            None => Ok(()),
        }
    }

    /// Writes a new epoch of an original.
    async fn drop_results(
        &self,
        results: &Results,
        origin: &str,
        key: &str,
        context: &Context,
    ) -> Result<(), CallError> {
        let object = address::epoch(&results.config.prefix, origin, key);
        let epoch = format!("{:016x}{:016x}", random::bits(), random::bits());
        let headers = [("content-type", "text/plain")];
        match self.put(results, &object, &headers, epoch.into(), context).await {
            Ok(()) => Ok(()),
            Err(Failed::Store(cause)) => {
                tracing::warn!(origin = results.config.origin, cause, "results.not_purged");
                Err(Reason::OriginUnavailable.error("the result store did not take the purge"))
            }
            Err(Failed::Absent | Failed::Ours) => {
                Err(Reason::OriginUnavailable.error("the result store did not take the purge"))
            }
        }
    }

    /// Whether results are stored.
    #[must_use]
    pub const fn has_results(&self) -> bool {
        self.results.is_some()
    }

    /// What is to be made of a new object so that the first requests for these variants find it: one for each set of bounds
    /// that a route of the origin has, and each kind of viewer where the format is left open.
    #[must_use]
    pub fn eager(&self, origin: &str, variants: &[String]) -> Vec<Eager> {
        if self.results.is_none() {
            return Vec::new();
        }
        eager(&self.delivery, origin, variants)
    }

    /// Stores variants that were made of a new object, where later deliveries look for them. `etag` is the object's, as its
    /// store gave it. Answers how many the store has then: a store that fails is no error.
    pub async fn store_results(
        &self,
        origin: &str,
        key: &str,
        etag: &str,
        outputs: &[EagerOutput],
        context: &Context,
    ) -> usize {
        let Some(results) = self.results.as_ref().filter(|_| !outputs.is_empty()) else { return 0 };
        if results.writing.gate() == Gate::Paused {
            self.metrics.result_store("skipped");
            return 0;
        }
        let deadline = context.deadline.min(std::time::Instant::now() + WRITE_TIMEOUT);
        let context = &Context { deadline, ..context.clone() };
        let Some(epoch) = self.epoch(origin, key, context).await else { return 0 };
        let known = Known { etag: Some(etag.to_owned()), last_modified: None, is_private: false };
        let facts = Facts { known, epoch: Some(epoch), purges: 0 };
        let write = async |output: &EagerOutput| {
            let EagerOutput { eager: Eager { options, viewer, .. }, picture, bytes } = output;
            let identity = deliver::identity(options, viewer.accepts, &viewer.bounds);
            let Some(address) = results.address(origin, key, &facts, &identity) else { return 0 };
            if picture.length > results.config.max_bytes {
                return 0;
            }
            usize::from(self.write(&address, *picture, bytes.clone(), false, context).await)
        };
        let stored = stream::iter(outputs).map(write).buffer_unordered(EAGER_WRITES);
        stored.fold(0, async |all, stored| all + stored).await
    }
}

/// A request to the store.
struct StoreRequest<'a> {
    method: &'a str,
    object: &'a str,
    /// To be signed and sent.
    headers: &'a [(&'a str, &'a str)],
    /// Of the body.
    sha256: &'a str,
}

const fn signing(origin: &Origin) -> Option<(&str, &str)> {
    match origin.signing() {
        Some((key, region)) => Some((key.as_str(), region.as_str())),
        None => None,
    }
}

fn eager(delivery: &Delivery, origin: &str, variants: &[String]) -> Vec<Eager> {
    let mut all: Vec<Eager> = Vec::new();
    for route in delivery.routes.iter().filter(|route| route.origin == origin) {
        for name in variants.iter().filter(|name| route.serves(name)) {
            let Some(variant) = delivery.variants.get(name) else { continue };
            let viewers = Accepts::all()
                .filter(|accepts| variant.options.varies_by_accept() || *accepts == Accepts::CLASSIC);
            for accepts in viewers {
                let eager = Eager {
                    variant: name.clone(),
                    options: variant.options.clone(),
                    viewer: Viewer { accepts, bounds: route.bounds.into_iter().collect() },
                };
                if !all.contains(&eager) {
                    all.push(eager);
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eager_variants_are_of_every_route_that_serves_them() {
        let text = "[origins.web]\nkind = 'http'\nbase_url = 'https://a.example.com/'\n\
            [variants.open]\nwidth = 10\npublic = true\n[variants.fixed]\nformat = 'png'\npublic = true\n\
            [[routes]]\npath = '/a/{key...}/{variant}'\norigin = 'web'\n\
            [[routes]]\npath = '/b/{key...}/{variant}'\norigin = 'web'\n\
            [[routes]]\npath = '/c/{key...}'\norigin = 'web'\nvariant = 'open'\nmax_width = 5\non_exceed = 'clamp'\n";
        let delivery = crate::Config::read(text).unwrap_or_else(|errors| panic!("{errors}")).delivery;
        let variants = ["open".to_owned(), "fixed".to_owned(), "none".to_owned()];
        let all = eager(&delivery, "web", &variants);
        let count = |name: &str| all.iter().filter(|eager| eager.variant == name).count();
        assert_eq!((count("open"), count("fixed"), all.len()), (4, 1, 5), "{all:?}");
        assert!(eager(&delivery, "other", &variants).is_empty());
    }
}
