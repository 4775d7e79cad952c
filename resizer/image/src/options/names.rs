//! The names of values: one list for each type, for reading, printing and documentation.
//!
//! In the protobuf a value has the same name in capitals behind its type's prefix: `scale-down` is `FIT_SCALE_DOWN`. A test of
//! the resizer holds that.

use super::{Chroma, Fit, FocalMode, FormatChoice, Kernel, Light, QualityProfile};

macro_rules! named {
    ($($type:ident { $($value:ident = $name:literal),* $(,)? })*) => {$(
        impl $type {
            /// Every value.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$value),*];

            /// The names of all values, in the same order.
            pub const NAMES: [&'static str; Self::ALL.len()] = [$($name),*];

            /// The value's name in an option list.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$value => $name),*
                }
            }

            /// The value of a name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|value| value.name() == name)
            }
        }
    )*};
}

named! {
    // Cloudflare's names.
    Fit {
        ScaleDown = "scale-down",
        Contain = "contain",
        Cover = "cover",
        Crop = "crop",
        AspectCrop = "aspect-crop",
        Pad = "pad",
        Squeeze = "squeeze",
        ScaleUp = "scale-up",
    }

    // Our addition to Cloudflare's `XxY`, whose URL form has no word for the mode.
    FocalMode {
        Remainder = "remainder",
        BoxCenter = "box-center",
    }

    // `webp-lossless` is our addition to Cloudflare's names.
    FormatChoice {
        Auto = "auto",
        Jpeg = "jpeg",
        Png = "png",
        Webp = "webp",
        WebpLossless = "webp-lossless",
    }

    QualityProfile {
        Fast = "fast",
        Balanced = "balanced",
        Best = "best",
    }

    Chroma {
        Auto = "auto",
        Quarter = "420",
        Full = "444",
    }

    Light {
        Linear = "linear",
        Srgb = "srgb",
    }

    Kernel {
        Lanczos3 = "lanczos3",
        Mitchell = "mitchell",
        CatmullRom = "catmull-rom",
        Bilinear = "bilinear",
        Box = "box",
        Nearest = "nearest",
    }
}
