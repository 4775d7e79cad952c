//! When a signature is to expire.

use prost_types::{Duration, Timestamp};
use safelight_proto::reason::{CallError, Reason};

use crate::keyring::UrlKey;
use crate::scheme::{cloudinary_upload::MAX_NOTIFICATION_AGE, url::Expiry};

/// The last second that `google.protobuf.Timestamp` can say: the end of the year 9999. Twelve digits, as many as a
/// verifier takes.
const MAX_TIME: u64 = 253_402_300_799;

/// The field of the window.
const WINDOW: &str = "expiry_window";

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

/// When a URL is to expire, in Unix seconds, from what was asked and what the key says; `None` for never. With a `window`, a
/// multiple of it.
pub(super) fn of_url(
    asked: &Asked,
    window: Option<u64>,
    now: u64,
    key: &UrlKey,
    max_ttl: Option<u64>,
) -> Result<Option<u64>, CallError> {
    match (key.versions.expiry(), window) {
        (Expiry::Never, None) => endless(asked, max_ttl),
        (Expiry::Never, Some(_)) => Err(CallError::field(WINDOW, "what this scheme signs never expires")),
        (Expiry::Always | Expiry::Optional, None) => resolve(asked, now, max_ttl, key.policy.require_expiry),
        (Expiry::Always | Expiry::Optional, Some(window)) => round(asked, window, now, max_ttl).map(Some),
    }
}

/// Reads `expiry_window`, in seconds.
pub(super) fn window(asked: Option<&Duration>) -> Result<Option<u64>, CallError> {
    let Some(window) = asked else { return Ok(None) };
    match seconds(window) {
        Some(window) if window > 0 => Ok(Some(window)),
        _ => Err(CallError::field(WINDOW, "expected at least one second")),
    }
}

/// The expiry, rounded up to a multiple of `window`. Whether there is one does not depend on `now`: no request that is
/// answered now is refused a minute later.
fn round(asked: &Asked, window: u64, now: u64, max_ttl: Option<u64>) -> Result<u64, CallError> {
    let too_long = |max: u64| {
        let text = format!("ttl and expiry_window together are beyond the key's max_ttl of {max} s");
        out_of_range(WINDOW, text).with("max_ttl_seconds", max.to_string())
    };
    let ttl = match (asked, max_ttl) {
        (Asked::At(_), _) => return Err(CallError::field(WINDOW, "not with expire_time, which says it all")),
        (Asked::In(ttl), max_ttl) => {
            let ttl = seconds(ttl)
                .filter(|ttl| *ttl > 0)
                .ok_or_else(|| out_of_range("ttl", "not at least one second in the future".to_owned()))?;
            match max_ttl {
                Some(max) if ttl.saturating_add(window) > max => return Err(too_long(max)),
                _ => ttl,
            }
        }
        (Asked::Default, Some(max)) => {
            max.checked_sub(window).filter(|ttl| *ttl > 0).ok_or_else(|| too_long(max))?
        }
        (Asked::Default, None) => {
            return Err(CallError::field(WINDOW, "the key has no max_ttl: say ttl, which is to be rounded"));
        }
    };
    let expires = now.checked_add(ttl).and_then(|expires| expires.div_ceil(window).checked_mul(window));
    expires
        .filter(|expires| *expires <= MAX_TIME)
        .ok_or_else(|| out_of_range(WINDOW, "past the year 9999".to_owned()))
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
    fn within_a_window_the_expiry_is_one() {
        let hour = 3600;
        let of = |asked: Asked, now, max_ttl| round(&asked, hour, now, max_ttl).unwrap();
        // 1_700_000_000 is 800 s into an hour.
        let begin = NOW - 800;
        for now in [begin + 1, NOW, begin + hour] {
            assert_eq!(of(after(7200, 0), now, None), begin + 3 * hour, "{now}");
            assert_eq!(of(after(7200, 0), now, Some(3 * hour)), begin + 3 * hour, "{now}");
            assert_eq!(of(Asked::Default, now, Some(3 * hour)), begin + 3 * hour, "{now}");
        }
        assert_eq!(of(after(7200, 0), begin + hour + 1, None), begin + 4 * hour);
        for now in NOW..NOW + 2 * hour {
            let life = of(after(60, 0), now, Some(60 + hour)) - now;
            assert!((60..60 + hour).contains(&life), "{life}");
        }
    }

    #[test]
    fn a_window_that_does_not_fit_is_refused_at_every_moment() {
        for now in [NOW - 800, NOW - 799, NOW, NOW + 2800] {
            for (asked, window, max_ttl) in [
                (after(61, 0), 3600, Some(3660)),
                (after(1, 0), 3600, Some(3600)),
                (Asked::Default, 3600, Some(3600)),
                (Asked::Default, u64::MAX, Some(3600)),
                (after(0, 999_999_999), 60, None),
                (after(60, 0), u64::MAX, None),
                (after(60, 0), MAX_TIME + 1, None),
                (after(i64::MAX, 0), 60, None),
            ] {
                let error = round(&asked, window, now, max_ttl).unwrap_err();
                assert_eq!(error.reason(), Reason::ExpiryOutOfRange, "{window} {max_ttl:?}");
            }
            for asked in [at(1_700_003_600), Asked::Default] {
                assert_eq!(round(&asked, 60, now, None).unwrap_err().reason(), Reason::FieldInvalid);
            }
        }
        for (seconds, nanos) in [(0, 0), (0, 999_999_999), (-1, 0), (i64::MIN, 0)] {
            let error = window(Some(&Duration { seconds, nanos })).unwrap_err();
            assert_eq!(error.reason(), Reason::FieldInvalid);
        }
        assert_eq!(window(Some(&Duration { seconds: 60, nanos: 1 })).unwrap(), Some(60));
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
