//! Plain HTTP servers: one fixed base, no signature.

use safelight_chassis::config::Section;

use super::{
    base::{self, Url},
    config::OriginKind,
};

/// Reads the part of `[origins.*]` that `kind = "http"` has.
pub(super) fn read(section: &mut Section) -> (OriginKind, String) {
    let base = base::closed(section.required("base_url"));
    if let (false, Err(message)) = (base.is_empty(), Url::parse(&base)) {
        section.error("base_url", message);
        return (OriginKind::Http, String::new());
    }
    (OriginKind::Http, base)
}
