//! The signer's answers, so that they cannot be misread.

use std::time::SystemTime;

use safelight_proto::signer::v1::{AuthorizeDeliveryResponse, Header, Reason, Verdict, VerifyUrlResponse};

/// What the signer says of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// Authentic and in time.
    Valid {
        /// The target without its signature: act on this and nothing else.
        target: String,
        /// When the URL expires, if it does.
        expires: Option<SystemTime>,
        /// The key version that signed.
        key_version: u32,
        /// Whether it holds for this viewer alone: no shared cache may keep the answer.
        viewer_bound: bool,
    },
    /// Anything else, and why (for logs).
    Refused(&'static str),
}

impl From<VerifyUrlResponse> for Verification {
    fn from(answer: VerifyUrlResponse) -> Self {
        match answer.verdict() {
            Verdict::Valid => Self::Valid {
                target: answer.authenticated_target,
                expires: answer.expire_time.and_then(|t| SystemTime::try_from(t).ok()),
                key_version: answer.key_version,
                viewer_bound: answer.viewer_bound,
            },
            Verdict::Invalid | Verdict::Unspecified => Self::Refused(reason(answer.reason)),
        }
    }
}

/// An answer that holds only with a verdict.
#[derive(Debug, Clone, PartialEq)]
pub enum Judged<T> {
    /// The verdict is valid.
    Valid(T),
    /// Anything else, and why (for logs).
    Refused(&'static str),
}

impl<T> Judged<T> {
    pub(crate) fn of(verdict: Verdict, reason_number: i32, answer: T) -> Self {
        match verdict {
            Verdict::Valid => Self::Valid(answer),
            Verdict::Invalid | Verdict::Unspecified => Self::Refused(reason(reason_number)),
        }
    }
}

/// What the signer says of a delivery URL.
#[derive(Debug, Clone, PartialEq)]
pub enum Authorization {
    /// The URL holds, or its variant is public; and this is the fetch.
    Authorized(Fetch),
    /// Anything else, and why (for logs).
    Refused(&'static str),
}

/// The fetch of exactly the object that a URL names.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetch {
    /// The target without its signature: act on this and nothing else.
    pub target: String,
    /// Whether the variant is public: no signature was needed.
    pub public: bool,
    /// When the URL expires, if it does.
    pub expires: Option<SystemTime>,
    /// Whether the URL holds for this viewer alone: no shared cache may keep the answer.
    pub viewer_bound: bool,
    /// The object's key, decoded.
    pub object_key: String,
    /// The object's URL, exactly as it is to be fetched.
    pub url: String,
    /// Headers that authorize the fetch; empty where the origin takes unsigned requests.
    pub headers: Vec<Header>,
}

impl From<AuthorizeDeliveryResponse> for Authorization {
    fn from(answer: AuthorizeDeliveryResponse) -> Self {
        let needed = [&answer.authenticated_target, &answer.object_key, &answer.url];
        match answer.verdict() {
            // A fetch that is not named is none, whatever the verdict.
            Verdict::Valid if needed.iter().any(|text| text.is_empty()) => {
                Self::Refused(Reason::Unspecified.as_str_name())
            }
            Verdict::Valid => Self::Authorized(Fetch {
                public: answer.public,
                viewer_bound: answer.viewer_bound,
                expires: answer.expire_time.and_then(|time| SystemTime::try_from(time).ok()),
                target: answer.authenticated_target,
                object_key: answer.object_key,
                url: answer.url,
                headers: answer.headers,
            }),
            Verdict::Invalid | Verdict::Unspecified => Self::Refused(reason(answer.reason)),
        }
    }
}

fn reason(number: i32) -> &'static str {
    Reason::try_from(number).unwrap_or(Reason::Unspecified).as_str_name()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pitfall_23_only_a_valid_verdict_is_valid() {
        let target = "/p".to_owned();
        let answer = |verdict| VerifyUrlResponse {
            verdict,
            authenticated_target: target.clone(),
            ..Default::default()
        };
        assert_eq!(
            Verification::from(answer(Verdict::Valid.into())),
            Verification::Valid {
                target: target.clone(),
                expires: None,
                key_version: 0,
                viewer_bound: false
            }
        );
        // Nothing said, refused, and what a newer signer may say.
        for verdict in [0, Verdict::Invalid.into(), 3, -1] {
            assert_eq!(Verification::from(answer(verdict)), Verification::Refused("REASON_UNSPECIFIED"));
        }
    }

    #[test]
    fn only_a_valid_verdict_with_all_of_its_fetch_authorizes() {
        let answer = |verdict| AuthorizeDeliveryResponse {
            verdict,
            authenticated_target: "/p".to_owned(),
            object_key: "p".to_owned(),
            url: "https://photos.example/p".to_owned(),
            ..Default::default()
        };
        let valid = answer(Verdict::Valid.into());
        assert!(matches!(Authorization::from(valid.clone()), Authorization::Authorized(_)));
        let refused = Authorization::Refused("REASON_UNSPECIFIED");
        for verdict in [0, Verdict::Invalid.into(), 3, -1] {
            assert_eq!(Authorization::from(answer(verdict)), refused);
        }
        for empty in [
            |answer: &mut AuthorizeDeliveryResponse| answer.authenticated_target.clear(),
            |answer: &mut AuthorizeDeliveryResponse| answer.object_key.clear(),
            |answer: &mut AuthorizeDeliveryResponse| answer.url.clear(),
        ] {
            let mut answer = valid.clone();
            empty(&mut answer);
            assert_eq!(Authorization::from(answer), refused);
        }
    }
}
