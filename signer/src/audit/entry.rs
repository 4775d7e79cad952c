//! What a record says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The signer started, or opened the sink.
    Open,
    /// A method was called by someone who may.
    Call,
    /// A call was refused at the gate: no grant for the method, or a token that is nobody's.
    Refused,
    /// Keys and grants were read anew, or could not be.
    Reload,
    /// The signer stopped in order.
    Close,
}

/// What a record says. Fields that do not apply are left out.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// What happened.
    pub event: Event,
    /// Who called.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub caller: String,
    /// `package.Service/Method`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// Name of the delivery.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub delivery: String,
    /// Name of the upload rule.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub upload: String,
    /// Name of the key, if there is one of that name. Of a delivery the one that its URLs are signed with, of an upload rule the
    /// one of its forms.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// The version that signed or matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u32>,
    /// The version of the key that signed a delivery's fetch, or an upload's PUT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_key_version: Option<u32>,
    /// Whether the key's algorithm is a legacy one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub legacy: bool,
    /// `VALID` or `INVALID`, for verifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<&'static str>,
    /// `OK`, or the stable reason of a refusal or verdict.
    pub reason: String,
    /// How many, for a batch; and how many of them failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Items>,
    /// The call's id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    /// What was signed, verified or redeemed, in the clear: never written, see [`super::Audit`].
    #[serde(skip)]
    pub subject: String,
}

/// The items of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Items {
    /// How many were signed.
    pub signed: usize,
    /// How many were not.
    pub refused: usize,
}

/// An entry as it is written, before the chain ties it.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    entry: &'a Entry,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
}

impl Entry {
    /// An entry with nothing but its event.
    #[must_use]
    pub fn new(event: Event) -> Self {
        Self {
            event,
            caller: String::new(),
            method: String::new(),
            delivery: String::new(),
            upload: String::new(),
            key: String::new(),
            key_version: None,
            signing_key_version: None,
            legacy: false,
            verdict: None,
            reason: "OK".to_owned(),
            items: None,
            request_id: String::new(),
            subject: String::new(),
        }
    }

    /// As a JSON object without its closing brace, to which the chain adds.
    pub(super) fn into_line(self, hide: impl FnOnce(&str) -> String) -> String {
        let subject = (!self.subject.is_empty()).then(|| hide(&self.subject));
        let line = Line { time: now(), entry: &self, subject };
        // Cannot fail: strings and numbers.
        let mut json = serde_json::to_string(&line).unwrap_or_default();
        json.pop();
        json
    }
}

/// The time in UTC, to milliseconds (RFC 3339). Always the system's clock, whatever clock signatures are made by: a
/// record says when it was written.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let whole = UNIX_EPOCH + Duration::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX / 2));
    humantime::format_rfc3339_millis(whole).to_string()
}
