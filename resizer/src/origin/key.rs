//! Object keys as URL paths: the contract's, for the signer signs the same.

pub use safelight_proto::delivery::object_key::{KeyError, MAX_KEY_BYTES, encode};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_key_passes_the_url_type_unchanged() {
        for key in
            ["a b/c+d.jpg", "a//b/", "/lead", "x%2e%2e/%2e/y", "写 真\\\n?#;:@&=$,'\"<>^`{|}", "..a/b.."]
        {
            let path = format!("/bucket/{}", encode(key).unwrap());
            let url = reqwest::Url::parse(&format!("http://host{path}")).unwrap();
            assert_eq!(url.path(), path, "{key}");
            assert_eq!(url.query(), None);
        }
    }
}
