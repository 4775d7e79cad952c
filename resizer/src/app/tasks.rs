//! What is left to do of uploads: objects of which nobody has told, and outcomes that are sent to callbacks.
//!
//! The signer keeps these tasks durably, and signs what they need. Each resizer asks it for some: every few seconds, and at
//! once when it has ended an upload itself.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use safelight_chassis::random;
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

/// How often the signer is asked, give or take a tenth.
const INTERVAL: Duration = Duration::from_secs(5);
/// The same after it has refused, or has not answered.
const RETRY: Duration = Duration::from_secs(30);
/// How long the signer may take.
const SIGNER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the store of an object may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// Tasks that are taken at once, and those of them that are done at once.
const TAKEN: u32 = 16;
const AT_ONCE: usize = 8;

impl App {
    /// Does what is left of uploads, for as long as the process lives.
    pub async fn do_upload_tasks(&self) {
        let digests: Vec<String> = self
            .uploads
            .rules
            .iter()
            .filter(|rule| has_tasks(rule))
            .map(|rule| rule.digest.clone())
            .collect();
        if digests.is_empty() {
            return;
        }
        let mut refusal = None;
        loop {
            let request =
                TakeUploadTasksRequest { upload_digests: digests.clone(), max_tasks: TAKEN, lease: None };
            let wait = match self.signer.take_upload_tasks(request, &Context::within(SIGNER_TIMEOUT)).await {
                Ok(tasks) => {
                    refusal = None;
                    let is_full = tasks.len() >= TAKEN as usize;
                    stream::iter(tasks).for_each_concurrent(AT_ONCE, |task| self.do_task(task)).await;
                    if is_full {
                        continue;
                    }
                    INTERVAL
                }
                Err(error) => {
                    let cause = error.failure().to_string();
                    if refusal.as_ref() != Some(&cause) {
                        tracing::warn!(
                            cause,
                            "upload.no_tasks: callbacks are not sent, and lost uploads not found, by this resizer; at the \
                             signer it needs a grant for TakeUploadTasks and EndUploadTask"
                        );
                        refusal = Some(cause);
                    }
                    RETRY
                }
            };
            // Resizers that started together shall not ask together.
            _ = tokio::time::timeout(random::jittered(wait), self.upload_ended.notified()).await;
        }
    }

    async fn do_task(&self, task: UploadTask) {
        let UploadTask { task_id, upload_digest, work } = task;
        let Some(rule) = self.uploads.rules.iter().find(|rule| rule.digest == upload_digest) else { return };
        let outcome = match work {
            Some(Work::Object(object)) => self.look_for(rule, object).await,
            Some(Work::Callback(callback)) => self.send_callback(rule, callback).await,
            None => Err("a task of a kind that this resizer does not know".to_owned()),
        };
        let outcome = outcome.unwrap_or_else(|cause| Outcome::Failed(FailedTask { cause }));
        let request = EndUploadTaskRequest { task_id, outcome: Some(outcome) };
        // Where it is not heard, the task comes again.
        if let Err(error) = self.signer.end_upload_task(request, &Context::within(SIGNER_TIMEOUT)).await {
            tracing::info!(upload = rule.name, cause = %error.failure(), "upload.task_not_ended: it comes again");
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

/// Whether the signer may have tasks for a rule.
fn has_tasks(rule: &Rule) -> bool {
    rule.kind == UploadKind::OneTime || rule.callback.is_some()
}

fn pairs(headers: &[Header]) -> impl Iterator<Item = (&str, &str)> {
    headers.iter().map(|header| (header.name.as_str(), header.value.as_str()))
}
