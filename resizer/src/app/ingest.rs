//! An upload, into an object: once, whole, and only what the signer authorizes.
//!
//! [`App::begin`] has the signer reserve the token, or verify the form. The door then receives the bytes, and
//! [`Begun::store`] decodes them, has the PUT signed, sends it, and tells the signer. Whatever fails before the PUT leaves
//! everything as it was. Where the process dies between two steps, the next attempt with the same token finds the object,
//! which says by which upload it was written, and takes it for its own: no token is spent without an object, and none is
//! stored twice.
//!
//! # Layout
//! - `picture`: what was received, into the picture that is stored
//! - `parts`: large pictures, which are stored in parts

mod parts;
mod picture;

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use prost_types::Struct;
use safelight_chassis::random;
use safelight_client::{Judged, SignerError};
use safelight_image::{probe::Info, size::Size};
use safelight_proto::{
    reason::{CallError, Reason},
    signer::v1::{
        AuthorizeUploadRequest, AuthorizeUploadResponse, BeginUploadRequest, BeginUploadResponse,
        FinishUploadRequest, FinishUploadResponse, Header, RefusedUpload, StoredUpload, UploadAuthority,
        UploadedFile, finish_upload_request::Outcome, upload_authority::Authority,
    },
    upload::object::metadata,
};
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use super::{App, Context, error, results::EagerOutput};
use crate::{
    admission::{Place, Reserved},
    origin::{Kind, SignedRequest, Stat, request},
    results,
    upload::Rule,
};
use parts::{Object, Sent};
use picture::Picture;

/// How long a token stays reserved for an attempt that gives no sign of life.
const LEASE: Duration = Duration::from_secs(60);
/// After this much of it the lease is renewed while bytes come.
const RENEWAL: Duration = Duration::from_secs(20);
/// Pause before a renewal that was not answered is tried again.
const RENEWAL_PAUSE: Duration = Duration::from_secs(5);
/// Least time to tell the signer that an object is stored: the object is there, however late it is.
const FINISH_TIME: Duration = Duration::from_secs(5);
/// How long the signer is told that an upload has failed, or that its client is gone.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the signer is told that an object is stored. The object is there: its client must hear of it.
const FINISH_ATTEMPTS: u32 = 3;
/// Pause between two of them.
const FINISH_PAUSE: Duration = Duration::from_millis(200);

/// A name for an attempt that has none: 128 random bits.
#[must_use]
pub fn new_request_id() -> String {
    format!("{:016x}{:016x}", random::bits(), random::bits())
}

/// What is asked: who lets which upload be stored.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The rule.
    pub rule: Arc<Rule>,
    /// What lets it be stored.
    pub authority: UploadAuthority,
    /// Names the attempt.
    pub request_id: String,
    /// Variants that are made at once, beside those of the rule.
    pub eager: Vec<String>,
}

/// An upload that may be received. Dropped, it gives its token back.
#[derive(Debug)]
pub struct Begun {
    app: Arc<App>,
    wish: Wish,
    terms: BeginUploadResponse,
    context: Context,
    /// Kept while it is received and stored.
    place: Option<Place>,
    /// When the token was last reserved.
    renewed: Instant,
    /// When that was tried last.
    tried: Instant,
    /// SHA-256 of the file whose PUT was signed; empty before.
    signed: String,
    /// Whether the signer need not be told any more.
    is_over: bool,
}

/// A file that has been received.
#[derive(Debug)]
pub struct Received {
    /// Its bytes.
    pub bytes: Bytes,
    /// Memory for them.
    pub reserved: Reserved,
    /// The name that it had where it came from; empty when not known.
    pub filename: String,
}

/// A stored picture.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The rule.
    pub rule: Arc<Rule>,
    /// The tenant; empty of a form.
    pub account: String,
    /// Key of the object.
    pub key: String,
    /// The id that the image has.
    pub image_id: String,
    /// What the stored picture is.
    pub info: Info,
    /// Number of bytes stored.
    pub size: u64,
    /// CRC-32C of the stored bytes.
    pub crc32c: u32,
    /// Lower-case hex SHA-256 of the stored bytes.
    pub sha256: String,
    /// The entity tag that the store gave the object.
    pub etag: String,
    /// A blurred preview.
    pub thumbhash: Vec<u8>,
    /// Whether it is delivered by signed URLs only.
    pub require_signed_urls: bool,
    /// What the owner keeps beside the picture.
    pub metadata: Option<Struct>,
    /// The name that the file had.
    pub filename: String,
    /// When it was stored, or found to be.
    pub time: SystemTime,
    /// Whether an earlier call has stored it.
    pub replayed: bool,
    /// The variants that were made at once.
    pub eager: Vec<Derived>,
    /// Of a form, `version` and `signature` of its answer.
    pub answer: (u64, String),
}

/// A variant that was made at once.
#[derive(Debug, Clone)]
pub struct Derived {
    /// Its name.
    pub variant: String,
    /// What it is, for viewers that accept any format.
    pub picture: results::Picture,
}

impl App {
    /// Begins an upload: nothing is received before the signer has said what may be stored.
    ///
    /// # Errors
    /// The token's, the form's and the signer's refusals.
    pub async fn begin(
        self: &Arc<Self>,
        wish: Wish,
        place: Place,
        context: &Context,
    ) -> Result<Begun, CallError> {
        let mut begun = Begun {
            app: Arc::clone(self),
            wish,
            terms: BeginUploadResponse::default(),
            context: context.clone(),
            place: Some(place),
            renewed: Instant::now(),
            tried: Instant::now(),
            signed: String::new(),
            is_over: false,
        };
        // In a task: where its caller is gone meanwhile, the token is given back, and not before it was reserved.
        let task = async move {
            match begun.app.terms(&begun.wish, &begun.context).await {
                Ok(terms) => {
                    begun.terms = terms;
                    Ok(begun)
                }
                Err(error) => {
                    // Where the signer has refused, there is nothing to give back.
                    if !is_unanswered(&error) {
                        begun.forget();
                    }
                    Err(error)
                }
            }
        };
        tokio::spawn(task.in_current_span())
            .await
            .unwrap_or_else(|_| Err(Reason::Internal.error("the upload could not be begun")))
    }

    async fn terms(&self, wish: &Wish, context: &Context) -> Result<BeginUploadResponse, CallError> {
        let request = BeginUploadRequest {
            upload_digest: wish.rule.digest.clone(),
            authority: Some(wish.authority.clone()),
            request_id: wish.request_id.clone(),
            lease: prost_types::Duration::try_from(LEASE).ok(),
        };
        judged(self.signer.begin_upload(request, context).await, &wish.rule)
    }
}

impl Begun {
    /// What the signer said of it.
    #[must_use]
    pub const fn terms(&self) -> &BeginUploadResponse {
        &self.terms
    }

    /// Most bytes of the file.
    #[must_use]
    pub fn max_bytes(&self) -> u64 {
        self.terms.max_bytes.min(self.wish.rule.max_bytes).min(self.app.limits.max_source_bytes)
    }

    /// Room for its bytes.
    #[must_use]
    pub fn room(&self) -> Reserved {
        self.app.admission.upload()
    }

    /// There is nothing to give back, and nothing to be told: of a form that is begun anew.
    pub const fn forget(&mut self) {
        self.is_over = true;
    }

    /// Keeps the token reserved while bytes come. To be called with every piece of them.
    ///
    /// # Errors
    /// The token is not ours any more, or the signer has not answered for so long that it may not be.
    pub async fn keep(&mut self) -> Result<(), CallError> {
        let is_token = matches!(self.wish.authority.authority, Some(Authority::Token(_)));
        if !is_token || self.renewed.elapsed() < RENEWAL || self.tried.elapsed() < RENEWAL_PAUSE {
            return Ok(());
        }
        self.tried = Instant::now();
        match self.app.terms(&self.wish, &self.context).await {
            Ok(_) => self.renewed = self.tried,
            Err(error) if is_unanswered(&error) && self.renewed.elapsed() < LEASE - RENEWAL_PAUSE => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Stores what was received, to be over by the deadline. Goes on when its caller does not wait any more: an object that is
    /// being written is told to the signer.
    ///
    /// # Errors
    /// What is no picture, or not one that is taken; the signer's and the origin's failures. The token can be used again,
    /// unless the error says otherwise.
    pub async fn store(mut self, received: Received, context: Context) -> Result<Stored, CallError> {
        self.context = context;
        let task = async move {
            let stored = self.put(received).await;
            if let Err(error) = &stored {
                self.refuse(error.reason().as_str()).await;
            }
            stored
        };
        tokio::spawn(task.in_current_span())
            .await
            .unwrap_or_else(|_| Err(Reason::Internal.error("the upload could not be stored")))
    }

    /// Gives the token back: the upload was refused. Goes on when its caller does not wait any more.
    pub async fn refuse(&mut self, reason: &str) {
        if let Some(task) = self.give_back(reason) {
            _ = task.await;
        }
    }

    /// Gives the token back in a task of its own, once.
    fn give_back(&mut self, reason: &str) -> Option<JoinHandle<()>> {
        if std::mem::replace(&mut self.is_over, true) {
            return None;
        }
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        let (app, wish, context) = (Arc::clone(&self.app), self.wish.clone(), self.context.clone());
        let refused = RefusedUpload { reason: reason.to_owned(), sha256: std::mem::take(&mut self.signed) };
        let task = async move { release(&app, &wish, &context, refused).await };
        Some(runtime.spawn(task.in_current_span()))
    }

    async fn put(&mut self, received: Received) -> Result<Stored, CallError> {
        let Received { bytes, reserved, filename } = received;
        let place = match self.place.take() {
            Some(place) => place,
            None => self.app.enter()?,
        };
        let (app, rule) = (&self.app, &self.wish.rule);
        let eager: Vec<String> = rule.eager.iter().chain(&self.wish.eager).cloned().collect();
        let picture = app.picture(rule, &self.terms, &eager, bytes, place, &self.context).await?;
        let file = UploadedFile {
            sha256: picture.sha256.clone(),
            length: picture.bytes.len() as u64,
            content_type: picture.info.format.media_type().to_owned(),
            filename: filename.clone(),
        };
        self.keep().await?;
        let size = picture.info.size();
        let in_parts = !picture.part_sha256s.is_empty();
        let allowed = match self.authorize(&file, size, in_parts).await {
            // Another attempt with the same name has given the token back: it is taken again.
            Err(error) if error.reason() == Reason::TokenNotReserved => {
                self.app.terms(&self.wish, &self.context).await?;
                self.authorize(&file, size, in_parts).await?
            }
            allowed => allowed?,
        };
        self.signed.clone_from(&file.sha256);
        let Written { stat, replayed } = self.write(&allowed, &file, &picture).await?;
        // The object is there. To give the token back would let another file be stored under its name.
        self.is_over = true;
        drop(reserved);

        let etag = stat.etag();
        let results = self.app.store_results(
            &self.wish.rule.origin,
            &allowed.object_key,
            &etag,
            &picture.eager,
            &self.context,
        );
        let (finished, _) = tokio::join!(self.finish(file, &picture, &stat), results);
        let finished = finished?;
        has_ended(&self.app, &self.wish);
        let Picture { bytes, info, sha256, crc32c, thumbhash, eager, .. } = picture;
        let terms = std::mem::take(&mut self.terms);
        Ok(Stored {
            rule: Arc::clone(&self.wish.rule),
            account: terms.account,
            key: allowed.object_key,
            image_id: allowed.image_id,
            info,
            size: bytes.len() as u64,
            crc32c,
            sha256,
            etag,
            thumbhash,
            eager: derived(eager),
            require_signed_urls: terms.require_signed_urls,
            metadata: terms.metadata,
            filename,
            time: SystemTime::now(),
            replayed: replayed || finished.replayed,
            answer: (finished.version, finished.answer_signature),
        })
    }

    async fn authorize(
        &self,
        file: &UploadedFile,
        size: Size,
        in_parts: bool,
    ) -> Result<AuthorizeUploadResponse, CallError> {
        let request = AuthorizeUploadRequest {
            upload_digest: self.wish.rule.digest.clone(),
            authority: Some(self.wish.authority.clone()),
            request_id: self.wish.request_id.clone(),
            file: Some(file.clone()),
            width: size.width,
            height: size.height,
            multipart: in_parts,
        };
        judged(self.app.signer.authorize_upload(request, &self.context).await, &self.wish.rule)
    }

    /// Writes the object, or finds that this upload has written it before.
    async fn write(
        &mut self,
        allowed: &AuthorizeUploadResponse,
        file: &UploadedFile,
        picture: &Picture,
    ) -> Result<Written, CallError> {
        let (app, rule) = (&self.app, &self.wish.rule);
        let (origin, fetcher) = app.origin(&rule.origin)?;
        let url = request::url(origin, &allowed.object_key).map_err(|error| error::origin(&error))?;
        if url.as_str() != allowed.url {
            return Err(error::other_object(&allowed.url, &rule.origin));
        }
        let trace = self.context.trace();
        let head = signed(url.clone(), &allowed.head_headers)?;
        if !allowed.already_stored {
            let object = Object { allowed, file, picture, url: &url, head: &head, fetcher, trace: &trace };
            let written = match self.send(&object).await {
                Ok(Sent::Stored(stat)) => Some(Written { stat, replayed: false }),
                Ok(Sent::Found(stat)) => Some(Written { stat, replayed: true }),
                Ok(Sent::Exists) => None,
                Err(error) => return Err(self.failed(error)),
            };
            if let Some(written) = written {
                app.metrics.stored(&rule.name, STORED);
                return Ok(written);
            }
        }
        let stat = fetcher.look(&head, &trace, self.context.remaining()).await;
        let stat = stat.map_err(|error| self.failed(error::origin(&error)))?;
        if stat.metadata(metadata::UPLOAD).as_deref() != Some(allowed.upload_id.as_str()) {
            tracing::info!(
                upload = rule.name,
                origin = rule.origin,
                "upload.exists: the key is another upload's"
            );
            return Err(self.failed(Reason::ObjectExists.error("there is an object of that key")));
        }
        if stat.metadata(metadata::SHA256).as_deref() == Some(picture.sha256.as_str()) {
            return Ok(Written { stat, replayed: true });
        }
        Err(self.differs(allowed, &stat).await)
    }

    /// Sends the object: by one PUT, or in parts where the signer has signed that.
    async fn send(&self, object: &Object<'_>) -> Result<Sent, CallError> {
        let Object { allowed, picture, url, fetcher, trace, .. } = object;
        if !allowed.create_headers.is_empty() {
            return self.send_parts(object).await;
        }
        let put = signed((*url).clone(), &allowed.put_headers)?;
        match fetcher.put(&put, picture.bytes.clone(), trace, self.context.remaining()).await {
            Ok(stat) => Ok(Sent::Stored(stat)),
            Err(error) if error.kind() == Kind::Exists => Ok(Sent::Exists),
            Err(error) => Err(error::origin(&error)),
        }
    }

    /// An earlier attempt of this upload has stored another file: that one counts, and the signer is told so.
    async fn differs(&mut self, allowed: &AuthorizeUploadResponse, stat: &Stat) -> CallError {
        if !allowed.already_stored {
            let file = UploadedFile {
                sha256: stat.metadata(metadata::SHA256).unwrap_or_default(),
                length: stat.length().unwrap_or_default(),
                content_type: stat.content_type().unwrap_or_default().to_owned(),
                filename: stat.metadata(metadata::FILENAME).unwrap_or_default(),
            };
            let stored = StoredUpload { file: Some(file), etag: stat.etag(), ..StoredUpload::default() };
            if let Err(error) = self.tell(Outcome::Stored(stored)).await {
                return error;
            }
            has_ended(&self.app, &self.wish);
        }
        self.is_over = true;
        self.failed(
            Reason::TokenAlreadyRedeemed.error("an earlier attempt of this upload has stored another file"),
        )
    }

    fn failed(&self, error: CallError) -> CallError {
        self.app.metrics.stored(&self.wish.rule.name, error.reason().as_str());
        error
    }

    async fn finish(
        &self,
        file: UploadedFile,
        picture: &Picture,
        stat: &Stat,
    ) -> Result<FinishUploadResponse, CallError> {
        let size = picture.info.size();
        let stored =
            StoredUpload { file: Some(file), width: size.width, height: size.height, etag: stat.etag() };
        self.tell(Outcome::Stored(stored)).await
    }

    /// Tells the signer, several times where it does not answer.
    async fn tell(&self, outcome: Outcome) -> Result<FinishUploadResponse, CallError> {
        let deadline = self.context.deadline.max(Instant::now() + FINISH_TIME);
        let context = Context { deadline, ..self.context.clone() };
        let mut attempt = 1;
        loop {
            let request = finishing(&self.wish, outcome.clone());
            match self.app.signer.finish_upload(request, &context).await {
                Err(SignerError::Unavailable(_))
                    if attempt < FINISH_ATTEMPTS && context.remaining() > FINISH_PAUSE =>
                {
                    attempt += 1;
                    tokio::time::sleep(FINISH_PAUSE).await;
                }
                finished => return finished.map_err(|error| error::upload_signer(&error)),
            }
        }
    }
}

/// A request with what the signer has signed of it.
fn signed(url: reqwest::Url, headers: &[Header]) -> Result<SignedRequest, CallError> {
    let pairs = headers.iter().map(|header| (header.name.as_str(), header.value.as_str()));
    SignedRequest::by_signer(url, pairs).map_err(|error| error::unusable_signature(&error))
}

/// An object that is there.
struct Written {
    stat: Stat,
    /// Whether an earlier attempt has written it.
    replayed: bool,
}

/// One picture of each variant: of those that differ by viewer, the first.
fn derived(outputs: Vec<EagerOutput>) -> Vec<Derived> {
    let mut all: Vec<Derived> = Vec::new();
    for EagerOutput { eager, picture, .. } in outputs {
        if all.iter().all(|known| known.variant != eager.variant) {
            all.push(Derived { variant: eager.variant, picture });
        }
    }
    all
}

/// The outcome of an upload that was stored.
const STORED: &str = "OK";

impl Drop for Begun {
    /// Its client is gone: the token can be used again, at once.
    fn drop(&mut self) {
        self.place = None;
        drop(self.give_back(Reason::UploadIncomplete.as_str()));
    }
}

/// Tells the signer that nothing is stored. Where it does not hear it, the lease ends.
async fn release(app: &App, wish: &Wish, context: &Context, refused: RefusedUpload) {
    let context = Context { deadline: Instant::now() + RELEASE_TIMEOUT, ..context.clone() };
    let told = app.signer.finish_upload(finishing(wish, Outcome::Refused(refused)), &context).await;
    if let Err(error) = told {
        tracing::info!(cause = %error.failure(), "upload.not_released: the token stays reserved until its lease ends");
    }
    has_ended(app, wish);
}

/// The signer has an outcome for the rule's callback, which is sent at once.
fn has_ended(app: &App, wish: &Wish) {
    if let Some(ended) = app.upload_ended.get(&wish.rule.name).filter(|_| wish.rule.callback.is_some()) {
        ended.notify_one();
    }
}

fn finishing(wish: &Wish, outcome: Outcome) -> FinishUploadRequest {
    FinishUploadRequest {
        upload_digest: wish.rule.digest.clone(),
        authority: Some(wish.authority.clone()),
        request_id: wish.request_id.clone(),
        outcome: Some(outcome),
    }
}

/// Whether the signer may have done what it was asked, or not.
fn is_unanswered(error: &CallError) -> bool {
    matches!(error.reason(), Reason::SignerUnavailable | Reason::StoreUnavailable)
}

/// The answer, if its verdict is valid.
fn judged<T>(answer: Result<Judged<T>, SignerError>, rule: &Rule) -> Result<T, CallError> {
    match answer {
        Ok(Judged::Valid(answer)) => Ok(answer),
        Ok(Judged::Refused(cause)) => Err(error::upload_refused(cause, &rule.name)),
        Err(error) => Err(error::upload_signer(&error)),
    }
}
