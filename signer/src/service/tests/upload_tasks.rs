//! Tasks: objects of which nobody told, and outcomes that are sent.

use pb::{
    end_upload_task_request::Outcome, upload_authority::Authority, upload_service_server::UploadService,
    upload_task::Work,
};

use super::{
    storer::{
        self, BASE, SHA, authorize, begin, by_form, by_token, digest, field, file, finish, form, header,
        resizer, signer, token,
    },
    *,
};

async fn take(signer: &Signer, rules: &[&str]) -> Vec<pb::UploadTask> {
    let request = pb::TakeUploadTasksRequest {
        upload_digests: rules.iter().map(|rule| digest(signer, rule)).collect(),
        ..Default::default()
    };
    ok(signer.take_upload_tasks(resizer("TakeUploadTasks", request)).await).tasks
}

async fn end(signer: &Signer, task: &pb::UploadTask, outcome: Outcome) {
    let request = pb::EndUploadTaskRequest { task_id: task.task_id.clone(), outcome: Some(outcome) };
    ok(signer.end_upload_task(resizer("EndUploadTask", request)).await);
}

async fn state(signer: &Signer, token: &str) -> pb::UploadTokenState {
    use pb::{get_upload_token_request::Selector, upload_token_service_server::UploadTokenService};

    let selector = Some(Selector::Token(token.to_owned()));
    let request = pb::GetUploadTokenRequest { account: "acme".to_owned(), selector };
    let told = ok(storer::tokens(signer).get_upload_token(allowed(request)).await);
    told.upload_token.unwrap().state()
}

fn found(upload_id: &str) -> Outcome {
    found_file(upload_id, SHA)
}

fn found_file(upload_id: &str, sha256: &str) -> Outcome {
    Outcome::Found(pb::FoundObject {
        upload_id: upload_id.to_owned(),
        etag: "\"e\"".to_owned(),
        sha256: sha256.to_owned(),
    })
}

const ABSENT: Outcome = Outcome::Absent(pb::AbsentObject {});
const SENT: Outcome = Outcome::Sent(pb::SentCallback {});

fn failed() -> Outcome {
    Outcome::Failed(pb::FailedTask { cause: "503\nno".to_owned() })
}

/// The one task, which is to look for an object.
fn object(tasks: &[pb::UploadTask]) -> &pb::ObjectTask {
    match tasks {
        [pb::UploadTask { work: Some(Work::Object(object)), .. }] => object,
        other => panic!("{other:?}"),
    }
}

/// The one task, which is to send an outcome: what is sent. Its signature holds.
async fn callback(signer: &Signer, tasks: &[pb::UploadTask], url: &str) -> serde_json::Value {
    let [pb::UploadTask { work: Some(Work::Callback(callback)), .. }] = tasks else { panic!("{tasks:?}") };
    assert_eq!(callback.url, url);
    assert_eq!(header(&callback.headers, "content-type"), Some("application/json"));
    let webhook = pb::Webhook {
        body: callback.body.clone().into(),
        timestamp: header(&callback.headers, "x-cld-timestamp").unwrap().to_owned(),
        signature: header(&callback.headers, "x-cld-signature").unwrap().to_owned(),
    };
    let request = pb::VerifyNotificationRequest {
        key: "forms".to_owned(),
        notification: Some(pb::verify_notification_request::Notification::Webhook(webhook)),
        max_age: None,
    };
    let verdict = ok(signer.verify_notification(allowed(request)).await);
    assert_eq!(verdict.verdict(), pb::Verdict::Valid, "{verdict:?}");
    serde_json::from_str(&callback.body).unwrap()
}

/// Begun and signed: then nothing more is heard of it.
async fn signed(signer: &Signer, rule: &str, by: &Authority, request_id: &str) -> String {
    ok(begin(signer, rule, by, request_id).await);
    ok(authorize(signer, rule, by, request_id, file()).await).upload_id
}

#[tokio::test]
async fn an_object_that_nobody_told_of_is_looked_for_and_its_token_redeemed() {
    let signer = signer();
    let token = token(&signer, |_| {}).await;
    let upload_id = signed(&signer, "tokens", &by_token(&token), "r1").await;
    assert!(take(&signer, &["tokens"]).await.is_empty(), "its lease has not ended");

    signer.clock.set(NOW + 310);
    assert!(take(&signer, &["forms", "granted"]).await.is_empty(), "another rule's");
    let tasks = take(&signer, &["tokens"]).await;
    let work = object(&tasks);
    assert_eq!(work.url, format!("{BASE}u/acme/cat"));
    assert!(header(&work.head_headers, "authorization").is_some());
    assert!(take(&signer, &["tokens"]).await.is_empty(), "it is taken");

    // A store that does not answer: it comes again.
    end(&signer, &tasks[0], failed()).await;
    signer.clock.set(NOW + 312);
    let again = take(&signer, &["tokens"]).await;
    assert_ne!(again[0].task_id, tasks[0].task_id);
    // What was taken before counts no more.
    end(&signer, &tasks[0], found(&upload_id)).await;
    assert_eq!(state(&signer, &token).await, pb::UploadTokenState::Pending);

    end(&signer, &again[0], found(&upload_id)).await;
    assert_eq!(state(&signer, &token).await, pb::UploadTokenState::Redeemed);
    signer.clock.set(NOW + 1_000_000);
    assert!(take(&signer, &["tokens"]).await.is_empty(), "it is over");
}

#[tokio::test]
async fn another_uploads_object_redeems_nothing() {
    let signer = signer();
    let token = token(&signer, |_| {}).await;
    signed(&signer, "tokens", &by_token(&token), "r1").await;
    signer.clock.set(NOW + 310);
    let tasks = take(&signer, &["tokens"]).await;
    end(&signer, &tasks[0], found("other")).await;
    assert_eq!(state(&signer, &token).await, pb::UploadTokenState::Pending);
    signer.clock.set(NOW + 1_000_000);
    assert!(take(&signer, &["tokens"]).await.is_empty());
}

#[tokio::test]
async fn an_object_that_is_not_there_is_looked_for_until_none_can_come() {
    let signer = signer();
    let token = token(&signer, |_| {}).await;
    signed(&signer, "told", &by_token(&token), "r1").await;
    for at in [310, 610, 910] {
        signer.clock.set(NOW + at - 1);
        assert!(take(&signer, &["told"]).await.is_empty(), "{at}");
        signer.clock.set(NOW + at);
        let tasks = take(&signer, &["told"]).await;
        object(&tasks);
        end(&signer, &tasks[0], ABSENT).await;
    }
    signer.clock.set(NOW + 1210);
    let tasks = take(&signer, &["told"]).await;
    end(&signer, &tasks[0], ABSENT).await;
    let tasks = take(&signer, &["told"]).await;
    let said = callback(&signer, &tasks, "https://app.example.com/hooks").await;
    assert_eq!(
        (said["outcome"].as_str(), said["reason"].as_str()),
        (Some("refused"), Some("UPLOAD_INCOMPLETE"))
    );
    assert_eq!((said.get("key"), said["public_id"].as_str()), (None, Some("cat")));
    assert_eq!(state(&signer, &token).await, pb::UploadTokenState::Pending);
}

#[tokio::test]
async fn a_stored_upload_is_told_until_its_receiver_answers() {
    let signer = signer();
    let token = token(&signer, |request| {
        request.creator = "ann".to_owned();
        request.require_signed_urls = true;
        request.metadata = Some(prost_types::Struct {
            fields: [(
                "album".to_owned(),
                prost_types::Value { kind: Some(prost_types::value::Kind::StringValue("é".to_owned())) },
            )]
            .into(),
        });
    })
    .await;
    let by = by_token(&token);
    let upload_id = signed(&signer, "told", &by, "r1").await;
    ok(finish(&signer, "told", &by, "r1", true).await);
    let tasks = take(&signer, &["told"]).await;
    let said = callback(&signer, &tasks, "https://app.example.com/hooks").await;
    let id = said["notification_id"].clone();
    assert_eq!(
        said,
        serde_json::json!({
            "notification_type": "upload", "notification_id": id, "outcome": "stored",
            "timestamp": "2023-11-14T22:13:20Z", "rule": "told", "request_id": "r1", "account": "acme",
            "token_id": upload_id, "public_id": "cat", "creator": "ann", "require_signed_urls": true,
            "metadata": {"album": "é"}, "key": "photos/acme/cat", "content_type": "image/jpeg", "bytes": 1000,
            "sha256": SHA, "width": 40, "height": 30, "original_filename": "Cat 1.jpg",
        })
    );
    // Taken by a resizer that died: another gets it, and the same is said.
    signer.clock.set(NOW + 60);
    let tasks = take(&signer, &["told"]).await;
    let mut again = callback(&signer, &tasks, "https://app.example.com/hooks").await;
    assert_eq!((again["notification_id"].take(), again["outcome"].as_str()), (id, Some("stored")));
    // Its receiver does not answer.
    end(&signer, &tasks[0], failed()).await;
    assert!(take(&signer, &["told"]).await.is_empty());
    signer.clock.set(NOW + 70);
    let tasks = take(&signer, &["told"]).await;
    end(&signer, &tasks[0], SENT).await;
    signer.clock.set(NOW + 1_000_000);
    assert!(take(&signer, &["told"]).await.is_empty());
    // A repeated end tells nothing anew.
    ok(finish(&signer, "told", &by, "r1", true).await);
    assert!(take(&signer, &["told"]).await.is_empty());
}

#[tokio::test]
async fn a_refused_upload_is_told_once_for_all_attempts_and_not_after_it_was_stored() {
    let signer = signer();
    let token = token(&signer, |_| {}).await;
    let by = by_token(&token);
    for request_id in ["r1", "r2"] {
        ok(begin(&signer, "told", &by, request_id).await);
        ok(finish(&signer, "told", &by, request_id, false).await);
    }
    let tasks = take(&signer, &["told"]).await;
    let said = callback(&signer, &tasks, "https://app.example.com/hooks").await;
    assert_eq!(
        (said["outcome"].as_str(), said["reason"].as_str(), said["request_id"].as_str()),
        (Some("refused"), Some("IMAGE_CORRUPT"), Some("r2"))
    );
    end(&signer, &tasks[0], failed()).await;
    signed(&signer, "told", &by, "r3").await;
    ok(finish(&signer, "told", &by, "r3", true).await);
    signer.clock.set(NOW + 10);
    let tasks = take(&signer, &["told"]).await;
    let said = callback(&signer, &tasks, "https://app.example.com/hooks").await;
    assert_eq!(said["outcome"], "stored");
    // Nothing is told of what was never begun.
    let nobody = finish(&signer, "told", &by_token(&"A".repeat(43)), "r", false).await;
    assert_eq!(refused(nobody).1, "TOKEN_NOT_FOUND");
}

#[tokio::test]
async fn a_put_that_failed_is_looked_for_before_it_is_told() {
    for is_there in [false, true] {
        let signer = signer();
        let token = token(&signer, |_| {}).await;
        let by = by_token(&token);
        let upload_id = signed(&signer, "told", &by, "r1").await;
        ok(finish(&signer, "told", &by, "r1", false).await);
        assert!(take(&signer, &["told"]).await.is_empty());
        signer.clock.set(NOW + 5);
        let tasks = take(&signer, &["told"]).await;
        object(&tasks);
        end(&signer, &tasks[0], if is_there { found(&upload_id) } else { ABSENT }).await;
        let tasks = take(&signer, &["told"]).await;
        let said = callback(&signer, &tasks, "https://app.example.com/hooks").await;
        let expected = if is_there { ("stored", None) } else { ("refused", Some("IMAGE_CORRUPT")) };
        assert_eq!((said["outcome"].as_str().unwrap(), said["reason"].as_str()), expected);
        let redeemed = state(&signer, &token).await == pb::UploadTokenState::Redeemed;
        assert_eq!(redeemed, is_there);
    }
}

fn other_file() -> pb::UploadedFile {
    pb::UploadedFile { sha256: SHA.replace('1', "2"), filename: "Dog.jpg".to_owned(), ..file() }
}

#[tokio::test]
async fn of_two_attempts_the_one_whose_file_is_there_is_told() {
    let signer = signer();
    let token = token(&signer, |_| {}).await;
    let by = by_token(&token);
    let upload_id = signed(&signer, "told", &by, "a").await;
    signer.clock.set(NOW + 301);
    ok(begin(&signer, "told", &by, "b").await);
    ok(authorize(&signer, "told", &by, "b", other_file()).await);
    signer.clock.set(NOW + 700);
    let tasks = take(&signer, &["told"]).await;
    assert_eq!(tasks.len(), 2);
    for task in &tasks {
        end(&signer, task, found_file(&upload_id, &other_file().sha256)).await;
    }
    let tasks = take(&signer, &["told"]).await;
    let said = callback(&signer, &tasks, "https://app.example.com/hooks").await;
    assert_eq!(
        (said["request_id"].as_str(), said["sha256"].as_str(), said["original_filename"].as_str()),
        (Some("b"), Some(other_file().sha256.as_str()), Some("Dog.jpg"))
    );
    assert_eq!(state(&signer, &token).await, pb::UploadTokenState::Redeemed);
    // That attempt may be repeated, and the other not.
    assert!(ok(begin(&signer, "told", &by, "b").await).already_stored);
    assert_eq!(refused(begin(&signer, "told", &by, "a").await).1, "TOKEN_ALREADY_REDEEMED");
}

#[tokio::test]
async fn what_an_earlier_attempt_has_stored_is_told_by_the_one_that_found_it() {
    let signer = signer();
    let token = token(&signer, |_| {}).await;
    let by = by_token(&token);
    signed(&signer, "told", &by, "a").await;
    signer.clock.set(NOW + 301);
    ok(begin(&signer, "told", &by, "b").await);
    ok(authorize(&signer, "told", &by, "b", other_file()).await);
    // It finds the file of attempt `a`.
    ok(finish(&signer, "told", &by, "b", true).await);
    let tasks = take(&signer, &["told"]).await;
    let [told] = &tasks
        .iter()
        .filter(|task| matches!(task.work, Some(Work::Callback(_))))
        .cloned()
        .collect::<Vec<_>>()[..]
    else {
        panic!("{tasks:?}")
    };
    let said = callback(&signer, std::slice::from_ref(told), "https://app.example.com/hooks").await;
    assert_eq!((said["sha256"].as_str(), said["request_id"].as_str()), (Some(SHA), Some("b")));
}

#[tokio::test]
async fn no_refusal_is_told_of_a_token_whose_file_is_stored() {
    let signer = signer();
    let token = token(&signer, |_| {}).await;
    let by = by_token(&token);
    // Its PUT fails, and its refusal waits for a receiver.
    signed(&signer, "told", &by, "a").await;
    ok(finish(&signer, "told", &by, "a", false).await);
    signer.clock.set(NOW + 5);
    let tasks = take(&signer, &["told"]).await;
    end(&signer, &tasks[0], ABSENT).await;
    // Another attempt is stored; and one comes late.
    signed(&signer, "told", &by, "b").await;
    ok(finish(&signer, "told", &by, "b", true).await);
    ok(finish(&signer, "told", &by, "c", false).await);
    let tasks = take(&signer, &["told"]).await;
    let said = callback(&signer, &tasks, "https://app.example.com/hooks").await;
    assert_eq!((said["outcome"].as_str(), said["request_id"].as_str()), (Some("stored"), Some("b")));
}

#[tokio::test]
async fn every_outcome_has_an_id_of_its_own_and_none_takes_the_place_of_another() {
    let signer = signer();
    let by = storer::by_grant("acme", "");
    for sent in [file(), other_file()] {
        ok(begin(&signer, "told-grants", &by, "k").await);
        ok(authorize(&signer, "told-grants", &by, "k", sent.clone()).await);
        ok(storer::finish_with(&signer, "told-grants", &by, "k", sent).await);
    }
    ok(finish(&signer, "told-grants", &by, "k2", false).await);
    let tasks = take(&signer, &["told-grants"]).await;
    let mut ids = std::collections::BTreeSet::new();
    for task in &tasks {
        let said = callback(&signer, std::slice::from_ref(task), "https://app.example.com/hooks").await;
        ids.insert(said["notification_id"].as_str().unwrap().to_owned());
    }
    assert_eq!((tasks.len(), ids.len()), (3, 3));
}

#[tokio::test]
async fn a_callback_that_is_taken_and_never_ended_is_given_up() {
    let signer = signer();
    let token = token(&signer, |_| {}).await;
    let by = by_token(&token);
    signed(&signer, "told", &by, "a").await;
    ok(finish(&signer, "told", &by, "a", true).await);
    for at in [0, 60, 120, 72 * 3600 - 1] {
        signer.clock.set(NOW + at);
        assert_eq!(take(&signer, &["told"]).await.len(), 1, "{at}");
    }
    signer.clock.set(NOW + 72 * 3600 + 60);
    assert!(take(&signer, &["told"]).await.is_empty());
}

#[tokio::test]
async fn forms_are_told_too_and_only_those_that_hold() {
    let signer = signer();
    let fields = form(&signer, &[("public_id", "dog"), ("tags", "a,b")]).await;
    let by = by_form(fields.clone());
    signed(&signer, "told-forms", &by, "r1").await;
    ok(finish(&signer, "told-forms", &by, "r1", true).await);
    let tasks = take(&signer, &["told-forms"]).await;
    let said = callback(&signer, &tasks, "https://app.example.com/hooks?a=1").await;
    assert_eq!((said["public_id"].as_str(), said["metadata"]["tags"][1].as_str()), (Some("dog"), Some("b")));
    end(&signer, &tasks[0], SENT).await;
    let mut wrong = fields;
    wrong.push(field("folder", "x"));
    ok(finish(&signer, "told-forms", &by_form(wrong), "r2", false).await);
    assert!(take(&signer, &["told-forms"]).await.is_empty());
}

#[tokio::test]
async fn tasks_that_are_asked_for_wrongly() {
    let signer = signer();
    let take = async |change: fn(&mut pb::TakeUploadTasksRequest)| {
        let mut request = pb::TakeUploadTasksRequest {
            upload_digests: vec![digest(&signer, "tokens")],
            ..Default::default()
        };
        change(&mut request);
        signer.take_upload_tasks(resizer("TakeUploadTasks", request)).await
    };
    let long = take(|request| request.lease = Some(Duration { seconds: 901, nanos: 0 })).await;
    assert_eq!(refused(long), (Code::InvalidArgument, "FIELD_INVALID".to_owned()));
    let many = take(|request| request.upload_digests = vec![String::new(); 257]).await;
    assert_eq!(refused(many), (Code::InvalidArgument, "FIELD_INVALID".to_owned()));
    assert!(ok(take(|request| request.upload_digests = vec!["x".to_owned()]).await).tasks.is_empty());

    let end = async |task_id: &str, outcome| {
        let request = pb::EndUploadTaskRequest { task_id: task_id.to_owned(), outcome };
        signer.end_upload_task(resizer("EndUploadTask", request)).await
    };
    for task_id in
        ["", "x", &"0".repeat(64), &format!("{}.x", "0".repeat(64)), &format!("{}.1", "é".repeat(32))]
    {
        assert_eq!(refused(end(task_id, Some(SENT)).await).1, "FIELD_INVALID", "{task_id}");
    }
    let unknown = format!("{}.1", "0".repeat(64));
    assert_eq!(refused(end(&unknown, None).await).1, "FIELD_INVALID");
    ok(end(&unknown, Some(SENT)).await);

    // An outcome of the other kind changes nothing.
    let token = token(&signer, |_| {}).await;
    signed(&signer, "told", &by_token(&token), "r1").await;
    signer.clock.set(NOW + 310);
    let request =
        pb::TakeUploadTasksRequest { upload_digests: vec![digest(&signer, "told")], ..Default::default() };
    let tasks = ok(signer.take_upload_tasks(resizer("TakeUploadTasks", request)).await).tasks;
    assert_eq!(refused(end(&tasks[0].task_id, Some(SENT)).await).1, "FIELD_INVALID");
}
