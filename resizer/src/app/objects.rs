//! A stored object, changed where it is, or deleted.
//!
//! S3 changes no metadata: an object is copied onto itself, with all of its metadata given anew. So the object is looked at first,
//! and what is not to be changed is sent again.
//!
//! # Changes at the same time
//! An entity tag says nothing of metadata: two copies on the condition `x-amz-copy-source-if-match` would both be made, and the
//! later would undo the earlier, which may have made the object private. So the condition is the time of the last change,
//! which every copy moves. It has whole seconds, so it is used only where it is certain: of an object whose last change
//! is two seconds old by the store's own clock, the next is later than one second after the last one. Within one process changes of
//! an object follow each other, whatever their clocks say.
//!
//! Stores evaluate the condition before they copy, without a lock: of two processes that begin at the same time, both may be
//! allowed to, and one copy replaces the other. So the object is looked at once more after as long as our copy took, when a copy of
//! the same object that began at the same time is over. A change that was lost is made again.
//!
//! What is not prevented: a copy by one process and a deletion by another at the same moment, of which the copy may be the later.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use safelight_client::OriginRequest;
use safelight_proto::{
    reason::{CallError, Reason},
    upload::object::{self, MAX_METADATA_BYTES, metadata},
};
use tokio::{
    sync::MutexGuard,
    time::{sleep, timeout_at},
};
use tracing::Instrument as _;

use super::{
    App, Context, error,
    permits::{Permits, Wanted},
};
use crate::origin::{Fetcher, Kind, OriginError, OriginKind, SignedRequest, Stat, request};

/// How often a copy is asked for.
const ATTEMPTS: u32 = 5;
/// How old the last change must be so that the next can be told from it: stores cut off or round the fraction of a second.
const SETTLED: Duration = Duration::from_secs(2);
/// How much later than the last change the source of a copy may have been changed: that is the same change, as a store sees it
/// that compares with the fraction.
const SAME: Duration = Duration::from_secs(1);
/// How long another copy that was begun at the same time may take at least.
const LEAST_PAUSE: Duration = Duration::from_millis(50);
/// What a copy with other metadata would lose, beside user metadata.
const KEPT: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "x-amz-storage-class",
];
/// What the names of user metadata begin with.
const USER_METADATA: &str = "x-amz-meta-";

/// Which object.
#[derive(Debug, Clone)]
pub struct Named {
    /// Name of the origin.
    pub origin: String,
    /// Key, as text.
    pub key: String,
}

/// What is to be changed of an object. `None`: it stays.
#[derive(Debug, Clone)]
pub struct Changes {
    /// Whether it is delivered by signed URLs only.
    pub require_signed_urls: Option<bool>,
    /// What its owner keeps beside it: a JSON object, or empty for nothing.
    pub metadata: Option<String>,
    /// The entity tag that it must have.
    pub if_match: Option<String>,
}

/// What an object says of itself after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Updated {
    /// Whether it is delivered by signed URLs only.
    pub require_signed_urls: bool,
    /// What its owner keeps beside it: a JSON object, or empty for nothing.
    pub metadata: String,
    /// Its entity tag, quotes included; empty where the store gives none.
    pub etag: String,
}

/// Lets the changes of one object follow each other.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<(String, String), Weak<Turn>>>);

type Turn = tokio::sync::Mutex<()>;

impl Turns {
    fn of(&self, object: &Named) -> Arc<Turn> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // As many as there are changes under way.
        all.retain(|_, turn| turn.strong_count() > 0);
        let name = (object.origin.clone(), object.key.clone());
        if let Some(turn) = all.get(&name).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(Turn::default());
        all.insert(name, Arc::downgrade(&turn));
        turn
    }
}

/// On which condition an object is copied.
enum Condition {
    Holds(&'static str, String),
    /// It was changed so recently that the next change could not be told from the last.
    After(Duration),
    /// The store says nothing that could be one.
    Unknown,
}

impl App {
    /// Changes the metadata of an object that the caller may have. Goes on when its caller does not wait any more.
    ///
    /// # Errors
    /// `CALLER_DENIED`, `ORIGIN_UNKNOWN`, `OBJECT_KEY_UNSUPPORTED`, `FIELD_INVALID` of an origin that is not signed for,
    /// `OBJECT_METADATA_TOO_LARGE`, `OBJECT_CHANGED`, the signer's and the origin's failures.
    pub async fn update(
        self: &Arc<Self>,
        object: Named,
        changes: Changes,
        permits: &dyn Permits,
        context: &Context,
    ) -> Result<Updated, CallError> {
        permits.object(&object.wanted())?;
        let (app, context) = (Arc::clone(self), context.clone());
        in_task(async move {
            let turn = app.turns.of(&object);
            let _turn = begin(&turn, &context).await?;
            let updated = app.copy(&object, &changes, &context).await;
            // Also where it failed: it may have been done. Results stay: whom they are delivered to, the object decides each time.
            app.forget(&object.origin, &object.key);
            if updated.is_ok() {
                tracing::info!(origin = object.origin, "object.updated");
            }
            updated
        })
        .await
    }

    /// Deletes an object that the caller may have, and drops what was made of it. Goes on when its caller does not wait any more.
    ///
    /// # Errors
    /// As [`Self::update`]; the result store's failures.
    pub async fn delete(
        self: &Arc<Self>,
        object: Named,
        if_match: Option<String>,
        permits: &dyn Permits,
        context: &Context,
    ) -> Result<(), CallError> {
        permits.object(&object.wanted())?;
        let (app, context) = (Arc::clone(self), context.clone());
        in_task(async move {
            let turn = app.turns.of(&object);
            let _turn = begin(&turn, &context).await?;
            let deleted = app.remove(&object, if_match.as_deref(), &context).await;
            // The new epoch is written after the deletion, so that no result below it can be of this object. A delivery that is
            // still under way stores its result below the old epoch, where nobody looks any more, not even when the same bytes
            // are uploaded again to the same key and have the same entity tag. Where this process ends in between, or
            // the store does not take the epoch, the caller has no answer, or an error, and repeats the call.
            let dropped = match deleted {
                Ok(()) => app.drop_any_results(&object.origin, &object.key, &context).await,
                Err(error) => Err(error),
            };
            // Last: what is asked from now on is asked of the store as it is. What was asked before is not kept, and no later
            // request waits for it.
            app.forget(&object.origin, &object.key);
            if dropped.is_ok() {
                tracing::info!(origin = object.origin, "object.deleted");
            }
            dropped
        })
        .await
    }

    /// Copies an object onto itself with the metadata that it is to have.
    async fn copy(&self, object: &Named, changes: &Changes, context: &Context) -> Result<Updated, CallError> {
        let (mut attempts, mut tag) = (ATTEMPTS, changes.if_match.clone());
        loop {
            let stat = self.look(object, context).await?;
            check_tag(&stat, tag.as_deref())?;
            let is_kept = |name: &str| KEPT.contains(&name) || name.starts_with(USER_METADATA);
            let described = stat.described(is_kept).map_err(|name| cannot_be_sent(&object.origin, &name))?;
            let wanted = changed(described.clone(), changes)?;
            if wanted == described {
                return Ok(updated(&wanted, stat.etag()));
            }
            let (name, value) = match condition(&stat) {
                Condition::Holds(name, value) => (name, value),
                Condition::After(time) if time < context.remaining() => {
                    sleep(time).await;
                    continue;
                }
                Condition::After(_) => {
                    let text = "the object was changed a moment ago, and its next change cannot wait so long";
                    return Err(Reason::DeadlineExceeded.error(text));
                }
                Condition::Unknown => {
                    return Err(Reason::OriginUnavailable
                        .error("the store says neither when the object was changed nor its entity tag"));
                }
            };
            let (origin, source) = self.source(object)?;
            let mut headers = vec![
                ("x-amz-copy-source", source.as_str()),
                ("x-amz-metadata-directive", "REPLACE"),
                (name, value.as_str()),
            ];
            headers.extend(wanted.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            if attempts == 0 {
                return Err(Reason::ObjectChanged.error("the object is changed by others again and again"));
            }
            attempts -= 1;
            let (request, fetcher) = self.sign_change(object, "PUT", &headers, context).await?;
            let began = Instant::now();
            match fetcher.copy(&request, &context.trace(), context.remaining()).await {
                Ok(etag) => {
                    let pause = began.elapsed() * 2 + LEAST_PAUSE;
                    if pause * 2 > context.remaining() {
                        return Ok(updated(&wanted, if etag.is_empty() { stat.etag() } else { etag }));
                    }
                    sleep(pause).await;
                    // A copy may have another tag than its source, though its bytes are the same.
                    tag = tag.filter(|_| !etag.is_empty()).map(|_| etag);
                }
                Err(error) if error.kind() == Kind::Changed => {
                    tracing::debug!(origin, attempts, "object.changed_meanwhile");
                }
                Err(error) => return Err(error::origin(&error)),
            }
        }
    }

    /// Has an object deleted. One that is not there is.
    async fn remove(
        &self,
        object: &Named,
        if_match: Option<&str>,
        context: &Context,
    ) -> Result<(), CallError> {
        let mut headers = Vec::new();
        if let Some(tag) = if_match {
            // Also for stores that know no such condition.
            match self.look(object, context).await {
                Ok(stat) => check_tag(&stat, if_match)?,
                Err(error) if error.reason() == Reason::OriginNotFound => return Ok(()),
                Err(error) => return Err(error),
            }
            headers.push(("if-match", tag));
        }
        let (request, fetcher) = self.sign_change(object, "DELETE", &headers, context).await?;
        match fetcher.delete(&request, &context.trace(), context.remaining()).await {
            Err(error) if !is_absent(&error) => Err(error::origin(&error)),
            _ => Ok(()),
        }
    }

    /// Asks what the store says of an object.
    async fn look(&self, object: &Named, context: &Context) -> Result<Stat, CallError> {
        let (request, fetcher) = self.sign_change(object, "HEAD", &[], context).await?;
        let stat = fetcher.look(&request, &context.trace(), context.remaining()).await;
        stat.map_err(|error| error::origin(&error))
    }

    /// The object as the source of a copy, and its origin's name.
    fn source(&self, object: &Named) -> Result<(&str, String), CallError> {
        let (origin, _) = self.origin(&object.origin)?;
        let OriginKind::S3 { bucket, .. } = &origin.kind else { return Err(not_signed_for()) };
        let source = request::copy_source(origin, bucket, &object.key);
        Ok((&origin.name, source.map_err(|error| error::origin(&error))?))
    }

    /// Has a request signed with these headers.
    async fn sign_change(
        &self,
        object: &Named,
        method: &str,
        headers: &[(&str, &str)],
        context: &Context,
    ) -> Result<(SignedRequest, &Fetcher), CallError> {
        let (origin, fetcher) = self.origin(&object.origin)?;
        let url = request::url(origin, &object.key).map_err(|error| error::origin(&error))?;
        if self.results.as_ref().is_some_and(|results| results.is_ours(url.as_str())) {
            return Err(error::result_asked_for(&object.origin));
        }
        let (key, region) = origin.signing().ok_or_else(not_signed_for)?;
        let wanted = OriginRequest { key, method, url: url.as_str(), region, headers, body_sha256: "" };
        let signed =
            self.signer.sign_request(wanted, context).await.map_err(|error| error::signer(&error))?;
        let signed = signed.iter().map(|header| (header.name.as_str(), header.value.as_str()));
        let request = SignedRequest::by_signer(url.clone(), headers.iter().copied().chain(signed));
        Ok((request.map_err(|error| error::unusable_signature(&error))?, fetcher))
    }
}

impl Named {
    fn wanted(&self) -> Wanted<'_> {
        Wanted { route: None, origin: &self.origin, key: &self.key, public: false }
    }
}

/// Does something that goes on when nobody waits for it.
async fn in_task<T: Send + 'static>(
    task: impl Future<Output = Result<T, CallError>> + Send + 'static,
) -> Result<T, CallError> {
    tokio::spawn(task.in_current_span())
        .await
        .unwrap_or_else(|_| Err(Reason::Internal.error("the object could not be changed")))
}

/// Waits until no other change of the object is under way.
async fn begin<'a>(turn: &'a Turn, context: &Context) -> Result<MutexGuard<'a, ()>, CallError> {
    let waited = timeout_at(context.deadline.into(), turn.lock()).await;
    waited.map_err(|_| Reason::DeadlineExceeded.error("other changes of the object took too long"))
}

fn check_tag(stat: &Stat, if_match: Option<&str>) -> Result<(), CallError> {
    if if_match.is_none_or(|wanted| wanted == stat.etag()) {
        return Ok(());
    }
    Err(Reason::ObjectChanged
        .error("the object has another entity tag")
        .with_violation("if_match", "is not its tag"))
}

/// On which condition the object that was found is copied.
fn condition(stat: &Stat) -> Condition {
    if let (Some(changed), Some(asked)) = (stat.last_modified(), stat.asked()) {
        let age = asked.duration_since(changed);
        match age {
            Ok(age) if age >= SETTLED => {
                let since = httpdate::fmt_http_date(changed + SAME);
                return Condition::Holds("x-amz-copy-source-if-unmodified-since", since);
            }
            Ok(age) => return Condition::After(SETTLED - age),
            // Its clocks differ, but not by much.
            Err(ahead) if ahead.duration() <= SETTLED => return Condition::After(SETTLED + ahead.duration()),
            Err(_) => {}
        }
    }
    match stat.strong_etag() {
        Some(etag) => Condition::Holds("x-amz-copy-source-if-match", etag),
        None => Condition::Unknown,
    }
}

/// The headers that describe the object when it is changed.
fn changed(
    mut described: BTreeMap<String, String>,
    changes: &Changes,
) -> Result<BTreeMap<String, String>, CallError> {
    let mut set = |name: &str, value: String| {
        if value.is_empty() {
            described.remove(name);
        } else {
            described.insert(name.to_owned(), value);
        }
    };
    if let Some(is_private) = changes.require_signed_urls {
        set(metadata::REQUIRE_SIGNED_URLS, if is_private { "true".to_owned() } else { String::new() });
    }
    if let Some(kept) = &changes.metadata {
        set(metadata::METADATA, object::encode(kept));
    }
    let of_user = described.iter().filter(|(name, _)| name.starts_with(USER_METADATA));
    let bytes: usize = of_user.map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_METADATA_BYTES {
        let text = format!("the object's metadata would have {bytes} bytes, and at most 2,048 are stored");
        return Err(Reason::ObjectMetadataTooLarge.error(&*text).with_violation("metadata", text));
    }
    Ok(described)
}

/// What the headers say.
fn updated(described: &BTreeMap<String, String>, etag: String) -> Updated {
    let text = |name| described.get(name).and_then(|value| object::decode(value)).unwrap_or_default();
    Updated {
        require_signed_urls: text(metadata::REQUIRE_SIGNED_URLS) == "true",
        metadata: text(metadata::METADATA),
        etag,
    }
}

fn is_absent(error: &OriginError) -> bool {
    error.kind() == Kind::NotFound && error.cause().refusal.code.as_deref() != Some("NoSuchBucket")
}

fn not_signed_for() -> CallError {
    CallError::field("origin", "its objects can be read only: it is no bucket, or has no signing_key")
}

/// An object whose headers cannot be given again would lose them.
fn cannot_be_sent(origin: &str, name: &str) -> CallError {
    tracing::warn!(
        origin,
        header = name,
        "object.not_ascii: a header of the object is not ASCII, and cannot be signed"
    );
    Reason::SignerRefused.error("the object has a header that cannot be signed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn change(require_signed_urls: Option<bool>, metadata: Option<&str>) -> Changes {
        Changes { require_signed_urls, metadata: metadata.map(str::to_owned), if_match: None }
    }

    #[test]
    fn what_is_not_to_be_changed_stays() {
        let before = described(&[
            ("content-type", "image/png"),
            ("x-amz-meta-metadata", "{}"),
            ("x-amz-meta-require-signed-urls", "true"),
            ("x-amz-meta-upload", "1"),
        ]);
        let after = changed(before.clone(), &change(Some(false), Some("{\"a\":\"é\"}"))).unwrap();
        let expected = [
            ("content-type", "image/png"),
            ("x-amz-meta-metadata", "{\"a\":\"%C3%A9\"}"),
            ("x-amz-meta-upload", "1"),
        ];
        assert_eq!(after, described(&expected));
        let told = updated(&after, "\"t\"".to_owned());
        assert_eq!((told.require_signed_urls, told.metadata.as_str()), (false, "{\"a\":\"é\"}"));
        assert_eq!(changed(before.clone(), &change(Some(true), None)).unwrap(), before);
        let without = changed(before, &change(None, Some(""))).unwrap();
        assert!(!without.contains_key("x-amz-meta-metadata"));
        assert_eq!(updated(&without, String::new()).metadata, "");
    }

    #[test]
    fn all_metadata_together_is_bounded_and_nothing_else_counts() {
        let other =
            described(&[("x-amz-meta-other", &"o".repeat(1000)), ("cache-control", &"c".repeat(3000))]);
        let room = MAX_METADATA_BYTES - 1000 - "x-amz-meta-other".len() - "x-amz-meta-metadata".len();
        assert!(changed(other.clone(), &change(None, Some(&"m".repeat(room)))).is_ok());
        let error = changed(other, &change(None, Some(&"m".repeat(room + 1)))).unwrap_err();
        assert_eq!(error.reason(), Reason::ObjectMetadataTooLarge);
    }

    #[test]
    fn the_condition_tells_the_next_change_from_the_last() {
        let at = |changed: &str, asked: &str| {
            condition(&Stat::for_test(&[("last-modified", changed), ("date", asked), ("etag", "\"1\"")]))
        };
        let of = |second: u32| format!("Tue, 14 Nov 2023 22:13:{second:02} GMT");
        for (changed, asked, expected) in [
            (of(20), of(22), Ok(("x-amz-copy-source-if-unmodified-since", of(21)))),
            (of(20), of(59), Ok(("x-amz-copy-source-if-unmodified-since", of(21)))),
            (of(20), of(21), Err(1)),
            (of(20), of(20), Err(2)),
            (of(21), of(20), Err(3)),
            (of(30), of(20), Ok(("x-amz-copy-source-if-match", "\"1\"".to_owned()))),
            (String::new(), of(20), Ok(("x-amz-copy-source-if-match", "\"1\"".to_owned()))),
            (of(20), String::new(), Ok(("x-amz-copy-source-if-match", "\"1\"".to_owned()))),
        ] {
            let found = match at(&changed, &asked) {
                Condition::Holds(name, value) => Ok((name, value)),
                Condition::After(time) => Err(time.as_secs()),
                Condition::Unknown => panic!("{changed} {asked}"),
            };
            assert_eq!(found, expected, "{changed} {asked}");
        }
        for tag in ["W/\"1\"", ""] {
            assert!(matches!(condition(&Stat::for_test(&[("etag", tag)])), Condition::Unknown));
        }
    }
}
