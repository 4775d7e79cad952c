//! The fields of a message as text, so that who knows options from a table needs no second list of them.
//!
//! `cargo generate` writes the list of fields beside the message, as a call of `fields!`. Text is what stands in an option
//! list of a URL: numbers in decimals, the value of an enumeration by its name without the prefix (`FIT_SCALE_DOWN` is
//! `scale-down`).

use crate::image::v1::{FocalMode, FocalPoint, Gravity, Side, gravity::Anchor};

/// Gives a message `texts` and `set_text`. Of each field the kind: `optional` has presence; `plain` is set where it is not
/// empty; `choice(Enum)` is set where it is not 0.
macro_rules! fields {
    ($message:ident { $($field:ident: $kind:ident $(($choice:ident))?),* $(,)? }) => {
        impl $message {
            /// The fields that are set, in the order of their numbers, with their values as text. A value that this version
            /// does not know has a text that is no value's.
            #[must_use]
            pub fn texts(&self) -> Vec<(&'static str, String)> {
                let texts = [$((
                    stringify!($field),
                    $crate::fields::fields!(@get $kind $(($choice))? self.$field),
                )),*];
                texts.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
            }

            /// Sets a field to what [`texts`](Self::texts) says of it. `false`, and nothing is set: there is no such field, or
            /// it cannot hold that.
            pub fn set_text(&mut self, name: &str, text: &str) -> bool {
                $(if name == stringify!($field) {
                    let value = $crate::fields::fields!(@read $kind $(($choice))? text);
                    return value.map(|value| self.$field = value).is_some();
                })*
                false
            }
        }
    };
    (@get optional $value:expr) => { $value.as_ref().and_then($crate::fields::Text::text) };
    (@get plain $value:expr) => { $crate::fields::Text::text(&$value) };
    (@get choice($choice:ident) $value:expr) => {
        $crate::fields::choice_text($value, $choice::default().as_str_name(), |number| {
            $choice::try_from(number).ok().map(|value| value.as_str_name())
        })
    };
    (@read optional $text:expr) => { $crate::fields::Text::read($text).map(Some) };
    (@read plain $text:expr) => { $crate::fields::Text::read($text) };
    (@read choice($choice:ident) $text:expr) => {
        $choice::from_str_name(&$crate::fields::choice_name($text, $choice::default().as_str_name())).map(i32::from)
    };
}
pub(crate) use fields;

/// A value that has a text.
pub(crate) trait Text: Sized {
    /// `None`: as if it was not set.
    fn text(&self) -> Option<String>;

    fn read(text: &str) -> Option<Self>;
}

impl Text for u32 {
    fn text(&self) -> Option<String> {
        Some(self.to_string())
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Text for f64 {
    /// In digits, which read back as the same number. Adding 0.0 turns -0.0, which equals 0.0, into the same text.
    fn text(&self) -> Option<String> {
        Some((self + 0.0).to_string())
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Text for String {
    fn text(&self) -> Option<String> {
        (!self.is_empty()).then(|| self.clone())
    }

    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

/// A side's name, or `XxY`, and behind a colon the mode where there is one.
impl Text for Gravity {
    fn text(&self) -> Option<String> {
        match self.anchor? {
            Anchor::Side(side) => side_fields::text(side),
            Anchor::Point(FocalPoint { x, y, mode }) => {
                let mode = mode_fields::text(mode).map(|mode| format!(":{mode}")).unwrap_or_default();
                Some(format!("{}x{}{mode}", x + 0.0, y + 0.0))
            }
        }
    }

    fn read(text: &str) -> Option<Self> {
        let anchor = if let Some(side) = side_fields::read(text) {
            Anchor::Side(side)
        } else {
            let (point, mode) = text.split_once(':').unwrap_or((text, ""));
            let mode = if mode.is_empty() { FocalMode::Remainder.into() } else { mode_fields::read(mode)? };
            let (x, y) = point.split_once('x')?;
            Anchor::Point(FocalPoint { x: Text::read(x)?, y: Text::read(y)?, mode })
        };
        Some(Self { anchor: Some(anchor) })
    }
}

mod side_fields {
    use super::Side;

    pub(super) fn text(number: i32) -> Option<String> {
        super::fields!(@get choice(Side) number)
    }

    pub(super) fn read(text: &str) -> Option<i32> {
        super::fields!(@read choice(Side) text)
    }
}

mod mode_fields {
    use super::FocalMode;

    pub(super) fn text(number: i32) -> Option<String> {
        super::fields!(@get choice(FocalMode) number)
    }

    pub(super) fn read(text: &str) -> Option<i32> {
        super::fields!(@read choice(FocalMode) text)
    }
}

/// What the name of the value 0 ends in; what stands before it is the prefix of all names.
const UNSET: &str = "UNSPECIFIED";

/// The text of an enumeration's value. `zero`: the name of the value 0.
pub(crate) fn choice_text(
    number: i32,
    zero: &str,
    name: impl FnOnce(i32) -> Option<&'static str>,
) -> Option<String> {
    let prefix = zero.strip_suffix(UNSET).unwrap_or_default();
    match name(number) {
        _ if number == 0 => None,
        Some(name) => Some(name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase().replace('_', "-")),
        None => Some(format!("value {number}")),
    }
}

/// The name of an enumeration's value.
pub(crate) fn choice_name(text: &str, zero: &str) -> String {
    let prefix = zero.strip_suffix(UNSET).unwrap_or_default();
    format!("{prefix}{}", text.to_ascii_uppercase().replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::v1::{Fit, Format, TransformOptions};

    fn point(mode: i32) -> Option<Gravity> {
        Some(Gravity { anchor: Some(Anchor::Point(FocalPoint { x: 0.25, y: -0.0, mode })) })
    }

    #[test]
    fn fields_have_texts() {
        let message = TransformOptions {
            width: Some(0),
            fit: Fit::ScaleDown.into(),
            gravity: point(2),
            dpr: Some(1.5),
            format: Format::WebpLossless.into(),
            background: "#fff".to_owned(),
            ..Default::default()
        };
        let texts = [
            ("width", "0"),
            ("fit", "scale-down"),
            ("gravity", "0.25x0:box-center"),
            ("dpr", "1.5"),
            ("format", "webp-lossless"),
            ("background", "#fff"),
        ];
        assert_eq!(message.texts(), texts.map(|(name, text)| (name, text.to_owned())));
        let mut read = TransformOptions::default();
        assert!(texts.iter().all(|(name, text)| read.set_text(name, text)));
        assert_eq!(read, message);
        assert_eq!(TransformOptions::default().texts(), []);
    }

    #[test]
    fn what_is_not_known_has_a_text_that_is_no_values() {
        let unknown = Gravity { anchor: Some(Anchor::Side(99)) };
        let message = TransformOptions { fit: 99, gravity: Some(unknown), ..Default::default() };
        let texts = [("fit", "value 99".to_owned()), ("gravity", "value 99".to_owned())];
        assert_eq!(message.texts(), texts);
        let message = TransformOptions { gravity: point(99), ..Default::default() };
        assert_eq!(message.texts(), [("gravity", "0.25x0:value 99".to_owned())]);

        let mut message = TransformOptions::default();
        for (name, text) in [
            ("width", "auto"),
            ("fit", "fill"),
            ("fit", "value 99"),
            ("gravity", "middle"),
            ("gravity", "1x1:middle"),
            ("Width", "1"),
            ("", ""),
        ] {
            assert!(!message.set_text(name, text), "{name}={text}");
        }
        assert_eq!(message, TransformOptions::default());
    }
}
