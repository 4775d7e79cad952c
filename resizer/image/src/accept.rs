//! The format of an output, from what was asked for, what the viewer accepts, and what the pixels need.
//!
//! A response's identity (ETag) must be known before decoding, but JPEG or PNG is decided by the pixels. So the
//! choice has two halves: [`Accepts`] is what the `Accept` header contributes, and the rest follows from the
//! source and the options alone.

use super::{
    options::{Chroma, FormatChoice, LOSSLESS_WEBP_QUALITY, Options, QualityProfile},
    size::Size,
    sniff::Format,
};

/// The formats that an `Accept` header (RFC 9110, section 12.5.1) names beyond those that every viewer shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Accepts(u32);

impl Accepts {
    /// Those alone that every viewer shows: JPEG, PNG and GIF.
    pub const CLASSIC: Self = Self(0);

    /// Every set that makes a difference.
    pub fn all() -> impl Iterator<Item = Self> {
        let chosen: Vec<_> = Format::all().filter(|format| Self::must_be_named(*format)).collect();
        (0..1_u32 << chosen.len()).map(move |set| {
            let named = chosen.iter().enumerate().filter(|(place, _)| set >> place & 1 == 1);
            named.fold(Self::CLASSIC, |set, (_, format)| set.with(*format))
        })
    }

    /// These formats too.
    #[must_use]
    pub const fn with(self, format: Format) -> Self {
        Self(self.0 | 1 << format as u32)
    }

    /// Whether a viewer shows a format.
    #[must_use]
    pub const fn shows(self, format: Format) -> bool {
        !Self::must_be_named(format) || self.0 & 1 << format as u32 != 0
    }

    const fn must_be_named(format: Format) -> bool {
        !matches!(format, Format::Jpeg | Format::Png | Format::Gif)
    }

    /// Reads an `Accept` header; empty when the request has none. Several header lines are joined with commas.
    ///
    /// A format counts when its media type is named with a quality above 0, and nowhere with quality 0. Ranges such as
    /// `*/*` and `image/*` do not imply it: browsers without WebP send them too. A malformed element is ignored.
    #[must_use]
    pub fn from_header(header: &str) -> Self {
        let (mut named, mut refused) = (Self::CLASSIC, Self::CLASSIC);
        for element in split_unquoted(header, ',') {
            let mut parts = split_unquoted(element, ';').map(str::trim);
            let range = parts.next().unwrap_or_default();
            let Some(format) = Format::all().find(|format| {
                Self::must_be_named(*format) && range.eq_ignore_ascii_case(format.media_type())
            }) else {
                continue;
            };
            match parts.try_fold(1000, |weight, parameter| match parameter.split_once('=') {
                Some((name, value)) if name.trim_end().eq_ignore_ascii_case("q") => {
                    weight_of(value.trim_start())
                }
                _ => Some(weight),
            }) {
                Some(0) => refused = refused.with(format),
                Some(_) => named = named.with(format),
                None => {}
            }
        }
        Self(named.0 & !refused.0)
    }

    /// Stable words for it, for identities and logs.
    #[must_use]
    pub fn name(self) -> String {
        let named = Format::all().filter(|format| Self::must_be_named(*format) && self.shows(*format));
        let words: Vec<_> = named.map(Format::extension).collect();
        if words.is_empty() { "classic".to_owned() } else { words.join("+") }
    }
}

/// How an output is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Encoding {
    /// The format of the file.
    pub format: Format,
    /// 1 to 100, where the format has loss.
    pub quality: u8,
    /// Whether a format that can have loss has none.
    pub lossless: bool,
    /// Color samples of a JPEG.
    pub chroma: Chroma,
    /// Time for bytes.
    pub profile: QualityProfile,
}

impl Encoding {
    /// Decides the encoding. `transparent`: whether a pixel of the finished output, which has this size, is not opaque. Where
    /// the format is left open it is one that can hold the size.
    #[must_use]
    pub fn choose(options: &Options, accepts: Accepts, size: Size, transparent: bool) -> Self {
        let (format, lossless) = match options.format {
            FormatChoice::Jpeg => (Format::Jpeg, false),
            FormatChoice::Png => (Format::Png, true),
            FormatChoice::Webp => (Format::Webp, options.quality >= LOSSLESS_WEBP_QUALITY),
            FormatChoice::WebpLossless => (Format::Webp, true),
            FormatChoice::Auto => {
                let holds = |format: &Format| {
                    accepts.shows(*format)
                        && format.is_written()
                        && size.longest() <= format.max_side()
                        && (!transparent || format.holds_alpha())
                };
                let format = Format::all().find(holds).unwrap_or(Format::Png);
                let lossless = match format {
                    Format::Webp => options.quality >= LOSSLESS_WEBP_QUALITY,
                    format => format == Format::Png,
                };
                (format, lossless)
            }
        };
        let Options { quality, chroma, quality_profile: profile, .. } = *options;
        Self { format, quality, lossless, chroma, profile }
    }
}

impl Options {
    /// What decides the output's bytes besides the source's, as text for an ETag: the canonical option list, and
    /// what the viewer accepts where the format is left open.
    #[must_use]
    pub fn identity(&self, accepts: Accepts) -> String {
        match self.format {
            FormatChoice::Auto => format!("{self};accept={}", accepts.name()),
            _ => self.to_string(),
        }
    }

    /// Whether the output depends on the `Accept` header, so that a response must say `Vary: Accept`.
    #[must_use]
    pub fn varies_by_accept(&self) -> bool {
        self.format == FormatChoice::Auto
    }
}

/// A quality value (RFC 9110, section 12.4.2) in thousandths: `0`, `1`, `0.` to `0.999`, `1.` to `1.000`.
fn weight_of(value: &str) -> Option<u32> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let whole = match whole {
        "0" => 0,
        "1" => 1000,
        _ => return None,
    };
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = format!("{fraction:0<3}").parse::<u32>().ok()?;
    (whole + fraction <= 1000).then_some(whole + fraction)
}

/// Splits at `separator` outside quoted strings.
fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |character| {
        if escaped {
            escaped = false;
        } else if quoted && character == '\\' {
            escaped = true;
        } else if character == '"' {
            quoted = !quoted;
        }
        !quoted && character == separator
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    const WEBP: Accepts = Accepts::CLASSIC.with(Format::Webp);

    #[test]
    fn webp_only_by_name() {
        for (header, webp) in [
            ("image/avif,image/webp,image/apng,*/*;q=0.8", true),
            ("IMAGE/WEBP", true),
            ("image/webp ; q=0.001", true),
            ("image/webp;q=1.000 , image/jpeg", true),
            ("text/html;x=\"a,b;c\\\"\", image/webp", true),
            ("image/webp;Q=0.5", true),
            ("*/*", false),
            ("image/*", false),
            ("", false),
            ("image/webp;q=0", false),
            ("image/webp;q=0.000, image/*", false),
            ("image/webp, image/webp;q=0", false),
            ("image/webp;q=2", false),
            ("image/webp;q=0.0001", false),
            ("image/webp;q=-1", false),
            ("image/webp;q=1.001", false),
            ("image/webpx", false),
            ("x=\"image/webp\"", false),
            ("text/html;x=\", image/webp", false),
        ] {
            let expected = if webp { WEBP } else { Accepts::CLASSIC };
            assert_eq!(Accepts::from_header(header), expected, "{header}");
        }
    }

    #[test]
    fn auto_follows_viewer_and_pixels() {
        let small = Size::new(10, 10);
        let auto = Options::default();
        assert_eq!(Encoding::choose(&auto, WEBP, small, true), sample::as_webp(85));
        assert_eq!(Encoding::choose(&auto, Accepts::CLASSIC, small, false), sample::as_jpeg(85));
        assert_eq!(Encoding::choose(&auto, Accepts::CLASSIC, small, true), sample::as_png());
        let best = Options { quality: 100, ..Options::default() };
        assert_eq!(
            Encoding::choose(&best, WEBP, small, false),
            Encoding { quality: 100, ..sample::as_lossless_webp() }
        );
        let jpeg = Options { format: FormatChoice::Jpeg, ..Options::default() };
        assert_eq!(Encoding::choose(&jpeg, WEBP, small, true), sample::as_jpeg(85));
    }

    #[test]
    fn auto_falls_back_to_a_format_that_holds_the_size() {
        let auto = Options::default();
        let webp = Options { format: FormatChoice::Webp, ..Options::default() };
        for quality in [85, 100] {
            let auto = Options { quality, ..auto.clone() };
            for (side, accepts, transparent, format) in [
                (16_383, WEBP, true, Format::Webp),
                (16_384, WEBP, false, Format::Jpeg),
                (16_384, WEBP, true, Format::Png),
                (65_535, WEBP, false, Format::Jpeg),
                (65_536, WEBP, false, Format::Png),
                (65_535, Accepts::CLASSIC, false, Format::Jpeg),
                (65_536, Accepts::CLASSIC, false, Format::Png),
            ] {
                for size in [Size::new(side, 1), Size::new(1, side)] {
                    assert_eq!(Encoding::choose(&auto, accepts, size, transparent).format, format, "{size}");
                }
            }
        }
        // A format that was asked for stays.
        assert_eq!(Encoding::choose(&webp, WEBP, Size::new(20_000, 1), false).format, Format::Webp);
    }

    #[test]
    fn identity_depends_on_accept_only_where_the_output_does() {
        let auto = Options::default();
        assert_ne!(auto.identity(WEBP), auto.identity(Accepts::CLASSIC));
        let png = Options { format: FormatChoice::Png, ..Options::default() };
        assert_eq!(png.identity(WEBP), png.identity(Accepts::CLASSIC));
    }
}
