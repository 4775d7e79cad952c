//! What is left to do of uploads: objects whose upload was never ended, and outcomes that are sent to callbacks.
//!
//! The signer keeps these tasks durably, and signs what they need. Each resizer asks it for those of each rule: every 5 to 30
//! seconds, and at once when it has ended an upload with a callback itself.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::{StreamExt as _, future, stream};
use safelight_chassis::random;
use safelight_client::SignerError;
use safelight_proto::signer::v1::{
    AbsentObject, CallbackTask, EndUploadTaskRequest, FailedTask, FoundObject, Header, ObjectTask,
    SentCallback, TakeUploadTasksRequest, UploadKind, UploadTask, end_upload_task_request::Outcome,
    upload_task::Work,
};
use safelight_proto::upload::object::metadata;

use super::{App, Context, error};
use crate::{
    origin::{Kind, SignedRequest, request},
    upload::Rule,
};

/// How often the signer is asked while there is something to do, and when there was nothing for long. Give or take a tenth.
const INTERVAL: Duration = Duration::from_secs(5);
const IDLE_INTERVAL: Duration = Duration::from_secs(30);
/// When it is asked again after it has refused, or has not answered.
const RETRY: Duration = Duration::from_secs(30);
/// How long the signer may take.
const SIGNER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the store of an object may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// Tasks that are taken at once, and those of them that are done at once.
const TAKEN: u32 = 16;
const AT_ONCE: usize = 8;

/// What of a rule's tasks fails now, as the log has been told.
#[derive(Debug, Default)]
struct Failing {
    /// The signer: tasks cannot be taken or ended.
    signer: AtomicBool,
    /// The receiver of callbacks.
    receiver: AtomicBool,
    /// The store: it does not say whether an object is there.
    store: AtomicBool,
}

/// Notes whether something fails. Whether that has changed.
fn changes(failing: &AtomicBool, now: bool) -> bool {
    failing.swap(now, Ordering::Relaxed) != now
}

impl App {
    /// Does what is left of uploads, for as long as the process lives. A rule waits for itself alone: the receiver of another may
    /// be down.
    pub async fn do_upload_tasks(&self) {
        let rules = self.uploads.rules.iter().filter(|rule| has_tasks(rule));
        future::join_all(rules.map(|rule| self.do_tasks(rule))).await;
    }

    async fn do_tasks(&self, rule: &Rule) {
        let failing = Failing::default();
        let ended = self.upload_ended.get(&rule.name);
        let mut interval = INTERVAL;
        loop {
            let request = TakeUploadTasksRequest {
                upload_digests: vec![rule.digest.clone()],
                max_tasks: TAKEN,
                lease: None,
            };
            match self.signer.take_upload_tasks(request, &Context::within(SIGNER_TIMEOUT)).await {
                Ok(tasks) => {
                    if changes(&failing.signer, false) {
                        tracing::info!(
                            upload = rule.name,
                            "upload.tasks_again: the signer gives out tasks again"
                        );
                    }
                    interval = if tasks.is_empty() { IDLE_INTERVAL.min(interval * 2) } else { INTERVAL };
                    let is_full = tasks.len() >= TAKEN as usize;
                    // Of this round: after a failure the rest is not sent, and comes later.
                    let is_down = AtomicBool::new(false);
                    let work = |task| self.do_task(rule, task, &failing, &is_down);
                    stream::iter(tasks).for_each_concurrent(AT_ONCE, work).await;
                    if is_full {
                        continue;
                    }
                }
                Err(error) => {
                    if changes(&failing.signer, true) {
                        not_taken(rule, &error);
                    }
                    tokio::time::sleep(random::jittered(RETRY)).await;
                    continue;
                }
            }
            // Resizers that started together shall not ask together.
            let wait = random::jittered(interval);
            match ended {
                Some(ended) => _ = tokio::time::timeout(wait, ended.notified()).await,
                None => tokio::time::sleep(wait).await,
            }
        }
    }

    async fn do_task(&self, rule: &Rule, task: UploadTask, failing: &Failing, is_down: &AtomicBool) {
        let UploadTask { task_id, work, .. } = task;
        let outcome = match work {
            Some(Work::Object(object)) => {
                let found = self.look_for(rule, object).await;
                if changes(&failing.store, found.is_err())
                    && let Err(cause) = &found
                {
                    tracing::warn!(
                        upload = rule.name,
                        origin = rule.origin,
                        cause,
                        "upload.not_looked_for: whether an object was stored is not known; it is tried again later"
                    );
                }
                found
            }
            Some(Work::Callback(_)) if is_down.load(Ordering::Relaxed) => {
                Err("not sent: the receiver has failed a moment ago".to_owned())
            }
            Some(Work::Callback(callback)) => {
                let sent = self.send_callback(rule, callback).await;
                is_down.fetch_or(sent.is_err(), Ordering::Relaxed);
                if changes(&failing.receiver, sent.is_err()) {
                    match &sent {
                        Err(cause) => tracing::warn!(
                            upload = rule.name,
                            cause,
                            "upload.callback_failed: outcomes are kept, and sent again for 72 hours"
                        ),
                        Ok(_) => tracing::info!(
                            upload = rule.name,
                            "upload.callback_again: callbacks are received again"
                        ),
                    }
                }
                sent
            }
            None => Err("a task of a kind that this resizer does not know".to_owned()),
        };
        let outcome = outcome.unwrap_or_else(|cause| Outcome::Failed(FailedTask { cause }));
        let request = EndUploadTaskRequest { task_id, outcome: Some(outcome) };
        // Where it is not heard, the task comes again.
        if let Err(error) = self.signer.end_upload_task(request, &Context::within(SIGNER_TIMEOUT)).await
            && changes(&failing.signer, true)
        {
            not_taken(rule, &error);
        }
    }

    /// Whether an object is there.
    async fn look_for(&self, rule: &Rule, task: ObjectTask) -> Result<Outcome, String> {
        let ObjectTask { url, head_headers } = task;
        let (origin, fetcher) = self.origin(&rule.origin).map_err(|error| error.message().to_owned())?;
        let url = request::of_origin(origin, &url)
            .ok_or_else(|| error::other_object(&url, &rule.origin).message().to_owned())?;
        let request =
            SignedRequest::by_signer(url, pairs(&head_headers)).map_err(|error| error.to_string())?;
        let context = Context::within(LOOK_TIMEOUT);
        match fetcher.look(&request, &context.trace(), context.remaining()).await {
            Ok(stat) => Ok(Outcome::Found(FoundObject {
                upload_id: stat.metadata(metadata::UPLOAD).unwrap_or_default(),
                etag: stat.etag(),
                sha256: stat.metadata(metadata::SHA256).unwrap_or_default(),
            })),
            Err(error) if error.kind() == Kind::NotFound => Ok(Outcome::Absent(AbsentObject {})),
            Err(error) => Err(super::results::describe(&error)),
        }
    }

    /// Sends an outcome, where the configuration says it goes.
    async fn send_callback(&self, rule: &Rule, task: CallbackTask) -> Result<Outcome, String> {
        let CallbackTask { url, headers, body } = task;
        if rule.callback.as_deref() != Some(url.as_str()) {
            return Err("the signer names another callback than this resizer's configuration".to_owned());
        }
        let sent = self.callbacks.send(&url, pairs(&headers), body).await;
        self.metrics.callback(&rule.name, sent.is_ok());
        sent.map(|()| Outcome::Sent(SentCallback {}))
    }
}

/// Says why tasks of a rule are not done.
fn not_taken(rule: &Rule, error: &SignerError) {
    let hint = match error {
        SignerError::Refused(_) => {
            "the signer must grant this caller TakeUploadTasks and EndUploadTask, the rule and its keys"
        }
        SignerError::Unavailable(_) => "it is tried again",
    };
    tracing::warn!(
        upload = rule.name,
        cause = %error.failure(),
        hint,
        "upload.no_tasks: callbacks are not sent, and lost uploads not found, by this resizer"
    );
}

/// Whether the signer may have tasks for a rule.
fn has_tasks(rule: &Rule) -> bool {
    rule.kind == UploadKind::OneTime || rule.callback.is_some()
}

fn pairs(headers: &[Header]) -> impl Iterator<Item = (&str, &str)> {
    headers.iter().map(|header| (header.name.as_str(), header.value.as_str()))
}
