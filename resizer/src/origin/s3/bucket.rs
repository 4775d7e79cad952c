//! What `bucket` may be: a name, or the ARN of an access point.

use super::partition;

/// A bucket as it is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket<'a> {
    /// By name.
    Name(&'a str),
    /// Through an access point.
    AccessPoint {
        /// Its region, which is the one that is signed for.
        region: &'a str,
        /// The account's number.
        account: &'a str,
        /// The access point's name.
        name: &'a str,
    },
}

/// Longest name: what S3 took in us-east-1 before 2018, capitals and underscores among them.
const MAX_NAME_BYTES: usize = 255;
/// Digits of an account's number.
const ACCOUNT_DIGITS: usize = 12;

impl<'a> Bucket<'a> {
    /// Reads the setting.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        if text.starts_with("arn:") {
            return parse_arn(text);
        }
        let named = (1..=MAX_NAME_BYTES).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
            && !matches!(text, "." | "..");
        if !named {
            return Err("is not a bucket name: 1 to 255 of A-Z a-z 0-9 . - _".into());
        }
        // Both need more than a SigV4 signature for `s3`, and no other store gives such names.
        if text.ends_with("--x-s3") || text.ends_with("--xa-s3") {
            return Err("is a directory bucket (S3 Express), which needs sessions: not supported".into());
        }
        if text.ends_with("--op-s3") {
            return Err("is an alias of S3 on Outposts: not supported".into());
        }
        Ok(Self::Name(text))
    }
}

/// `arn:PARTITION:s3:REGION:ACCOUNT:accesspoint/NAME`; AWS takes a colon for the slash.
fn parse_arn(text: &str) -> Result<Bucket<'_>, String> {
    const FORM: &str = "is not an ARN of the form arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME";
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let &[_, partition, service, region, account, resource] = parts.as_slice() else {
        return Err(FORM.into());
    };
    match service {
        "s3" => {}
        "s3-object-lambda" => return Err("is an Object Lambda access point: not supported".into()),
        "s3-outposts" => return Err("is an access point of S3 on Outposts: not supported".into()),
        _ => return Err(FORM.into()),
    }
    let mut resources = resource.split(['/', ':']);
    let (kind, name) = (resources.next().unwrap_or_default(), resources.next().unwrap_or_default());
    if partition.is_empty() || kind != "accesspoint" || name.is_empty() || resources.next().is_some() {
        return Err(FORM.into());
    }
    if region.is_empty() {
        return Err("is a multi-region access point, which needs SigV4A signatures: not supported; \
            use the access point of one region"
            .into());
    }
    if !region.split('.').chain([name]).all(is_host_label) {
        return Err(FORM.into());
    }
    if account.len() != ACCOUNT_DIGITS || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("is not the ARN of an account: its number has {ACCOUNT_DIGITS} digits"));
    }
    let actual = partition::of(region).id;
    if partition != actual {
        return Err(format!("names the partition {partition:?}, and {region} is in {actual}"));
    }
    Ok(Bucket::AccessPoint { region, account, name })
}

/// Whether S3 answers to this name as the first label of a host: then TLS certificates cover it as well.
#[must_use]
pub fn is_virtual_hostable(name: &str) -> bool {
    (3..=63).contains(&name.len()) && is_host_label(name) && !name.bytes().any(|b| b.is_ascii_uppercase())
}

/// The same for several labels. Only without TLS: a certificate's wildcard is good for one label.
#[must_use]
pub fn is_virtual_hostable_with_dots(name: &str) -> bool {
    name.len() >= 3
        && name.split('.').all(is_host_label)
        && !name.bytes().any(|byte| byte.is_ascii_uppercase())
        && name.parse::<std::net::Ipv4Addr>().is_err()
}

/// A label of a host's name (RFC 1123).
#[must_use]
pub fn is_host_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_users_have_them() {
        for name in ["photos", "MyPhotos", "my_photos", "my.photos.example.com", "ab", "x--ol-s3"] {
            assert_eq!(Bucket::parse(name), Ok(Bucket::Name(name)));
        }
        for name in ["", "a/b", "a b", "é", ".", "..", "a~b", "tenant:b", &"a".repeat(256)] {
            assert!(Bucket::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn an_access_point_is_read() {
        let expected = Bucket::AccessPoint { region: "us-west-2", account: "123456789012", name: "ap" };
        for text in [
            "arn:aws:s3:us-west-2:123456789012:accesspoint/ap",
            "arn:aws:s3:us-west-2:123456789012:accesspoint:ap",
        ] {
            assert_eq!(Bucket::parse(text), Ok(expected));
        }
    }

    #[test]
    fn what_cannot_be_signed_for_is_refused_by_name() {
        for (text, word) in [
            ("arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap", "multi-region"),
            ("arn:aws:s3-object-lambda:us-west-2:123456789012:accesspoint/ap", "Object Lambda"),
            ("arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-01/accesspoint/ap", "Outposts"),
            ("photos--usw2-az1--x-s3", "S3 Express"),
            ("ap--usw2-az1--xa-s3", "S3 Express"),
            ("test-accessp-o0b1d075431d83bebde8xz5w8ijx1qzlbp3i3kuse10--op-s3", "Outposts"),
            ("arn:aws:s3:us-west-2:123456789012:accesspoint/ap/object", "of the form"),
            ("arn:aws:s3:us-west-2:123456789012:bucket/ap", "of the form"),
            ("arn:aws:s3:us-west-2:123456789012", "of the form"),
            ("arn:aws:s3:us_west:123456789012:accesspoint/ap", "of the form"),
            ("arn:aws:s3:us-west-2:12345:accesspoint/ap", "12 digits"),
            ("arn:aws:s3:us-west-2:12345678901a:accesspoint/ap", "12 digits"),
            ("arn:foo:s3:us-west-2:123456789012:accesspoint/ap", "\"foo\", and us-west-2 is in aws"),
            ("arn:aws:s3:cn-north-1:123456789012:accesspoint/ap", "\"aws\", and cn-north-1 is in aws-cn"),
        ] {
            let message = Bucket::parse(text).unwrap_err();
            assert!(message.contains(word), "{text}: {message}");
        }
    }

    #[test]
    fn names_that_can_stand_in_a_host() {
        for name in ["photos", "a-b", "123"] {
            assert!(is_virtual_hostable(name), "{name}");
        }
        for name in ["MyPhotos", "my_photos", "a.b.c", "ab", "-ab", "ab-", &"a".repeat(64)] {
            assert!(!is_virtual_hostable(name), "{name}");
        }
        assert!(is_virtual_hostable_with_dots("my.photos"));
        for name in ["my..photos", "1.2.3.4", "My.photos", ".my"] {
            assert!(!is_virtual_hostable_with_dots(name), "{name}");
        }
    }
}
