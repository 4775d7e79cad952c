//! What is left to do of uploads: the journal, and the calls of `UploadService` by which resizers do it.

use std::{collections::HashMap, sync::Arc};

use prost::Message as _;
use safelight_proto::{
    reason::CallError,
    signer::v1::{
        CallbackTask, EndUploadTaskRequest, EndUploadTaskResponse, Header, ObjectTask, RefusedUpload,
        StoredUpload, TakeUploadTasksRequest, TakeUploadTasksResponse, UploadTask,
        end_upload_task_request::Outcome, upload_task::Work,
    },
};

use super::{
    call::Call,
    refusal,
    uploads::{gone, received},
};
use crate::{
    scheme::{aws_sigv4::Body, cloudinary_upload},
    signer::Signer,
    storing::{
        Callback, File, Object, Permit, Rule,
        outcome::{self, Next},
    },
    upload::{
        Journal, Outcome as Redeemed, Refusal, TokenId,
        journal::{Entry, Facts, Kept},
        rules,
    },
};

/// Most digests of a request.
const MAX_DIGESTS: usize = 256;
/// Tasks of an answer, unless asked for otherwise, and at most.
const DEFAULT_TASKS: u32 = 16;
const MAX_TASKS: u32 = 64;
/// How long a task is left to its caller, unless asked for otherwise, in seconds.
const DEFAULT_LEASE: u64 = 60;
/// How long after the end of its lease an object is looked for, in seconds: clocks differ.
const LOOK_AFTER_LEASE: u64 = 10;
/// When a token is asked for again that another attempt has reserved, in seconds.
const RESERVED_PAUSE: u64 = 60;
/// Most bytes of the tasks of an answer, about.
const MAX_TASK_BYTES: usize = 1 << 20;
/// Longest text of a resizer or a store that is kept, in bytes.
const MAX_TEXT: usize = 500;

/// An attempt at an upload, whose PUT is about to be signed.
pub(super) struct Attempt<'a> {
    pub(super) permit: &'a Permit,
    pub(super) object: &'a Object,
    pub(super) file: &'a File<'a>,
    /// In pixels.
    pub(super) size: (u32, u32),
    pub(super) request_id: &'a str,
    /// When its reservation ends, in Unix seconds; without one it has a minute.
    pub(super) until: Option<u64>,
}

impl Signer {
    pub(super) fn journal(&self) -> Option<Journal> {
        self.upload_tokens.as_ref().map(crate::upload::UploadTokens::journal)
    }

    /// Keeps what is needed to find an object whose PUT is about to be signed.
    pub(super) async fn note_attempt(&self, rule: &Rule, attempt: Attempt<'_>) -> Result<(), CallError> {
        let Attempt { permit, object, file, size, request_id, until } = attempt;
        let is_token = !permit.token_id().is_empty();
        let Some(journal) = self.journal().filter(|_| is_token || rule.callback.is_some()) else {
            return Ok(());
        };
        let now = self.clock.now();
        let id = outcome::attempt_id(rule, permit, request_id, file.sha256);
        let entry = Entry {
            rule: rule.name.clone(),
            due: until.unwrap_or(now + DEFAULT_LEASE) + LOOK_AFTER_LEASE,
            attempts: 0,
            facts: rule.facts(permit, object, file, size, request_id, now),
        };
        journal.keep(&id, entry).await.map_err(refusal::store)
    }

    /// An attempt is over, and its object stored: has its outcome sent, or forgets it. `is_first` says that this call has redeemed
    /// its token.
    pub(super) async fn note_stored(
        &self,
        rule: &Rule,
        permit: &Permit,
        request_id: &str,
        stored: &StoredUpload,
        is_first: bool,
    ) -> Result<(), CallError> {
        let Some(journal) = self.journal() else { return Ok(()) };
        let Some(file) = &stored.file else { return Ok(()) };
        let id = outcome::attempt_id(rule, permit, request_id, &file.sha256);
        if rule.callback.is_none() {
            if !permit.token_id().is_empty() {
                // Where this is lost, the object is looked for and found, and the entry is removed then.
                tokio::spawn(async move {
                    if let Err(error) = journal.remove(&id).await {
                        tracing::debug!(%error, "an entry of the upload journal was not removed");
                    }
                });
            }
            return Ok(());
        }
        let now = self.clock.now();
        let entry = match journal.get(&id).await.map_err(refusal::store)? {
            Some(kept) => kept.entry,
            // What was signed for this attempt was another file: one of an earlier attempt is there.
            None if is_first => {
                let file = received(file);
                let object = rule.object(permit, &file).map_err(refusal::unstorable)?;
                let facts = rule.facts(permit, &object, &file, (0, 0), request_id, now);
                Entry { rule: rule.name.clone(), due: now, attempts: 0, facts }
            }
            // It has been told.
            None => return Ok(()),
        };
        journal.keep(&id, outcome::stored(entry, cut(&stored.etag), now)).await.map_err(refusal::store)
    }

    /// An attempt is over, and nothing stored, as far as its resizer knows. `is_stored` says that its token's file is stored, by
    /// another attempt.
    pub(super) async fn note_refused(
        &self,
        rule: &Rule,
        permit: &Permit,
        request_id: &str,
        refused: &RefusedUpload,
        is_stored: bool,
    ) -> Result<(), CallError> {
        let Some(journal) = self.journal() else { return Ok(()) };
        let now = self.clock.now();
        let reason = if is_reason(&refused.reason) { &refused.reason } else { "INTERNAL" };
        // Where a PUT was signed, its object may be there all the same.
        let attempt = outcome::attempt_id(rule, permit, request_id, &refused.sha256);
        let kept = if refused.sha256.is_empty() {
            None
        } else {
            journal.get(&attempt).await.map_err(refusal::store)?
        };
        if let Some(kept) = kept {
            if kept.entry.facts.ended.is_none() {
                let entry = outcome::failed_put(kept.entry.clone(), reason, now);
                journal.change(&kept, Some(entry)).await.map_err(refusal::store)?;
            }
        } else if rule.callback.is_some() && !is_stored && rule.check(permit).is_ok() {
            let facts = rule.refusal(permit, request_id, reason, now);
            let entry = Entry { rule: rule.name.clone(), due: now, attempts: 0, facts };
            journal.keep(&outcome::refusal_id(rule, permit), entry).await.map_err(refusal::store)?;
        }
        Ok(())
    }

    pub(super) async fn take_tasks(
        &self,
        call: &Call<'_>,
        request: TakeUploadTasksRequest,
    ) -> Result<TakeUploadTasksResponse, CallError> {
        let TakeUploadTasksRequest { upload_digests, max_tasks, lease } = request;
        if upload_digests.len() > MAX_DIGESTS {
            return Err(CallError::field("upload_digests", "expected at most 256"));
        }
        let lease = match lease {
            None => DEFAULT_LEASE,
            Some(lease) => rules::lease(Some(lease.seconds))
                .ok_or_else(|| CallError::field("lease", "expected 1 s to 15 min"))?,
        };
        let limit = match max_tasks {
            0 => DEFAULT_TASKS,
            asked => asked.min(MAX_TASKS),
        };
        let uploads = self.uploads();
        let known = upload_digests.iter().filter_map(|digest| uploads.of_digest(digest));
        let rules: HashMap<&str, &Arc<Rule>> = known
            .filter(|rule| call.granted().clone().upload(&rule.name, rule.keys()).is_ok())
            .map(|rule| (rule.name.as_str(), rule))
            .collect();
        let Some(journal) = self.journal().filter(|_| !rules.is_empty()) else {
            return Ok(TakeUploadTasksResponse::default());
        };
        let now = self.clock.now();
        let names = rules.keys().map(|name| (*name).to_owned()).collect();
        let taken = journal.take(names, now, now + lease, limit as usize).await.map_err(refusal::store)?;
        let mut tasks = Vec::with_capacity(taken.len());
        let mut bytes = 0;
        for kept in taken {
            let Some(rule) = rules.get(kept.entry.rule.as_str()) else { continue };
            if outcome::is_over(&kept.entry, now) {
                // Taken again and again, and never ended.
                tell_failure(rule, &kept, &Next::GivenUp, "no resizer has said what came of it");
                journal.change(&kept, None).await.map_err(refusal::store)?;
                continue;
            }
            if self.is_settled(&kept.entry).await? {
                journal.change(&kept, None).await.map_err(refusal::store)?;
                continue;
            }
            match self.work(call, rule, &kept, now) {
                Ok(Some(work)) => {
                    let task = UploadTask {
                        task_id: task_id(&kept),
                        upload_digest: rule.digest.clone(),
                        work: Some(work),
                    };
                    bytes += task.encoded_len();
                    // Those that are left out come when their lease has ended.
                    if bytes <= MAX_TASK_BYTES {
                        tasks.push(task);
                    }
                }
                Ok(None) => {
                    journal.change(&kept, None).await.map_err(refusal::store)?;
                }
                // It comes again: what hinders may be mended.
                Err(error) => {
                    let next = outcome::failed(kept.entry.clone(), now);
                    tell_failure(rule, &kept, &next, error.message());
                    journal.change(&kept, kept_of(next)).await.map_err(refusal::store)?;
                }
            }
        }
        Ok(TakeUploadTasksResponse { tasks })
    }

    /// Whether a refusal counts no more: another attempt with its token has stored a file.
    async fn is_settled(&self, entry: &Entry) -> Result<bool, CallError> {
        let Entry { facts, .. } = entry;
        if facts.refused.is_none() || facts.ended.is_none() {
            return Ok(false);
        }
        let Some((tokens, id)) = self.upload_tokens.as_ref().zip(TokenId::parse(&facts.token_id)) else {
            return Ok(false);
        };
        let record = tokens.get(&facts.account, id).await.map_err(refusal::store)?;
        Ok(record.is_some_and(|record| record.state.redeemed().is_some()))
    }

    /// What is to be done for an entry; `None`: nothing any more.
    fn work(&self, call: &Call<'_>, rule: &Rule, kept: &Kept, now: u64) -> Result<Option<Work>, CallError> {
        let facts = &kept.entry.facts;
        if facts.ended.is_none() {
            let url = rule.origin.url(&facts.object_key).map_err(refusal::object_key)?;
            call.granted().object(&url).map_err(refusal::denied)?;
            let head = self.signed_object_request(rule, "HEAD", &url, &[], Body::Unsigned)?;
            return Ok(Some(Work::Object(ObjectTask { url, head_headers: head.headers })));
        }
        let Some(Callback { url, key }) = &rule.callback else { return Ok(None) };
        let ring = self.keyring();
        let key = ring.cloudinary_upload(key).map_err(gone(rule))?;
        let body = outcome::body(rule, &kept.id, facts);
        let signs = &key.versions.primary(now).material;
        let signature =
            cloudinary_upload::sign_notification(signs, key.policy.algorithm, body.as_bytes(), now);
        let header = |name: &str, value: String| Header { name: name.to_owned(), value };
        let headers = vec![
            header("content-type", "application/json".to_owned()),
            header("x-cld-timestamp", now.to_string()),
            header("x-cld-signature", signature),
        ];
        Ok(Some(Work::Callback(CallbackTask { url: url.clone(), headers, body })))
    }

    pub(super) async fn end_task(
        &self,
        call: &mut Call<'_>,
        request: EndUploadTaskRequest,
    ) -> Result<EndUploadTaskResponse, CallError> {
        let EndUploadTaskRequest { task_id, outcome } = request;
        let outcome =
            outcome.ok_or_else(|| CallError::field("outcome", "expected found, absent, sent or failed"))?;
        let (id, revision) = parse_task_id(&task_id)
            .ok_or_else(|| CallError::field("task_id", "expected one that TakeUploadTasks has given"))?;
        let done = EndUploadTaskResponse::default();
        let Some(journal) = self.journal() else { return Ok(done) };
        let kept = journal.get(id).await.map_err(refusal::store)?;
        let Some(kept) = kept.filter(|kept| kept.revision == revision) else { return Ok(done) };
        let Some(rule) = self.uploads().named(&kept.entry.rule).map(Arc::clone) else { return Ok(done) };
        call.upload(&rule)?;
        call.note(|entry| kept.entry.facts.object_key.clone_into(&mut entry.subject));
        let now = self.clock.now();
        let entry = kept.entry.clone();
        let is_looked_for = entry.facts.ended.is_none();
        let mut refused = None;
        let mut absent = |entry, has_come| {
            let (next, told) = outcome::absent(entry, has_come, now);
            refused = told.filter(|_| rule.callback.is_some());
            next
        };
        let next = match outcome {
            Outcome::Found(found) if is_looked_for => {
                let is_of_upload = found.upload_id == entry.facts.upload_id;
                if is_of_upload && found.sha256 == entry.facts.sha256 {
                    self.found(&rule, entry, cut(&found.etag), now).await?
                } else if is_of_upload || rule.overwrites() {
                    // Another attempt of this upload has stored another file, or another upload has replaced this one's: they
                    // have outcomes of their own.
                    Next::Over
                } else {
                    absent(entry, true)
                }
            }
            Outcome::Absent(_) if is_looked_for => absent(entry, false),
            Outcome::Sent(_) if !is_looked_for => Next::Over,
            Outcome::Failed(failed) => {
                let next = outcome::failed(entry, now);
                tell_failure(&rule, &kept, &next, cut(&failed.cause));
                next
            }
            Outcome::Found(_) | Outcome::Absent(_) | Outcome::Sent(_) => {
                return Err(CallError::field("outcome", "expected one of the task's kind"));
            }
        };
        if let Some(refused) = refused {
            journal.keep(&outcome::refused_attempt_id(&kept.id), refused).await.map_err(refusal::store)?;
        }
        // Where it is another by now, its own attempt has told more of it.
        journal.change(&kept, kept_of(next)).await.map_err(refusal::store)?;
        Ok(done)
    }

    /// An object is there of which nobody has told: its token is redeemed, and its outcome sent.
    async fn found(&self, rule: &Rule, entry: Entry, etag: &str, now: u64) -> Result<Next, CallError> {
        let facts = &entry.facts;
        let told = || tracing::info!(upload = rule.name, object = facts.object_key, "upload.recovered");
        if let Some((tokens, id)) = self.upload_tokens.as_ref().zip(TokenId::parse(&facts.token_id)) {
            let redeemed = tokens.redeem(&facts.account, id, &facts.request_id, now).await;
            match redeemed.map_err(refusal::store)? {
                Ok(Redeemed { replayed, .. }) => {
                    if !replayed {
                        told();
                    }
                }
                // Another attempt has found it, and told.
                Err(Refusal::AlreadyRedeemed) => return Ok(Next::Over),
                Err(Refusal::Reserved { .. }) => {
                    return Ok(Next::Keep(Box::new(Entry { due: now + RESERVED_PAUSE, ..entry })));
                }
                Err(refused) => tracing::warn!(
                    upload = rule.name,
                    object = facts.object_key,
                    cause = %refused,
                    "upload.recovered_late: the object is stored, and its token was not redeemed"
                ),
            }
        } else {
            told();
        }
        if rule.callback.is_none() {
            return Ok(Next::Over);
        }
        Ok(Next::Keep(Box::new(outcome::stored(entry, etag, now))))
    }
}

fn kept_of(next: Next) -> Option<Entry> {
    match next {
        Next::Keep(entry) => Some(*entry),
        Next::Over | Next::GivenUp => None,
    }
}

/// Says in the log that a task is given up. Why it fails is said by the resizers, when that begins.
fn tell_failure(rule: &Rule, kept: &Kept, next: &Next, cause: &str) {
    let Facts { object_key: object, request_id, token_id, .. } = &kept.entry.facts;
    let (attempt, upload) = (kept.entry.attempts, &rule.name);
    let what = if kept.entry.facts.ended.is_some() { "callback" } else { "object" };
    if *next == Next::GivenUp {
        tracing::error!(upload, object, request_id, token_id, attempt, cause, "upload.{what}_given_up");
    } else {
        tracing::debug!(upload, object, request_id, token_id, attempt, cause, "upload.{what}_failed");
    }
}

/// At most [`MAX_TEXT`] bytes, up to the first control character.
fn cut(text: &str) -> &str {
    let text = text.split(char::is_control).next().unwrap_or_default();
    let end = (0..=MAX_TEXT.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

/// Whether a text has the form of a reason.
fn is_reason(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

fn task_id(kept: &Kept) -> String {
    format!("{}.{:x}", kept.id, kept.revision)
}

fn parse_task_id(text: &str) -> Option<(&str, u64)> {
    let (id, revision) = text.split_once('.')?;
    let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if id.len() != 64 || !is_hex(id) || !is_hex(revision) {
        return None;
    }
    Some((id, u64::from_str_radix(revision, 16).ok()?))
}
