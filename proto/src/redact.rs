//! `Debug` of messages that can hold credentials: names of fields, never values.

use std::fmt;

use crate::{
    resizer::v1::CallerHeaders,
    signer::v1::{FormField, Header},
};

impl fmt::Debug for CallerHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = [
            ("authorization", &self.authorization),
            ("cookie", &self.cookie),
            ("x_amz_content_sha256", &self.x_amz_content_sha256),
            ("x_amz_date", &self.x_amz_date),
            ("x_amz_security_token", &self.x_amz_security_token),
        ];
        f.write_str("CallerHeaders ")?;
        f.debug_set()
            .entries(fields.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name))
            .finish()
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for FormField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormField").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_a_value() {
        let headers = CallerHeaders { authorization: "AWS4 fake-secret".into(), ..Default::default() };
        let header = Header { name: "authorization".into(), value: "fake-secret".into() };
        let field = FormField { name: "signature".into(), value: "fake-secret".into() };
        let text = format!("{headers:?} {header:?} {field:?}");
        assert!(!text.contains("fake-secret"), "{text}");
        assert!(text.contains("authorization"), "{text}");
    }
}
