//! When a certificate expires: the one thing of it that rustls checks and does not tell.

/// `notAfter`, in seconds since 1970; `None` if the certificate is not as X.509 has it (RFC 5280, 4.1).
pub(super) fn of(certificate: &[u8]) -> Option<i64> {
    let (_, mut certificate) = element(&mut { certificate })?;
    let (_, mut fields) = element(&mut certificate)?;
    // The version stands first, tagged, except in the first version; then serial number, algorithm and issuer.
    let (mut kind, mut value) = element(&mut fields)?;
    let skipped = if kind == 0xa0 { 4 } else { 3 };
    for _ in 0..skipped {
        (kind, value) = element(&mut fields)?;
    }
    if kind != 0x30 {
        return None;
    }
    element(&mut value)?;
    let (kind, moment) = element(&mut value)?;
    let text = std::str::from_utf8(moment).ok()?;
    match kind {
        // UTCTime has two digits of the year, of 1950 to 2049.
        0x17 if text.get(..2)? < "50" => seconds(&format!("20{text}")),
        0x17 => seconds(&format!("19{text}")),
        0x18 => seconds(text),
        _ => None,
    }
}

/// Takes one element of DER: its kind, and what is in it.
fn element<'a>(der: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let kind = *der.split_off_first()?;
    let first = *der.split_off_first()?;
    let length = match first {
        0..=0x7f => usize::from(first),
        0x81..=0x83 => {
            let bytes = der.split_off(..usize::from(first & 0x7f))?;
            bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
        }
        _ => return None,
    };
    Some((kind, der.split_off(..length)?))
}

/// `YYYYMMDDhhmmssZ`, in seconds since 1970.
fn seconds(text: &str) -> Option<i64> {
    if text.len() != 15 || !text.ends_with('Z') {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    // Years that begin in March end with their leap day.
    let year = if month > 2 { year } else { year - 1 };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * ((month + 9) % 12) + 2) / 5
        + day
        - 1
        - 719_468;
    Some(((days * 24 + number(8, 10)?) * 60 + number(10, 12)?) * 60 + number(12, 14)?)
}

#[cfg(test)]
mod tests {
    use super::{of, seconds};

    #[test]
    fn moments_are_counted() {
        assert_eq!(seconds("19700101000000Z"), Some(0));
        assert_eq!(seconds("20000229235959Z"), Some(951_868_799));
        assert_eq!(seconds("20261201000001Z"), Some(1_796_083_201));
        assert_eq!(seconds("20261201000001"), None);
    }

    #[test]
    fn a_certificate_tells_its_end() {
        for (year, expected) in [(2031, 1_925_078_400), (2061, 2_871_849_600)] {
            let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, 1, 2);
            let certificate = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
            assert_eq!(of(certificate.der()), Some(expected), "{year}");
        }
        assert_eq!(of(b"\x30\x82"), None);
        assert_eq!(of(b""), None);
    }
}
