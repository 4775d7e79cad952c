//! Some names, or all.

/// Some names, or all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// All: `["*"]`.
    All,
    /// These.
    These(Vec<String>),
}

impl Names {
    /// These names; all if one of them is `*`.
    #[must_use]
    pub fn new(names: Vec<String>) -> Self {
        if names.iter().any(|name| name == "*") { Self::All } else { Self::These(names) }
    }

    /// Whether it is one of them.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(names) => names.iter().any(|known| known == name),
        }
    }

    /// Those that are named, in their order; nothing for all.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::All => &[],
            Self::These(names) => names.as_slice(),
        }
        .iter()
        .map(String::as_str)
    }
}
