use super::*;

/// A profile of these tags, of which equal ones share their bytes.
fn profile(tags: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut profile = ColorProfile::new_srgb().encode().unwrap()[..COUNT_AT].to_vec();
    profile.extend((tags.len() as u32).to_be_bytes());
    let mut body = Vec::new();
    let mut last: (&[u8], usize) = (b"", 0);
    for (signature, content) in tags {
        if last.0 != *content {
            last = (content, COUNT_AT + 4 + TAG_LEN * tags.len() + body.len());
            body.extend_from_slice(content);
        }
        profile.extend_from_slice(*signature);
        profile.extend((last.1 as u32).to_be_bytes());
        profile.extend((content.len() as u32).to_be_bytes());
    }
    profile.extend(body);
    profile
}

/// `records` texts of a description, all of them the same `length` bytes.
fn description(records: u32, length: u32) -> Vec<u8> {
    let mut tag = b"mluc\0\0\0\0".to_vec();
    tag.extend(records.to_be_bytes());
    tag.extend(12u32.to_be_bytes());
    for _ in 0..records {
        tag.extend_from_slice(b"enUS");
        tag.extend(length.to_be_bytes());
        tag.extend((16 + 12 * records).to_be_bytes());
    }
    tag.extend(b"\0A".repeat(length as usize / 2));
    tag
}

#[test]
fn texts_are_not_read() {
    // 200 GB, if they were.
    let bomb = profile(&[(b"desc", &description(100_000, 2 << 20))]);
    assert!(bomb.len() < MAX_BYTES);
    assert!(read(&bomb).unwrap().description.is_none());
}

#[test]
fn each_tag_is_read_once() {
    let curve = [&b"curv\0\0\0\0\0\0\0\x01"[..], &[1, 0, 0, 0]].concat();
    let twice = profile(&[(b"rTRC", &curve), (b"rTRC", b"nonsense, and too short")]);
    assert!(read(&twice).unwrap().red_trc.is_some());
    let kept = without_the_rest(&twice).unwrap();
    assert_eq!((&kept[132..136], &kept[144..148]), (&b"rTRC"[..], &[0; 4][..]));
}

#[test]
fn what_is_too_large_or_cut_off_is_not_read() {
    let mut srgb = ColorProfile::new_srgb().encode().unwrap();
    assert!(read(&srgb).is_some());
    for length in 0..srgb.len().min(400) {
        read(&srgb[..length]);
    }
    srgb.resize(MAX_BYTES, 0);
    assert!(read(&srgb).is_some());
    srgb.push(0);
    assert!(read(&srgb).is_none());
}
