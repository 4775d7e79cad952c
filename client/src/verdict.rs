//! The signer's answers, so that they cannot be misread.

use std::time::SystemTime;

use safelight_proto::signer::v1::{Reason, Verdict, VerifyUrlResponse};

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
            },
            Verdict::Invalid | Verdict::Unspecified => {
                Self::Refused(Reason::try_from(answer.reason).unwrap_or(Reason::Unspecified).as_str_name())
            }
        }
    }
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
            Verification::Valid { target: target.clone(), expires: None, key_version: 0 }
        );
        // Nothing said, refused, and what a newer signer may say.
        for verdict in [0, Verdict::Invalid.into(), 3, -1] {
            assert_eq!(Verification::from(answer(verdict)), Verification::Refused("REASON_UNSPECIFIED"));
        }
    }
}
