//! What an S3 answer that is an error says, and what to do about it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{DATE, HeaderMap};

use super::super::{
    config::{Origin, OriginKind},
    request::{Authority, SignedRequest},
    text,
};

/// How much of an error's body is read: S3's own are below 1 KiB, those with a canonical request below 4.
pub const MAX_BODY: usize = 8 * 1024;

/// A difference of clocks that no store minds: AWS takes 15 minutes. The cause is another then.
const LEAST_SKEW: Duration = Duration::from_secs(5 * 60);

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
    /// When the request was made, as the store read it.
    pub request_time: Option<String>,
    /// The store's own time.
    pub server_time: Option<String>,
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
            request_time: tag("RequestTime"),
            server_time: tag("ServerTime"),
        }
    }

    /// What the operator can do.
    #[must_use]
    pub fn hint(
        &self,
        status: u16,
        origin: &Origin,
        request: &SignedRequest,
        headers: &HeaderMap,
    ) -> Option<String> {
        let OriginKind::S3 { region, signing_key, .. } = &origin.kind else { return None };
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
            code if signing_key.is_none() && is_of_key(code) => {
                "the origin has no signing_key, so its requests are not signed: set one, or make the bucket public".into()
            }
            "AccessDenied" | "" if status == 403 => format!(
                "the credentials of key {key} may not read this object; 403 also means a missing key when \
                 s3:ListBucket is not granted"
            ),
            "" if (300..400).contains(&status) && status != 304 => self.hint_of_region(region),
            "RequestTimeTooSkewed" => self.clock_hint(request, headers),
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
            _ => return conditional_hint(status).map(str::to_owned),
        })
    }

    /// Compares the time of the request with the store's: as the document has them, or else the headers.
    fn clock_hint(&self, request: &SignedRequest, headers: &HeaderMap) -> String {
        let header = |headers: &HeaderMap, name| Some(headers.get(name)?.to_str().ok()?.to_owned());
        let of_document = |time: &Option<String>| time.as_deref().and_then(amz_date);
        let date =
            || header(headers, DATE.as_str())?.parse::<httpdate::HttpDate>().ok().map(SystemTime::from);
        let store = of_document(&self.server_time).or_else(date);
        let signed = || amz_date(&header(&request.headers, "x-amz-date")?);
        let signed = of_document(&self.request_time).or_else(signed);
        let difference = store.zip(signed).map(|(store, signed)| match store.duration_since(signed) {
            Ok(behind) => (behind, "behind"),
            Err(ahead) => (ahead.duration(), "ahead of"),
        });
        match difference.filter(|(difference, _)| *difference >= LEAST_SKEW) {
            Some((difference, how)) => {
                format!("the signer's clock is {} s {how} the store's", difference.as_secs())
            }
            None => "the signer's clock and the store's differ too much: set both by NTP".into(),
        }
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

/// The entity tag of a copy, quotes included, if the document says that it was made; empty where it gives none. S3 begins its
/// answer before the copy is made, so its status says nothing.
#[must_use]
pub fn copied(document: &[u8]) -> Option<String> {
    let document = String::from_utf8_lossy(document);
    if element(&document, "Code").is_some() || !document.contains("CopyObjectResult") {
        return None;
    }
    let tag = element(&document, "ETag").unwrap_or_default();
    Some(if tag.is_empty() || tag.ends_with('"') { tag } else { format!("\"{tag}\"") })
}

/// What to do about statuses that only conditional requests, requests for a range, and writes have.
#[must_use]
pub fn conditional_hint(status: u16) -> Option<&'static str> {
    match status {
        304 | 412 => Some(
            "the request has no condition: something before the origin adds one (If-None-Match, If-Modified-Since)",
        ),
        416 => Some(
            "the request asks for no range: something before the origin adds one (Range), or the object is empty",
        ),
        409 => Some(
            "the object is being changed, or the store is not ready for it: nothing is wrong with the credentials",
        ),
        _ => None,
    }
}

/// Whether a code is about the key that signed.
fn is_of_key(code: &str) -> bool {
    code.starts_with("KMS")
        || matches!(
            code,
            "SignatureDoesNotMatch"
                | "InvalidAccessKeyId"
                | "ExpiredToken"
                | "InvalidToken"
                | "TokenRefreshRequired"
        )
}

/// `20260131T235959Z`, `2026-01-31T23:59:59.000Z`
fn amz_date(text: &str) -> Option<SystemTime> {
    let digits: String = text.chars().filter(char::is_ascii_digit).take(14).collect();
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

/// The text of the first element of that name, whatever its namespace and attributes.
#[must_use]
pub fn element(document: &str, name: &str) -> Option<String> {
    let mut rest = document;
    while let Some((_, after)) = rest.split_once('<') {
        rest = after;
        let Some((tag, content)) = after.find(['<', '>']).and_then(|end| after.split_at_checked(end)) else {
            break;
        };
        let Some(content) = content.strip_prefix('>') else { continue };
        let qualified = tag.split_whitespace().next().unwrap_or_default();
        if qualified.rsplit(':').next() == Some(name) && !tag.ends_with('/') {
            return text_of(content);
        }
    }
    None
}

/// The text at the start of an element's content.
fn text_of(content: &str) -> Option<String> {
    if let Some(data) = content.trim_start().strip_prefix("<![CDATA[") {
        return data.split_once("]]>").map(|(data, _)| data.to_owned()).filter(|text| !text.is_empty());
    }
    let (value, _) = content.split_once('<')?;
    let unescaped =
        value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#34;", "\"");
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
            ("2026-01-01T00:00:01.123Z", "Thu, 01 Jan 2026 00:00:01 GMT"),
            ("20000301T120000Z", "Wed, 01 Mar 2000 12:00:00 GMT"),
        ] {
            assert_eq!(amz_date(text), Some(httpdate::parse_http_date(http).unwrap()), "{text}");
        }
        for text in ["", "x", "00000000T000000Z", "2026"] {
            assert_eq!(amz_date(text), None, "{text}");
        }
    }

    #[test]
    fn a_copy_is_made_when_the_document_says_so() {
        for (document, etag) in [
            (
                "<?xml version=\"1.0\"?>\n<CopyObjectResult xmlns=\"x\"><ETag>&quot;a&quot;</ETag></CopyObjectResult>",
                "\"a\"",
            ),
            ("<CopyObjectResult><ETag>&#34;a&#34;</ETag></CopyObjectResult>", "\"a\""),
            ("<CopyObjectResult><LastModified>x</LastModified><ETag>a</ETag></CopyObjectResult>", "\"a\""),
            ("<CopyObjectResult><LastModified>x</LastModified></CopyObjectResult>", ""),
        ] {
            assert_eq!(copied(document.as_bytes()).as_deref(), Some(etag), "{document}");
        }
        for document in [
            "",
            "\n\n",
            "<Error><Code>InternalError</Code><Message>in CopyObjectResult</Message></Error>",
            "<html>",
        ] {
            assert_eq!(copied(document.as_bytes()), None, "{document}");
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

        // A code is shown however long S3 makes it; what is as long as a signature is not.
        let code = "a".repeat(63);
        let long = format!("<Code>{code}</Code><Message>{code}a</Message>");
        let refusal = Refusal::read(&HeaderMap::new(), long.as_bytes(), &secrets);
        assert_eq!((refusal.code, refusal.message.as_deref()), (Some(code), Some("…")));

        for body in [
            &b"<Error xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><Code lang=\"en\">SlowDown</Code></Error>"[..],
            b"<s3:Error><s3:Code>SlowDown</s3:Code></s3:Error>",
            b"<Error><Code><![CDATA[SlowDown]]></Code></Error>",
            b"<Error><Codes>x</Codes><Code/><Code\n>SlowDown</Code>",
        ] {
            let refusal = Refusal::read(&HeaderMap::new(), body, &secrets);
            assert_eq!(refusal.code.as_deref(), Some("SlowDown"), "{}", String::from_utf8_lossy(body));
        }
        for body in [
            &b""[..],
            &b"<".repeat(MAX_BODY),
            &b"<Code ".repeat(MAX_BODY),
            b"<Code><![CDATA[x",
            b"<html>",
            b"<Code>",
            b"<Code></Code>",
            b"\xff\xfe<Code",
        ] {
            assert_eq!(Refusal::read(&HeaderMap::new(), body, &secrets), Refusal::default());
        }
    }
}
