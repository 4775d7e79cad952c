//! What a configuration says beside what is reloaded.

use std::collections::BTreeSet;

use toml::Table;

/// What a configuration says beside what is reloaded: a change of it needs a restart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fixed(Table);

impl Fixed {
    /// Of a whole file, all but the keys `reloaded`.
    pub(super) fn of(file: &Table, reloaded: &[&str]) -> Self {
        let fixed = file.iter().filter(|(key, _)| !reloaded.contains(&key.as_str()));
        Self(fixed.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    /// Says in the log what another reading has changed, if anything; `self` is what is in use.
    pub fn warn_of_changes(&self, other: &Self) {
        let changed = self.changed(other);
        if !changed.is_empty() {
            let changed = changed.into_iter().collect::<Vec<_>>().join(", ");
            tracing::warn!(
                changed,
                "changed in the configuration and not reloaded: {changed}; a restart is needed"
            );
        }
    }

    /// The sections and keys that differ, by name.
    fn changed<'a>(&'a self, other: &'a Self) -> BTreeSet<&'a str> {
        let keys = self.0.keys().chain(other.0.keys()).map(String::as_str);
        keys.filter(|key| self.0.get(*key) != other.0.get(*key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_whatever_its_spelling() {
        let fixed = |text: &str| Fixed::of(&text.parse().unwrap(), &["grants", "tokens"]);
        let old = fixed("a = 1\n[[grants]]\ncaller = 'a'\n[limits]\nx = 1\ny = 2\n[tls]\ncert_file = 'c'");
        let same = fixed(
            "# the same\na=1\nlimits = { y = 2, x = 1 }\ntls.cert_file = \"c\"\n[[tokens]]\ncaller = 'b'",
        );
        assert_eq!(old.changed(&same), BTreeSet::new());
        let other = fixed("a = 2\nb = 0\n[limits]\nx = 1\ny = 3\n[tls]\ncert_file = 'c'");
        assert_eq!(old.changed(&other), BTreeSet::from(["a", "b", "limits"]));
        assert_eq!(old.changed(&Fixed::default()), BTreeSet::from(["a", "limits", "tls"]));
    }
}
