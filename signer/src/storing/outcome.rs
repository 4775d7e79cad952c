//! What a callback says of an upload, and when it is said again.

use safelight_proto::digest;
use serde_json::{Map, Value, json};

use super::{File, Object, Permit, Rule};
use crate::upload::journal::{Entry, Facts};

/// How long an outcome is sent again and again, in seconds: longer than a weekend.
const MAX_SENDING: u64 = 72 * 3600;
/// How long an object is looked for where its store does not answer, in seconds.
const MAX_LOOKING: u64 = 24 * 3600;
/// Attempts at a task before it is given up, however old it is.
const MIN_ATTEMPTS: u32 = 4;
/// How long an object may still come that is not there, in seconds: a PUT must begin within 15 min of its signature.
const MAX_COMING: u64 = 20 * 60;
/// When it is looked for again, in seconds.
const LOOK_AGAIN: u64 = 5 * 60;
/// When an object is looked for whose PUT has failed, in seconds.
const LOOK_SOON: u64 = 5;
/// Pauses before a task that failed is given out again, in seconds. The last one counts for all that follow.
const PAUSES: [u64; 8] = [2, 10, 30, 120, 600, 1800, 3600, 7200];

/// What is to be done after a task.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// This, at its time.
    Keep(Box<Entry>),
    /// Nothing more.
    Over,
    /// Nothing more, though it could not be done.
    GivenUp,
}

/// Names the entry of an attempt to store a file.
#[must_use]
pub fn attempt_id(rule: &Rule, permit: &Permit, request_id: &str, sha256: &str) -> String {
    digest::of(["safelight upload attempt", &rule.name, &permit.upload_id(""), request_id, sha256])
}

/// Names the entry of the refusals of an upload before any PUT of it: of those that wait, the last is told.
#[must_use]
pub fn refusal_id(rule: &Rule, permit: &Permit) -> String {
    digest::of(["safelight upload refusal", &rule.name, &permit.upload_id("")])
}

/// Names the entry of the refusal of an attempt, which has an entry of its own.
#[must_use]
pub fn refused_attempt_id(attempt_id: &str) -> String {
    digest::of(["safelight refused attempt", attempt_id])
}

impl Rule {
    /// What is known of a file whose PUT is about to be signed.
    #[must_use]
    pub fn facts(
        &self,
        permit: &Permit,
        object: &Object,
        file: &File<'_>,
        (width, height): (u32, u32),
        request_id: &str,
        now: u64,
    ) -> Facts {
        Facts {
            created: now,
            request_id: request_id.to_owned(),
            account: permit.account.clone(),
            token_id: permit.token_id(),
            upload_id: object.upload_id.clone(),
            image_id: object.image_id.clone(),
            object_key: object.key.clone(),
            sha256: file.sha256.to_owned(),
            length: file.length,
            content_type: file.content_type.to_owned(),
            filename: file.filename.to_owned(),
            width,
            height,
            etag: String::new(),
            creator: permit.creator.clone(),
            metadata: permit.metadata.clone(),
            require_signed_urls: permit.require_signed_urls,
            refused: None,
            ended: None,
            told: false,
        }
    }

    /// What is known of an upload that is refused before any PUT.
    #[must_use]
    pub fn refusal(&self, permit: &Permit, request_id: &str, reason: &str, now: u64) -> Facts {
        Facts {
            created: now,
            request_id: request_id.to_owned(),
            account: permit.account.clone(),
            token_id: permit.token_id(),
            upload_id: permit.upload_id(""),
            image_id: permit.known_id().to_owned(),
            creator: permit.creator.clone(),
            metadata: permit.metadata.clone(),
            require_signed_urls: permit.require_signed_urls,
            refused: Some(reason.to_owned()),
            ended: Some(now),
            ..Facts::default()
        }
    }
}

/// The PUT has failed, as far as its resizer knows: the object is looked for, and refused where it is not there.
#[must_use]
pub fn failed_put(entry: Entry, reason: &str, now: u64) -> Entry {
    let facts = Facts { refused: Some(reason.to_owned()), ..entry.facts };
    Entry { due: now + LOOK_SOON, facts, ..entry }
}

/// The object is stored: its outcome is to be sent at once.
#[must_use]
pub fn stored(entry: Entry, etag: &str, now: u64) -> Entry {
    let etag = if etag.is_empty() { entry.facts.etag } else { etag.to_owned() };
    let facts = Facts { etag, refused: None, ended: Some(now), ..entry.facts };
    Entry { due: now, attempts: 0, facts, ..entry }
}

/// There is no such object. `has_come` says that there is another upload's, which is not replaced: this one's cannot come any
/// more. What is to be done next, and a refusal that is to be told.
#[must_use]
pub fn absent(entry: Entry, has_come: bool, now: u64) -> (Next, Option<Entry>) {
    let last = entry.facts.created + MAX_COMING;
    let is_over = has_come || now >= last;
    let reason = match &entry.facts.refused {
        _ if entry.facts.told => None,
        Some(reason) => Some(reason.clone()),
        None if has_come => Some("OBJECT_EXISTS".to_owned()),
        None if is_over => Some("UPLOAD_INCOMPLETE".to_owned()),
        None => None,
    };
    let told = reason.map(|reason| {
        let facts = Facts { refused: Some(reason), ended: Some(now), ..entry.facts.clone() };
        Entry { due: now, attempts: 0, facts, ..entry.clone() }
    });
    if is_over {
        return (Next::Over, told);
    }
    // A PUT that was given up may still be on its way.
    let due = if entry.facts.refused.is_some() { last } else { last.min(now + LOOK_AGAIN) };
    let facts = Facts { told: entry.facts.told || told.is_some(), ..entry.facts };
    (Next::Keep(Box::new(Entry { due, attempts: 0, facts, ..entry })), told)
}

/// Whether an entry has had all its time, and some attempts in it: resizers may have been away for days.
#[must_use]
pub const fn is_over(entry: &Entry, now: u64) -> bool {
    let (since, longest) = match entry.facts.ended {
        Some(ended) => (ended, MAX_SENDING),
        None => (entry.facts.created, MAX_LOOKING),
    };
    entry.attempts >= MIN_ATTEMPTS && now.saturating_sub(since) >= longest
}

/// The task could not be done.
#[must_use]
pub fn failed(entry: Entry, now: u64) -> Next {
    if is_over(&entry, now) {
        return Next::GivenUp;
    }
    let index = usize::try_from(entry.attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let pause = PAUSES.get(index).or(PAUSES.last()).copied().unwrap_or_default();
    Next::Keep(Box::new(Entry { due: now + pause, ..entry }))
}

/// The body of a callback: a JSON object. Its members are those of Cloudinary's notifications where there are such, so that
/// what reads those reads these. What is not known, or empty, is left out.
#[must_use]
pub fn body(rule: &Rule, id: &str, facts: &Facts) -> String {
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| {
        let is_empty = matches!(&value, Value::String(text) if text.is_empty()) || value == json!(0);
        if !is_empty {
            body.insert(name.to_owned(), value);
        }
    };
    put("notification_type", "upload".into());
    let refused = facts.refused.as_deref();
    put("notification_id", notification_id(id, facts).into());
    put("outcome", if refused.is_some() { "refused" } else { "stored" }.into());
    put("reason", refused.unwrap_or_default().into());
    put("timestamp", time(facts.ended.unwrap_or(facts.created)).into());
    put("rule", rule.name.as_str().into());
    put("request_id", facts.request_id.as_str().into());
    put("account", facts.account.as_str().into());
    put("token_id", facts.token_id.as_str().into());
    put("public_id", facts.image_id.as_str().into());
    put("creator", facts.creator.as_str().into());
    put("require_signed_urls", facts.require_signed_urls.into());
    put("metadata", serde_json::from_str(&facts.metadata).unwrap_or_default());
    if refused.is_none() {
        put("key", facts.object_key.as_str().into());
        put("content_type", facts.content_type.as_str().into());
        put("bytes", facts.length.into());
        put("sha256", facts.sha256.as_str().into());
        put("etag", facts.etag.trim_matches('"').into());
        put("width", facts.width.into());
        put("height", facts.height.into());
        put("original_filename", facts.filename.as_str().into());
    }
    if body.get("metadata") == Some(&Value::Null) {
        body.remove("metadata");
    }
    Value::Object(body).to_string()
}

/// The same for what is sent again, and for nothing else.
fn notification_id(id: &str, facts: &Facts) -> String {
    let refused = facts.refused.as_deref();
    let outcome = if refused.is_some() { "refused" } else { "stored" };
    digest::of([
        "safelight notification",
        id,
        outcome,
        refused.unwrap_or_default(),
        &facts.request_id,
        &facts.sha256,
    ])
}

/// A time (RFC 3339).
fn time(seconds: u64) -> String {
    prost_types::Timestamp { seconds: seconds.cast_signed(), nanos: 0 }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn entry(facts: Facts) -> Entry {
        Entry { rule: "r".to_owned(), due: NOW, attempts: 1, facts: Facts { created: NOW, ..facts } }
    }

    fn kept(next: Next) -> Entry {
        match next {
            Next::Keep(entry) => *entry,
            other => panic!("{other:?}"),
        }
    }

    fn reason(told: Option<&Entry>) -> Option<&str> {
        told.and_then(|entry| entry.facts.refused.as_deref())
    }

    #[test]
    fn an_object_that_is_not_there_may_come_for_as_long_as_its_put_may_begin() {
        let (waiting, told) = absent(entry(Facts::default()), false, NOW + 60);
        let waiting = kept(waiting);
        assert_eq!((waiting.due, waiting.facts.ended, told), (NOW + 60 + LOOK_AGAIN, None, None));
        let (over, told) = absent(entry(Facts::default()), false, NOW + MAX_COMING);
        assert_eq!((over, reason(told.as_ref())), (Next::Over, Some("UPLOAD_INCOMPLETE")));
        let (over, told) = absent(entry(Facts::default()), true, NOW);
        assert_eq!((over, reason(told.as_ref())), (Next::Over, Some("OBJECT_EXISTS")));

        // A PUT that failed is refused at once, and looked for once more at the end.
        let failed = failed_put(entry(Facts::default()), "ORIGIN_TIMEOUT", NOW);
        assert_eq!((failed.due, failed.facts.ended), (NOW + LOOK_SOON, None));
        let (later, told) = absent(failed, false, NOW + 5);
        let later = kept(later);
        assert_eq!((later.due, reason(told.as_ref())), (NOW + MAX_COMING, Some("ORIGIN_TIMEOUT")));
        assert_eq!(absent(later.clone(), false, NOW + MAX_COMING), (Next::Over, None));
        // It is there all the same: then it is stored.
        assert_eq!(stored(later, "\"e\"", NOW + MAX_COMING).facts.refused, None);
    }

    #[test]
    fn a_callback_is_sent_for_72_hours_later_each_time() {
        let mut entry = entry(Facts { ended: Some(NOW), ..Facts::default() });
        let mut now = NOW;
        let mut count = 0;
        loop {
            entry.attempts += 1;
            count += 1;
            match failed(entry.clone(), now) {
                Next::Keep(next) => {
                    assert!(next.due > now);
                    now = next.due;
                    entry = *next;
                }
                next => {
                    assert_eq!(next, Next::GivenUp);
                    break;
                }
            }
        }
        assert!((NOW + MAX_SENDING..NOW + MAX_SENDING + 7200).contains(&now), "{}", now - NOW);
        assert!((40..60).contains(&count), "{count}");
    }
}
