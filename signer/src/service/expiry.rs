//! When a signature is to expire.

use prost_types::{Duration, Timestamp};
use safelight_proto::reason::{CallError, Reason};

use crate::keyring::UrlKey;
use crate::scheme::{cloudinary_upload::MAX_NOTIFICATION_AGE, url::Expiry};

/// The last second that `google.protobuf.Timestamp` can say: the end of the year 9999. Twelve digits, as many as a
/// verifier takes.
const MAX_TIME: u64 = 253_402_300_799;

/// What a request asks for.
pub(super) enum Asked {
    /// Nothing.
    Default,
    At(Timestamp),
    In(Duration),
}

/// The lesser of two limits; `None` is no limit.
pub(super) fn least(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

/// When a URL is to expire, in Unix seconds, from what was asked and what the key says; `None` for never.
pub(super) fn of_url(
    asked: &Asked,
    now: u64,
    key: &UrlKey,
    max_ttl: Option<u64>,
) -> Result<Option<u64>, CallError> {
    match (key.versions.expiry(), asked) {
        (Expiry::Never, _) => endless(asked, max_ttl),
        (Expiry::Always | Expiry::Optional, _) => resolve(asked, now, max_ttl, key.policy.require_expiry),
    }
}

/// No expiry, for a scheme that has none: whoever may sign for a limited time only may not sign with it at all.
fn endless(asked: &Asked, max_ttl: Option<u64>) -> Result<Option<u64>, CallError> {
    match (asked, max_ttl) {
        (Asked::Default, None) => Ok(None),
        (Asked::Default, Some(max)) => {
            let text = format!("what this scheme signs never expires, and at most {max} s are allowed");
            Err(out_of_range("expiry", text).with("max_ttl_seconds", max.to_string()))
        }
        _ => Err(CallError::field("expiry", "what this scheme signs never expires")),
    }
}

/// When a URL is to start being valid: before it expires, in Unix seconds.
pub(super) fn start(time: Option<Timestamp>, expires: Option<u64>) -> Result<Option<u64>, CallError> {
    let Some(time) = time else { return Ok(None) };
    let starts = u64::try_from(time.seconds).ok().filter(|starts| *starts <= expires.unwrap_or(MAX_TIME));
    match starts {
        Some(starts) if expires != Some(starts) => Ok(Some(starts)),
        _ => Err(CallError::field("start_time", "expected a moment after 1970 and before the expiry")),
    }
}

fn resolve(
    asked: &Asked,
    now: u64,
    max_ttl: Option<u64>,
    require_expiry: bool,
) -> Result<Option<u64>, CallError> {
    let (field, expires) = match asked {
        Asked::At(time) => ("expire_time", u64::try_from(time.seconds).ok()),
        Asked::In(ttl) => ("ttl", seconds(ttl).and_then(|ttl| now.checked_add(ttl))),
        Asked::Default => match max_ttl {
            Some(ttl) => ("ttl", now.checked_add(ttl)),
            None if require_expiry => {
                return Err(CallError::field(
                    "expiry",
                    "the key requires one and has no max_ttl to take instead",
                ));
            }
            None => return Ok(None),
        },
    };
    let expires = expires.filter(|expires| *expires > now && *expires <= MAX_TIME).ok_or_else(|| {
        out_of_range(field, "not at least one second in the future, or past the year 9999".to_owned())
    })?;
    match max_ttl {
        Some(max) if expires - now > max => {
            Err(out_of_range(field, format!("beyond the key's max_ttl of {max} s"))
                .with("max_ttl_seconds", max.to_string()))
        }
        _ => Ok(Some(expires)),
    }
}

/// The life of a presigned URL in seconds: what was asked, or `default`, never beyond `longest` or the key's limit.
pub(super) fn lifetime(
    asked: Option<&Duration>,
    default: u64,
    longest: u64,
    max_ttl: Option<u64>,
) -> Result<u64, CallError> {
    let longest = max_ttl.map_or(longest, |max| max.min(longest));
    match asked {
        None => Ok(default.min(longest)),
        Some(ttl) => seconds(ttl).filter(|ttl| (1..=longest).contains(ttl)).ok_or_else(|| {
            out_of_range("ttl", format!("expected 1 to {longest} s"))
                .with("max_ttl_seconds", longest.to_string())
        }),
    }
}

/// How old a webhook may be, in seconds.
pub(super) fn webhook_age(asked: Option<&Duration>) -> Result<u64, CallError> {
    match asked {
        None => Ok(MAX_NOTIFICATION_AGE),
        Some(age) => seconds(age)
            .filter(|age| (1..=MAX_NOTIFICATION_AGE).contains(age))
            .ok_or_else(|| CallError::field("max_age", "expected 1 s to 2 h")),
    }
}

/// Whole seconds; `None` below zero.
fn seconds(duration: &Duration) -> Option<u64> {
    u64::try_from(duration.seconds).ok()
}

fn out_of_range(field: &str, text: String) -> CallError {
    Reason::ExpiryOutOfRange.error(&*text).with_violation(field, text)
}

/// A time as the contract has it.
pub(super) fn timestamp(seconds: u64) -> Timestamp {
    Timestamp { seconds: seconds.cast_signed(), nanos: 0 }
}

/// A duration as the contract has it.
pub(super) const fn duration(seconds: u64) -> Duration {
    Duration { seconds: seconds.cast_signed(), nanos: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn at(seconds: i64) -> Asked {
        Asked::At(Timestamp { seconds, nanos: 999 })
    }

    fn after(seconds: i64, nanos: i32) -> Asked {
        Asked::In(Duration { seconds, nanos })
    }

    #[test]
    fn what_is_asked_is_taken_within_the_limit() {
        for (asked, max_ttl, expires) in [
            (at(1_700_000_001), None, NOW + 1),
            (at(1_700_000_060), Some(60), NOW + 60),
            (at(253_402_300_799), None, MAX_TIME),
            (after(1, 0), None, NOW + 1),
            (after(1, 900_000_000), Some(1), NOW + 1),
            (Asked::Default, Some(60), NOW + 60),
        ] {
            assert_eq!(resolve(&asked, NOW, max_ttl, true).unwrap(), Some(expires));
        }
        assert_eq!(resolve(&Asked::Default, NOW, None, false).unwrap(), None);
        assert_eq!(resolve(&Asked::Default, NOW, None, true).unwrap_err().reason(), Reason::FieldInvalid);
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        for (asked, max_ttl) in [
            (at(1_700_000_000), None),
            (at(-1), None),
            (at(i64::MIN), None),
            (at(i64::MAX), None),
            (at(253_402_300_800), None),
            (at(1_700_000_061), Some(60)),
            (after(0, 999_999_999), None),
            (after(-5, 0), None),
            (after(i64::MAX, 0), None),
            (after(61, 0), Some(60)),
        ] {
            let error = resolve(&asked, NOW, max_ttl, false).unwrap_err();
            assert_eq!(error.reason(), Reason::ExpiryOutOfRange);
        }
    }

    #[test]
    fn a_limited_grant_does_not_make_endless_urls() {
        assert_eq!(endless(&Asked::Default, None).unwrap(), None);
        let limited = endless(&Asked::Default, Some(3600)).unwrap_err();
        assert_eq!(limited.reason(), Reason::ExpiryOutOfRange);
        assert_eq!(endless(&after(60, 0), None).unwrap_err().reason(), Reason::FieldInvalid);
    }

    #[test]
    fn lifetimes() {
        let ttl = |seconds| Duration { seconds, nanos: 0 };
        assert_eq!(lifetime(None, 900, 604_800, None).unwrap(), 900);
        assert_eq!(lifetime(None, 900, 604_800, Some(60)).unwrap(), 60);
        assert_eq!(lifetime(Some(&ttl(604_800)), 900, 604_800, None).unwrap(), 604_800);
        for (asked, max_ttl) in [(0, None), (-1, None), (604_801, None), (61, Some(60))] {
            let error = lifetime(Some(&ttl(asked)), 900, 604_800, max_ttl).unwrap_err();
            assert_eq!(error.reason(), Reason::ExpiryOutOfRange);
        }
    }
}
