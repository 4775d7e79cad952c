//! What an S3 answer that is an error says, and what to do about it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{DATE, HeaderMap};

use super::super::{
    config::{Origin, OriginKind},
    request::{Authority, SignedGet},
    text,
};

/// How much of an error's body is read: S3's own are below 1 KiB, those with a canonical request below 4.
pub const MAX_BODY: usize = 8 * 1024;

/// The parts of an error document and of its headers that help. Not the string to sign, which stands beside them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// `AccessDenied`
    pub code: Option<String>,
    /// For people; bounded, and without what looks like a secret.
    pub message: Option<String>,
    /// What AWS's support asks for.
    pub request_id: Option<String>,
    /// The bucket's region, where the answer knows it.
    pub region: Option<String>,
    /// The bucket's endpoint, in an answer that is a redirect.
    pub endpoint: Option<String>,
}

impl Refusal {
    /// Reads what there is; `secrets` are the request's headers, whose values a careless server may repeat.
    #[must_use]
    pub fn read(headers: &HeaderMap, body: &[u8], secrets: &HeaderMap) -> Self {
        let body = String::from_utf8_lossy(body);
        let tag = |name| element(&body, name).map(|value| text::shown(&value, secrets));
        let header = |name| {
            headers.get(name).and_then(|value| value.to_str().ok()).map(|value| text::shown(value, secrets))
        };
        Self {
            code: tag("Code"),
            message: tag("Message"),
            request_id: header("x-amz-request-id").or_else(|| tag("RequestId")),
            region: header("x-amz-bucket-region").or_else(|| tag("Region")),
            endpoint: tag("Endpoint"),
        }
    }

    /// What the operator can do.
    #[must_use]
    pub fn hint(
        &self,
        status: u16,
        origin: &Origin,
        request: &SignedGet,
        headers: &HeaderMap,
    ) -> Option<String> {
        let OriginKind::S3 { region, signing_key } = &origin.kind else { return None };
        let key = signing_key.as_deref().unwrap_or_default();
        if request.authority == Authority::Caller && matches!(status, 400 | 401 | 403) {
            return Some("the caller's own headers authorize this request: the signer was not asked".into());
        }
        Some(match self.code.as_deref().unwrap_or_default() {
            "AuthorizationHeaderMalformed"
            | "PermanentRedirect"
            | "IncorrectEndpoint"
            | "TemporaryRedirect"
            | "IllegalLocationConstraintException" => self.hint_of_region(region),
            "AccessDenied" | "" if status == 403 && request.authority == Authority::Unsigned => {
                "the request is not signed: set signing_key, or make the bucket public".into()
            }
            "AccessDenied" | "" if status == 403 => format!(
                "the credentials of key {key} may not read this object; 403 also means a missing key when \
                 s3:ListBucket is not granted"
            ),
            "" if (300..400).contains(&status) => self.hint_of_region(region),
            "RequestTimeTooSkewed" => clock_hint(request, headers),
            "SignatureDoesNotMatch" => {
                format!("the secret of key {key} is wrong, or a proxy changes the request on its way")
            }
            "InvalidAccessKeyId" => format!(
                "the store does not know the access key id of key {key}: deleted, of another store, or a \
                 temporary one without its session token"
            ),
            "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => {
                format!("the session token of key {key} has expired or is wrong: give the signer a fresh one")
            }
            "NoSuchBucket" => {
                "check bucket, endpoint and path_style: the store has no bucket of that name".into()
            }
            "InvalidObjectState" => {
                "the object is archived: restore it, or keep originals out of Glacier".into()
            }
            "SlowDown" | "ServiceUnavailable" | "TooManyRequests" => {
                "the store asks for fewer requests: put a cache in front, or spread the prefixes".into()
            }
            "InvalidRequest"
                if self.message.as_ref().is_some_and(|m| m.contains("Server Side Encryption")) =>
            {
                format!(
                    "the object is encrypted with a key of its owner (SSE-C): key {key} must send its headers"
                )
            }
            code if code.starts_with("KMS") => {
                format!("the object's KMS key cannot be used by the credentials of key {key}")
            }
            _ => return None,
        })
    }

    fn hint_of_region(&self, signed_for: &str) -> String {
        match (&self.region, &self.endpoint) {
            (Some(region), _) if region != signed_for => {
                format!(
                    "the bucket is in region {region}: set region = \"{region}\" (it is \"{signed_for}\")"
                )
            }
            (_, Some(endpoint)) => format!("the bucket is at {endpoint}: set endpoint or region accordingly"),
            _ => format!("the bucket is not in region {signed_for}, or not at this endpoint: set region"),
        }
    }
}

/// Compares the time in the request's signature with the store's.
fn clock_hint(request: &SignedGet, headers: &HeaderMap) -> String {
    let store = headers.get(DATE).and_then(|date| date.to_str().ok()?.parse::<httpdate::HttpDate>().ok());
    let signed = request.headers.get("x-amz-date").and_then(|date| amz_date(date.to_str().ok()?));
    let (Some(store), Some(signed)) = (store.map(SystemTime::from), signed) else {
        return "the signer's clock and the store's differ too much".into();
    };
    match store.duration_since(signed) {
        Ok(behind) => format!("the signer's clock is {} s behind the store's", behind.as_secs()),
        Err(ahead) => format!("the signer's clock is {} s ahead of the store's", ahead.duration().as_secs()),
    }
}

/// `20260131T235959Z`
fn amz_date(text: &str) -> Option<SystemTime> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if digits.len() != 14 {
        return None;
    }
    let number = |range| digits.get(range).and_then(|digits: &str| digits.parse::<u64>().ok());
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    // Days since 1970, in years that begin in March: the leap day is the last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    let days = days.checked_sub(719_469)?;
    let seconds = days * 86_400 + number(8..10)? * 3600 + number(10..12)? * 60 + number(12..14)?;
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// The text of the first element of that name.
fn element(document: &str, name: &str) -> Option<String> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once('<')?;
    let unescaped = value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    Some(unescaped.replace("&apos;", "'").replace("&#39;", "'").replace("&amp;", "&"))
        .filter(|v| !v.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_a_signature() {
        for (text, http) in [
            ("20130524T000000Z", "Fri, 24 May 2013 00:00:00 GMT"),
            ("20240229T235959Z", "Thu, 29 Feb 2024 23:59:59 GMT"),
            ("20260101T000001Z", "Thu, 01 Jan 2026 00:00:01 GMT"),
            ("20000301T120000Z", "Wed, 01 Mar 2000 12:00:00 GMT"),
        ] {
            assert_eq!(amz_date(text), Some(httpdate::parse_http_date(http).unwrap()), "{text}");
        }
        for text in ["", "x", "00000000T000000Z", "2026"] {
            assert_eq!(amz_date(text), None, "{text}");
        }
    }

    #[test]
    fn a_document_is_read_without_its_secrets() {
        let mut secrets = HeaderMap::new();
        let mut value: reqwest::header::HeaderValue =
            "AWS4-HMAC-SHA256 Credential=AKIA/x, Signature=0f0f0f0f".parse().unwrap();
        value.set_sensitive(true);
        secrets.insert("authorization", value);
        let body = b"<?xml version=\"1.0\"?>\n<Error><Code>SignatureDoesNotMatch</Code>\
            <Message>bad &quot;0f0f0f0f&quot; &amp;\r\n no</Message><RequestId>4442587FB7D0A2F9</RequestId>\
            <StringToSign>AWS4</StringToSign></Error>";
        let refusal = Refusal::read(&HeaderMap::new(), body, &secrets);
        assert_eq!(refusal.code.as_deref(), Some("SignatureDoesNotMatch"));
        assert_eq!(refusal.message.as_deref(), Some("bad \"…\" &   no"));
        assert_eq!(refusal.request_id.as_deref(), Some("4442587FB7D0A2F9"));
        assert_eq!((refusal.region, refusal.endpoint), (None, None));

        for body in [&b""[..], b"<html>", b"<Code>", b"<Code></Code>", b"\xff\xfe<Code"] {
            assert_eq!(Refusal::read(&HeaderMap::new(), body, &secrets), Refusal::default());
        }
    }
}
