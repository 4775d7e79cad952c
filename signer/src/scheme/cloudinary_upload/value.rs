//! A parameter's value.

/// A parameter's value, as JSON has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Left out.
    Null,
    /// The word `true` or `false`.
    Bool(bool),
    /// In decimal.
    Integer(i64),
    /// As it is.
    Text(String),
    /// Joined by commas.
    List(Vec<Self>),
}

impl Value {
    /// The text that is signed and posted. Empty for null, `""`, `[]` and `[""]`: such a parameter is left out.
    ///
    /// `0` and `false` stay, as in the Node and Ruby SDKs (Python drops them).
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Text(value) => value.clone(),
            Self::List(values) => values.iter().map(Self::text).collect::<Vec<_>>().join(","),
        }
    }
}
