//! The table of options: all that is known of each, once.
//!
//! Option lists of URLs, `[variants.*]` tables, the protobuf, the canonical text (which is the options' part of an output's
//! identity) and `docs/options.md` follow from it. A test of this crate holds the documentation, one of the resizer the
//! protobuf.

use std::num::NonZeroU32;

use super::{
    Chroma, Fit, FormatChoice, Gravity, Kernel, Light, MAX_BLUR, MAX_DPR, Options, QualityProfile, Violation,
};
use crate::color::Color;

/// An option.
#[derive(Debug)]
pub struct Entry {
    /// Its name in option lists, in `[variants.*]` and in the protobuf.
    pub name: &'static str,
    /// Other names in option lists.
    pub aliases: &'static [&'static str],
    /// What it may be.
    pub values: Values,
    /// What it does, for the documentation.
    pub about: &'static str,
    /// Whether its default stands in the canonical text. It does for the first options; a later one is left out where it has its
    /// default, so that identities from before it stay what they were.
    is_always_said: bool,
    /// Reads a value. `None`: it is none of those.
    read: fn(&mut Options, &str) -> Option<()>,
    /// The value as it is read, one text for equal values. `None`: not set.
    print: fn(&Options) -> Option<String>,
    /// Whether the value, however it came, is one of those.
    is_valid: fn(&Options) -> bool,
}

/// What an option may be.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    /// In words that follow "must be".
    Words(&'static str),
    /// One of these names.
    OneOf(&'static [&'static str]),
}

impl Values {
    /// In words that follow "must be".
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Words(words) => (*words).to_owned(),
            Self::OneOf([first @ .., last]) => format!("{} or {last}", first.join(", ")),
            Self::OneOf([]) => String::new(),
        }
    }
}

impl Entry {
    /// The option of a name or an alias.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        TABLE.iter().find(|entry| entry.name == name || entry.aliases.contains(&name))
    }

    /// Reads a value into `options`.
    ///
    /// # Errors
    /// It is none of [`values`](Self::values). A number out of range may pass: [`validate`](Options::validate) tells it.
    pub fn read(&self, options: &mut Options, text: &str) -> Result<(), Violation> {
        (self.read)(options, text).ok_or_else(|| self.violation())
    }

    /// The value's text in the canonical list. `None`: it has no place there.
    #[must_use]
    pub fn text(&self, options: &Options) -> Option<String> {
        (self.print)(options).filter(|text| self.is_always_said || self.default().as_ref() != Some(text))
    }

    /// The text of the default. `None`: it is not set by default.
    #[must_use]
    pub fn default(&self) -> Option<String> {
        (self.print)(&Options::default())
    }

    pub(super) fn check(&self, options: &Options) -> Result<(), Violation> {
        if (self.is_valid)(options) { Ok(()) } else { Err(self.violation()) }
    }

    fn violation(&self) -> Violation {
        Violation::new(self.name, format!("must be {}", self.values.words()))
    }
}

/// Every option, in the order of the canonical text and of the protobuf's fields.
pub static TABLE: [Entry; 13] = [
    Entry {
        name: "width",
        aliases: &["w"],
        values: Values::Words("a whole number of pixels, 1 or more; in URLs and variants also auto"),
        about: "Target width before `dpr`. Unset: derived from `height`. `auto`: the viewer's, by client hints.",
        is_always_said: true,
        read: |options, text| {
            if text == "auto" {
                options.auto_width = true;
                return Some(());
            }
            set(&mut options.width, side(text).map(Some))
        },
        print: |options| match options.width {
            Some(width) => Some(width.to_string()),
            None => options.auto_width.then(|| "auto".to_owned()),
        },
        is_valid: always,
    },
    Entry {
        name: "height",
        aliases: &["h"],
        values: Values::Words("a whole number of pixels, 1 or more"),
        about: "Target height before `dpr`. Unset: derived from `width`. With neither nothing is resized.",
        is_always_said: true,
        read: |options, text| set(&mut options.height, side(text).map(Some)),
        print: |options| options.height.map(|height| height.to_string()),
        is_valid: always,
    },
    Entry {
        name: "fit",
        aliases: &[],
        values: Values::OneOf(&Fit::NAMES),
        about: "How the picture fills width × height.",
        is_always_said: true,
        read: |options, text| set(&mut options.fit, Fit::named(text)),
        print: |options| name(options.fit.name()),
        is_valid: always,
    },
    Entry {
        name: "gravity",
        aliases: &["g"],
        values: Values::Words(
            "left, right, top, bottom, center or a point such as 0.5x0.3, from 0 to 1 in both directions",
        ),
        about: "Which part survives when `fit` crops. A point may end in `:box-center`: the crop box is centered on it.",
        is_always_said: true,
        read: |options, text| set(&mut options.gravity, Gravity::read(text)),
        print: |options| Some(options.gravity.to_string()),
        is_valid: |options| match options.gravity {
            Gravity::Point { x, y, .. } => (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y),
            _ => true,
        },
    },
    Entry {
        name: "dpr",
        aliases: &[],
        values: Values::Words("a decimal number above 0, at most 2"),
        about: "Device pixel ratio: multiplies width and height.",
        is_always_said: true,
        read: |options, text| set(&mut options.dpr, decimal(text)),
        print: |options| number(options.dpr),
        is_valid: |options| options.dpr > 0.0 && options.dpr <= MAX_DPR,
    },
    Entry {
        name: "quality",
        aliases: &["q"],
        values: Values::Words("a whole number from 1 to 100"),
        about: "Encoder quality, for JPEG and lossy WebP. WebP is lossless at 100.",
        is_always_said: true,
        read: |options, text| {
            set(&mut options.quality, digits(text).and_then(|quality| quality.try_into().ok()))
        },
        print: |options| Some(options.quality.to_string()),
        is_valid: |options| (1..=100).contains(&options.quality),
    },
    Entry {
        name: "format",
        aliases: &["f"],
        values: Values::OneOf(&FormatChoice::NAMES),
        about: "The output format. `auto`: by what the viewer accepts. `baseline-jpeg` is read as `jpeg`, which is baseline \
                but with `quality_profile=best`.",
        is_always_said: true,
        read: |options, text| {
            let named =
                if text == "baseline-jpeg" { Some(FormatChoice::Jpeg) } else { FormatChoice::named(text) };
            set(&mut options.format, named)
        },
        print: |options| name(options.format.name()),
        is_valid: always,
    },
    Entry {
        name: "background",
        aliases: &[],
        values: Values::Words("#rgb, #rgba, #rrggbb, #rrggbbaa, white, black or transparent"),
        about: "The color behind transparent pixels and in the bars of `pad`. Unset: bars and JPEG are white, other \
                transparency stays. `#` is `%23` in a URL.",
        is_always_said: true,
        read: |options, text| set(&mut options.background, Color::parse(text).map(Some)),
        print: |options| options.background.map(|color| color.to_string()),
        is_valid: always,
    },
    Entry {
        name: "quality_profile",
        aliases: &["profile"],
        values: Values::OneOf(&QualityProfile::NAMES),
        about: "How much time an output may take, for its looks and its bytes.",
        is_always_said: false,
        read: |options, text| set(&mut options.quality_profile, QualityProfile::named(text)),
        print: |options| name(options.quality_profile.name()),
        is_valid: always,
    },
    Entry {
        name: "chroma",
        aliases: &[],
        values: Values::OneOf(&Chroma::NAMES),
        about: "Color samples of a JPEG: one for four pixels, or for each. `auto`: by quality and sharp edges of color.",
        is_always_said: false,
        read: |options, text| set(&mut options.chroma, Chroma::named(text)),
        print: |options| name(options.chroma.name()),
        is_valid: always,
    },
    Entry {
        name: "light",
        aliases: &[],
        values: Values::OneOf(&Light::NAMES),
        about: "What is averaged when pixels are resized: light, or the sRGB numbers.",
        is_always_said: false,
        read: |options, text| set(&mut options.light, Light::named(text)),
        print: |options| name(options.light.name()),
        is_valid: always,
    },
    Entry {
        name: "kernel",
        aliases: &[],
        values: Values::OneOf(&Kernel::NAMES),
        about: "The resampling filter. Unset: the profile's, which is `lanczos3` for all.",
        is_always_said: false,
        read: |options, text| set(&mut options.kernel, Kernel::named(text).map(Some)),
        print: |options| options.kernel.and_then(|kernel| name(kernel.name())),
        is_valid: always,
    },
    Entry {
        name: "blur",
        aliases: &[],
        values: Values::Words("a decimal number from 0 to 250"),
        about: "Gaussian blur of the resized picture: twice the standard deviation in its pixels. 0: none.",
        is_always_said: false,
        read: |options, text| set(&mut options.blur, decimal(text)),
        print: |options| number(options.blur),
        is_valid: |options| (0.0..=MAX_BLUR).contains(&options.blur),
    },
];

fn set<T>(field: &mut T, value: Option<T>) -> Option<()> {
    *field = value?;
    Some(())
}

const fn always(_: &Options) -> bool {
    true
}

#[expect(clippy::unnecessary_wraps, reason = "what `print` gives")]
fn name(name: &str) -> Option<String> {
    Some(name.to_owned())
}

/// Adding 0.0 turns -0.0, which equals 0.0, into the same text.
#[expect(clippy::unnecessary_wraps, reason = "what `print` gives")]
fn number(number: f64) -> Option<String> {
    Some((number + 0.0).to_string())
}

fn side(text: &str) -> Option<NonZeroU32> {
    digits(text).and_then(NonZeroU32::new)
}

/// ASCII digits only: no sign, no spaces.
fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Digits with at most one point: no sign, exponent, infinity or NaN.
pub(super) fn decimal(text: &str) -> Option<f64> {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.').then(|| text.parse().ok())?
}
