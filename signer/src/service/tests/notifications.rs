use safelight_proto::signer::v1::{Reason, Verdict};

use super::*;

async fn notified(signer: &Signer, notification: pb::verify_notification_request::Notification) -> Reason {
    let request = pb::VerifyNotificationRequest {
        key: "uploads".to_owned(),
        notification: Some(notification),
        max_age: None,
    };
    let answer = ok(signer.verify_notification(allowed(request)).await);
    assert_eq!(answer.verdict() == Verdict::Valid, answer.reason() == Reason::Ok);
    assert_eq!(answer.key_version, if answer.reason() == Reason::Ok { 5 } else { 0 });
    answer.reason()
}

#[tokio::test]
async fn notifications() {
    use pb::verify_notification_request::Notification;
    use sha2::{Digest, Sha256};

    let signer = signer();
    let hash = |text: &str| hex::encode(Sha256::digest(format!("{text}{}", SECRETS[2])));
    let webhook = |body: &str, signature: String| {
        let body = body.as_bytes().to_vec().into();
        Notification::Webhook(pb::Webhook { body, timestamp: NOW.to_string(), signature })
    };
    let good = webhook("{}", hash(&format!("{{}}{NOW}")));
    assert_eq!(notified(&signer, good.clone()).await, Reason::Ok);
    assert_eq!(
        notified(&signer, webhook("[]", hash(&format!("{{}}{NOW}")))).await,
        Reason::SignatureMismatch
    );
    assert_eq!(notified(&signer, webhook("{", hash(&format!("{{{NOW}")))).await, Reason::BodyMalformed);
    signer.clock.set(NOW + 7201);
    assert_eq!(notified(&signer, good).await, Reason::Stale);

    let answer = |public_id: &str, version: &str, signature: String| {
        let (public_id, version) = (public_id.to_owned(), version.to_owned());
        Notification::UploadAnswer(pb::UploadAnswer { public_id, version, signature })
    };
    let signature = hash("public_id=a&version=1");
    assert_eq!(notified(&signer, answer("a", "1", signature.clone())).await, Reason::Ok);
    assert_eq!(notified(&signer, answer("a", "2", signature.clone())).await, Reason::SignatureMismatch);
    assert_eq!(notified(&signer, answer("", "1", signature.clone())).await, Reason::PublicIdInvalid);
    assert_eq!(notified(&signer, answer("a", "x", signature)).await, Reason::VersionMalformed);

    let empty = pb::VerifyNotificationRequest { key: "uploads".to_owned(), ..Default::default() };
    let answer = signer.verify_notification(allowed(empty.clone())).await;
    assert_eq!(refused(answer), (Code::InvalidArgument, "FIELD_INVALID".to_owned()));
    let other = pb::VerifyNotificationRequest { key: "web".to_owned(), ..empty };
    let answer = signer.verify_notification(allowed(other)).await;
    assert_eq!(refused(answer), (Code::FailedPrecondition, "KEY_SCHEME_MISMATCH".to_owned()));
}
