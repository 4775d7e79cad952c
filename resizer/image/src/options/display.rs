//! The canonical text of an option list.

use std::fmt;

use super::{FocalMode, Gravity, Options, table::TABLE};

impl Options {
    /// The options of the canonical text, in its order: names and values.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, String)> {
        TABLE.iter().filter_map(|entry| Some((entry.name, entry.text(self)?)))
    }
}

/// The option list as [`Options::parse`] reads it, in a fixed order, with `#` as `%23`: equal options give equal text (ETags
/// are made of it) and the text can stand in a URL. The options that there were first are spelt out with their defaults; later
/// ones appear where they differ from them.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, text)) in self.texts().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{name}={}", text.replace('#', "%23"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Gravity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            // Adding 0.0 turns -0.0, which equals 0.0, into the same text.
            Self::Point { x, y, mode: FocalMode::Remainder } => write!(f, "{}x{}", x + 0.0, y + 0.0),
            Self::Point { x, y, mode } => write!(f, "{}x{}:{}", x + 0.0, y + 0.0, mode.name()),
            _ => {
                let side = super::parse::SIDES.iter().find(|(_, side)| side == self);
                f.write_str(side.map_or("", |(name, _)| name))
            }
        }
    }
}
