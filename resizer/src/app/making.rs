//! What is made for a URL, apart from who asked for it: so it can be made once for all who ask.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use safelight_client::Fetch;
use safelight_image::{accept::Accepts, plan::OutputBounds, probe::Info};
use safelight_proto::reason::{CallError, Reason};

use super::{
    App, Context,
    deliver::{Asked, Content, Delivered, Head, is_unchanged},
    error,
    fetch::{Found, Object},
    render::{Order, Source, Work},
    results::{Facts, Known, Looked, ResultSource},
    sink::{Collected, Timings},
};
use crate::{
    admission::{Place, Reserved},
    delivery::cache::{self, Original},
    origin::CallerHeaders,
    results::{Picture, address},
};

/// Everything that decides a picture.
#[derive(Debug)]
pub(super) struct Making {
    pub(super) app: Arc<App>,
    /// The route's name, for the log.
    pub(super) route: String,
    pub(super) origin: String,
    pub(super) key: String,
    pub(super) caller: CallerHeaders,
    /// What the signer signed with the URL.
    pub(super) fetch: Option<Fetch>,
    /// Whether the URL has no signature, and the object decides whether it is served.
    pub(super) is_stranger: bool,
    pub(super) order: Order,
    pub(super) accepts: Accepts,
    pub(super) bounds: Vec<OutputBounds>,
    /// Of options, format and bounds.
    pub(super) identity: String,
    /// How long the signer took for the URL.
    pub(super) signer: Option<Duration>,
    pub(super) context: Context,
}

/// A picture that was made or found, for all who waited for it.
#[derive(Debug)]
pub struct Made {
    pub(super) known: Known,
    /// The answer's entity tag.
    pub(super) etag: String,
    pub(super) picture: Picture,
    pub(super) bytes: Bytes,
    /// What the source was; `None` for a stored result.
    pub(super) info: Option<Info>,
    pub(super) timings: Timings,
    pub(super) memory: Arc<Reserved>,
    pub(super) source: ResultSource,
    pub(super) stored: bool,
}

impl Making {
    /// The name of some work for this object: the same for all requests that may share it. Not for one that comes after the
    /// object was changed here, though the work began before.
    pub(super) fn name(&self, what: &str, parts: &[&str]) -> String {
        /// What is fetched with a caller's own headers is that caller's work.
        static OWN: AtomicU64 = AtomicU64::new(1);

        let own = if self.caller.is_empty() { 0 } else { OWN.fetch_add(1, Ordering::Relaxed) };
        let (own, stranger) = (own.to_string(), if self.is_stranger { "stranger" } else { "" });
        let changes = self.app.changes.load(Ordering::Acquire).to_string();
        let mut all = vec![what, &self.origin, &self.key, &own, stranger, &changes];
        all.extend(parts);
        address::digest(&all)
    }

    /// The entity tag of the answer.
    pub(super) fn tag(&self, original: Original<'_>) -> String {
        cache::entity_tag(original, &self.origin, &self.key, &self.identity)
    }

    const fn object(&self) -> Object<'_> {
        Object { origin: self.origin.as_str(), key: self.key.as_str(), caller: &self.caller }
    }

    /// Opens the original, if it may be had.
    pub(super) async fn find(&self) -> Result<Found, CallError> {
        let found = self.app.find(self.object(), self.fetch.as_ref(), &self.context).await;
        let found = found.map_err(|error| self.told(error))?;
        self.check(&Known::of(&found.opened.stat()))?;
        Ok(found)
    }

    /// A stranger is told the same of what is absent and of what the origin refuses.
    fn told(&self, error: CallError) -> CallError {
        let is_hidden = matches!(error.reason(), Reason::OriginNotFound | Reason::OriginDenied);
        if self.is_stranger && is_hidden { error::not_found() } else { error }
    }

    fn check(&self, known: &Known) -> Result<(), CallError> {
        if self.is_stranger && known.is_private {
            self.app.count_not_found(&self.origin);
            return Err(error::private(&self.origin, &self.route));
        }
        Ok(())
    }

    /// Asks what the origin says of the original, and the store for its epoch: at the same time, but of a stranger's only
    /// once it is known that he may have it. So what is absent and what is private is refused by one request.
    pub(super) async fn ask(self: Arc<Self>, with_epoch: bool, purges: u64) -> Result<Facts, CallError> {
        let known = async {
            let probed = self.app.probe(self.object(), self.fetch.as_ref(), &self.context).await;
            let known = probed.map_err(|error| self.told(error))?;
            self.check(&known)?;
            Ok(known)
        };
        let epoch = async {
            if with_epoch { self.app.epoch(&self.origin, &self.key, &self.context).await } else { None }
        };
        let (known, epoch) = if self.is_stranger {
            (known.await?, epoch.await)
        } else {
            tokio::try_join!(known, async { Ok(epoch.await) })?
        };
        let facts = Facts { known, epoch, purges };
        self.remember(&facts);
        Ok(facts)
    }

    fn remember(&self, facts: &Facts) {
        if let (Some(results), true) = (&self.app.results, facts.epoch.is_some()) {
            results.memory().put(&self.origin, &self.key, facts.clone(), facts.purges);
        }
    }

    /// Finds the picture in the store at `address`, or makes it: of `found`, where the original has been opened.
    pub(super) async fn make(
        self: Arc<Self>,
        address: Option<String>,
        facts: Option<Facts>,
        found: Option<Found>,
    ) -> Result<Arc<Made>, CallError> {
        let began = Instant::now();
        let (mut facts, mut is_damaged) = (facts, false);
        if let (Some(address), Some(results), Some(Facts { known, .. })) =
            (&address, &self.app.results, &facts)
        {
            match self.app.look_up(results, address, &self.context).await {
                Looked::Hit(picture, bytes, reserved) => {
                    let etag = self.tag(Original::Tag(known.etag.as_deref().unwrap_or_default()));
                    return Ok(Arc::new(Made {
                        known: known.clone(),
                        etag,
                        picture,
                        bytes,
                        info: None,
                        timings: Timings { receive: began.elapsed(), ..Timings::default() },
                        memory: Arc::new(reserved),
                        source: ResultSource::Hit,
                        stored: false,
                    }));
                }
                Looked::Absent => {}
                Looked::Damaged => is_damaged = true,
                Looked::Failed => facts = None,
            }
        }
        let source =
            if facts.is_some() && address.is_some() { ResultSource::Miss } else { ResultSource::Bypass };

        let found = match found {
            Some(found) => found,
            None => self.find().await?,
        };
        let known = Known::of(&found.opened.stat());
        let (work, etag) = self.work(found, &known, Place::of_others()).await?;
        let mut collected = Collected::default();
        self.app.render(work, &self.context, &mut collected).await?;
        let Collected { head: Some(output), bytes, end: Some((summary, held)) } = collected else {
            return Err(Reason::Internal.error("the picture could not be made"));
        };
        let picture = Picture {
            format: output.format,
            size: output.size,
            length: output.length,
            crc32c: output.crc32c,
        };
        let mut stored = false;
        if let (Some(facts), Some(results)) = (facts, &self.app.results) {
            // Of the original that was fetched, which may be newer than what was known of it.
            let facts = Facts { known: known.clone(), ..facts };
            self.remember(&facts);
            let now = results.address(&self.origin, &self.key, &facts, &self.identity);
            stored = now.is_some_and(|now| {
                let replace = is_damaged && Some(&now) == address.as_ref();
                let held = (picture, bytes.clone(), Arc::clone(&held.memory));
                self.app.store_later(now, held, replace, &self.context)
            });
        }
        Ok(Arc::new(Made {
            known,
            etag,
            picture,
            bytes,
            info: summary.source,
            timings: summary.timings,
            memory: held.memory,
            source,
            stored,
        }))
    }

    /// Reads the original. With the work comes the entity tag of what it makes.
    async fn work(&self, found: Found, known: &Known, place: Place) -> Result<(Work, String), CallError> {
        let Found { opened, signer, started } = found;
        let (bytes, reserved) = self.app.read(&self.origin, opened).await?;
        let etag = self.tag(match &known.etag {
            Some(etag) => Original::Tag(etag),
            None => Original::Bytes(&bytes),
        });
        let signer = Some(self.signer.unwrap_or_default() + signer).filter(|time| !time.is_zero());
        let source = Source { bytes, reserved, place, receive: started.elapsed(), signer };
        let work = Work {
            source,
            orders: vec![self.order.clone()],
            accepts: self.accepts,
            bounds: self.bounds.clone(),
        };
        Ok((work, etag))
    }
}

/// An answer for one caller alone: not stored, and made with no one else's.
pub(super) async fn alone(
    making: Making,
    mut head: Head,
    asked: Asked<'_>,
    place: Place,
) -> Result<Delivered, CallError> {
    let found = making.find().await?;
    let known = Known::of(&found.opened.stat());
    let began = making.app.began;
    // With a tag of the origin's the answer may be known before a byte of the body has come.
    if let Some(etag) = &known.etag {
        head.describe(&known, making.tag(Original::Tag(etag)), began);
        if is_unchanged(&head, asked) {
            return Ok(Delivered::NotModified(head));
        }
    }
    let (work, etag) = making.work(found, &known, place).await?;
    head.describe(&known, etag, began);
    if is_unchanged(&head, asked) {
        return Ok(Delivered::NotModified(head));
    }
    Ok(Delivered::Picture(head, Box::new(Content::ToMake(work))))
}
