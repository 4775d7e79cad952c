//! What the fuzz target `strip` checks, as a plain function: `tests/strip` runs it too, on every file that it makes or keeps.

use safelight_image::{
    error::ImageError,
    limits::Limits,
    probe::{Info, probe},
    sniff::{Format, sniff},
    strip::{MAX_GROWTH, Metadata, strip},
};

/// Reads what is to stay from the first byte, and takes the rest for a file.
pub fn check(data: &[u8]) {
    let Some((choice, file)) = data.split_first() else { return };
    let keep = if choice & 1 == 0 { Metadata::None } else { Metadata::NoLocation };
    check_file(file, keep);
}

/// What is removed changes nothing that is seen, and nothing is left for a second time.
pub fn check_file(file: &[u8], keep: Metadata) {
    let format = sniff(file);
    for other in [Format::Jpeg, Format::Png, Format::Webp, Format::Gif] {
        if format != Ok(other) {
            assert!(strip(file, other, keep).is_err());
        }
    }
    let Ok(format) = format else { return };
    let stripped = match strip(file, format, keep) {
        Ok(stripped) => stripped,
        Err(ImageError::Corrupt(_)) => return,
        Err(error) => panic!("{error:?}"),
    };
    assert!(stripped.len() <= file.len() + MAX_GROWTH, "{} bytes of {}", stripped.len(), file.len());
    assert_eq!(strip(&stripped, format, keep).as_deref(), Ok(&*stripped), "a second time");
    if keep == Metadata::NoLocation {
        // Nothing stays of a file without places that goes of a file with all of them.
        let twice = strip(&stripped, format, Metadata::None);
        assert_eq!(twice, strip(file, format, Metadata::None), "one after the other");
    }
    let limits = Limits::default();
    if let Ok(before) = probe(file, &limits) {
        assert_eq!(Ok(seen(&before)), probe(&stripped, &limits).map(|after| seen(&after)));
    }
    let longer = [file, b"what follows \xFF\xD8\xFF"].concat();
    assert_eq!(strip(&longer, format, keep).as_deref(), Ok(&*stripped), "with more behind it");
}

/// All that a header says of how the picture looks.
fn seen(info: &Info) -> impl PartialEq + std::fmt::Debug + use<> {
    let Info { format, stored_size, orientation, has_alpha, has_icc_profile, bit_depth, animated, .. } =
        *info;
    (format, stored_size, orientation, has_alpha, has_icc_profile, bit_depth, animated)
}
