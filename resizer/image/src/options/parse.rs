//! Reading an option list: `width=400,height=300,fit=cover,gravity=0.5x0.3,background=%23ff0000`.
//!
//! Names and values are Cloudflare's URL interface (`w`, `h`, `q`, `f` and `g` are aliases), values may be
//! percent-encoded. An unknown name, a name given twice (also under its alias) and every value that is not
//! implemented are refused: nothing is silently ignored.

use std::num::NonZeroU32;

use percent_encoding::percent_decode_str;

use super::{Fit, FocalMode, FormatChoice, Gravity, Options, Violation, display::BOX_CENTER_SUFFIX};
use crate::color::Color;

/// Longest option list that is read, in bytes. All options in their longest forms take about 200.
const MAX_LENGTH: usize = 1024;

/// The field under which the list as a whole is refused.
const LIST: &str = "options";

impl Options {
    /// Reads an option list as it stands in a URL. An empty list is refused: it is a mistake of the caller.
    ///
    /// # Errors
    /// All violations at once.
    pub fn parse(list: &str) -> Result<Self, Vec<Violation>> {
        if list.is_empty() {
            return Err(vec![Violation::new(LIST, "the option list is empty")]);
        }
        if list.len() > MAX_LENGTH {
            return Err(vec![Violation::new(
                LIST,
                format!("the option list is longer than {MAX_LENGTH} bytes"),
            )]);
        }
        let mut options = Self::default();
        let mut seen = Vec::new();
        let mut violations = Vec::new();
        for item in list.split(',') {
            if let Err(violation) = options.read(item, &mut seen) {
                violations.push(violation);
            }
        }
        if violations.is_empty() {
            options.validate()?;
            Ok(options)
        } else {
            Err(violations)
        }
    }

    /// Reads one `name=value`.
    fn read(&mut self, item: &str, seen: &mut Vec<&'static str>) -> Result<(), Violation> {
        let Some((given, value)) = item.split_once('=') else {
            return Err(Violation::new(LIST, "every option is written name=value"));
        };
        let Some(name) = full_name(given) else {
            return Err(Violation::new(given, "there is no such option here"));
        };
        if seen.contains(&name) {
            return Err(Violation::new(name, "given twice"));
        }
        seen.push(name);
        let refuse = |description: &str| Violation::new(name, description);
        let Ok(value) = percent_decode_str(value).decode_utf8() else {
            return Err(refuse("not UTF-8 after percent-decoding"));
        };
        let value = &*value;
        match name {
            "width" if value == "auto" => self.auto_width = true,
            "width" => self.width = Some(side(value).map_err(refuse)?),
            "height" => self.height = Some(side(value).map_err(refuse)?),
            "fit" => {
                self.fit = Fit::ALL.into_iter().find(|fit| fit.name() == value).ok_or_else(|| {
                    refuse("must be scale-down, contain, cover, crop, aspect-crop, pad, squeeze or scale-up")
                })?;
            }
            "gravity" => {
                self.gravity = gravity(value).ok_or_else(|| {
                    refuse("must be left, right, top, bottom, center or a point such as 0.5x0.3")
                })?;
            }
            "dpr" => self.dpr = decimal(value).ok_or_else(|| refuse("must be a decimal number"))?,
            "quality" => {
                self.quality = digits(value)
                    .and_then(|q| u8::try_from(q).ok())
                    .ok_or_else(|| refuse("must be a whole number from 1 to 100"))?;
            }
            "format" => {
                self.format = FormatChoice::ALL
                    .into_iter()
                    .find(|format| format.name() == value)
                    // Every JPEG written here is baseline.
                    .or_else(|| (value == "baseline-jpeg").then_some(FormatChoice::Jpeg))
                    .ok_or_else(|| {
                        refuse("must be auto, jpeg, baseline-jpeg, png, webp or webp-lossless; others are not written")
                    })?;
            }
            // The only name that is left in `full_name`.
            _ => {
                self.background = Some(Color::parse(value).ok_or_else(|| {
                    refuse("must be #rgb, #rgba, #rrggbb, #rrggbbaa, white, black or transparent")
                })?);
            }
        }
        Ok(())
    }
}

/// The full name of an option or of its alias.
fn full_name(given: &str) -> Option<&'static str> {
    Some(match given {
        "width" | "w" => "width",
        "height" | "h" => "height",
        "fit" => "fit",
        "gravity" | "g" => "gravity",
        "dpr" => "dpr",
        "quality" | "q" => "quality",
        "format" | "f" => "format",
        "background" => "background",
        _ => return None,
    })
}

fn side(value: &str) -> Result<NonZeroU32, &'static str> {
    digits(value).and_then(NonZeroU32::new).ok_or("must be a whole number of pixels, 1 or more")
}

/// ASCII digits only: no sign, no spaces.
fn digits(value: &str) -> Option<u32> {
    value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok())?
}

/// Digits with at most one point: no sign, exponent, infinity or NaN.
fn decimal(value: &str) -> Option<f64> {
    value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.').then(|| value.parse().ok())?
}

fn gravity(value: &str) -> Option<Gravity> {
    Some(match value {
        "center" => Gravity::Center,
        "left" => Gravity::Left,
        "right" => Gravity::Right,
        "top" => Gravity::Top,
        "bottom" => Gravity::Bottom,
        _ => {
            let (point, mode) = match value.strip_suffix(BOX_CENTER_SUFFIX) {
                Some(point) => (point, FocalMode::BoxCenter),
                None => (value, FocalMode::Remainder),
            };
            let (x, y) = point.split_once('x')?;
            Gravity::Point { x: decimal(x)?, y: decimal(y)?, mode }
        }
    })
}
