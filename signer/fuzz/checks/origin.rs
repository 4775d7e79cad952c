//! Requests to private origins: what is taken is signed as AWS's documentation says, by a second implementation.
//!
//! An input is a byte of flags, and lines: method, URL, region, headers (`name:value`).

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use safelight_signer::scheme::aws_sigv4::{
    Body, Credentials, Request, S3Request, Scope, presign, sign_headers,
};
use sha2::{Digest, Sha256};

use super::NOW;

const ID: &str = "AKIAFAKEFUZZ00000001";
const SECRET: &str = "fakeFuzzSecret/abcdefghijklmnopqrstuvwxy";
const TOKEN: &str = "FwoGZXIvYXdzEFAKE+fuzz/token==";
/// NOW, as AWS writes it.
const DATE: &str = "20231114T221320Z";
const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub fn check(data: &[u8]) {
    let Some((flags, rest)) = data.split_first() else { return };
    let Ok(text) = str::from_utf8(rest) else { return };
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (method, url, region) = (line(), line(), line());
    let headers: Vec<_> = lines.filter_map(|line| line.split_once(':')).collect();
    let body = if flags & 5 != 1 { Body::Unsigned } else { Body::Sha256(DIGEST) };
    let token = (flags & 2 != 0).then_some(TOKEN);
    let in_url = flags & 4 != 0;
    let request = Request { method, url, headers: &headers, body };
    let checked = S3Request::new(request.clone(), region, in_url);
    if let Err(error) = &checked {
        let text = error.to_string();
        assert!(text.len() < 200, "an error does not quote: {text}");
        assert_eq!(S3Request::new(request, region, in_url).unwrap_err(), *error);
        return;
    }
    let credentials = Credentials::new(ID, SECRET, token);
    let scope = Scope::s3(region);
    let mut signed: Vec<_> =
        headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), (*value).to_owned())).collect();
    // Clients leave out the scheme's own port.
    let authority = url.split('/').nth(2).unwrap();
    let port = if url.starts_with("https:") { ":443" } else { ":80" };
    signed.push(("host".to_owned(), authority.strip_suffix(port).unwrap_or(authority).to_owned()));
    if in_url {
        let presigned = presign(&credentials, &request, &scope, NOW, 600).expect("it was checked");
        assert!(presigned.starts_with(url.trim_end_matches('?')) && !presigned.contains(SECRET));
        let (before, signature) = presigned.rsplit_once("&X-Amz-Signature=").expect("the signature is last");
        assert_eq!(signature, expected(method, before, region, signed, "UNSIGNED-PAYLOAD"), "{before}");
    } else {
        let added = sign_headers(&credentials, &request, &scope, NOW).expect("it was checked");
        assert!(added.iter().all(|(_, value)| !value.contains(SECRET)));
        let (authorization, others): (Vec<_>, Vec<_>) =
            added.into_iter().partition(|(name, _)| *name == "authorization");
        signed.extend(others.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let payload = if flags & 5 != 1 { "UNSIGNED-PAYLOAD" } else { DIGEST };
        let [(_, authorization)] = &authorization[..] else { panic!("one authorization") };
        let signature = authorization.rsplit_once("Signature=").unwrap().1;
        assert_eq!(signature, expected(method, url, region, signed, payload), "{authorization}");
    }
}

/// The signature by the documentation.
fn expected(method: &str, url: &str, region: &str, headers: Vec<(String, String)>, payload: &str) -> String {
    let path_starts = url.match_indices('/').nth(2).unwrap().0;
    let target = &url[path_starts..];
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let encode = |text: &str| {
        let decoded: Vec<u8> = percent_decode_str(text).collect();
        utf8_percent_encode(str::from_utf8(&decoded).unwrap(), UNRESERVED).to_string()
    };
    let mut pairs: Vec<_> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    pairs.sort();
    let query: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut by_name = std::collections::BTreeMap::<String, Vec<String>>::new();
    for (name, value) in headers {
        let words: Vec<_> = value.split(' ').filter(|word| !word.is_empty()).collect();
        by_name.entry(name).or_default().push(words.join(" "));
    }
    let names = by_name.keys().cloned().collect::<Vec<_>>().join(";");
    let lines: String =
        by_name.iter().map(|(name, values)| format!("{name}:{}\n", values.join(","))).collect();
    let canonical = format!("{method}\n{path}\n{}\n{lines}\n{names}\n{payload}", query.join("&"));
    let scope = format!("{}/{region}/s3/aws4_request", &DATE[..8]);
    let text =
        format!("AWS4-HMAC-SHA256\n{DATE}\n{scope}\n{}", hex::encode(Sha256::digest(canonical.as_bytes())));
    let mac = |key: &[u8], message: &str| {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).unwrap();
        mac.update(message.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    let key = [&DATE[..8], region, "s3", "aws4_request"]
        .iter()
        .fold(format!("AWS4{SECRET}").into_bytes(), |key, part| mac(&key, part));
    hex::encode(mac(&key, &text))
}
