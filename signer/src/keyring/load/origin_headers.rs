//! Reads what every request to S3 carries.

use std::path::PathBuf;

use base64::{Engine, engine::general_purpose::STANDARD};
use safelight_chassis::config::Section;
use zeroize::Zeroizing;

use super::{files::Files, version::Common};
use crate::keyring::{OriginHeaders, sealed};

/// Bytes of a key for SSE-C: AES-256.
const KEY_BYTES: usize = 32;

/// Reads `request_payer` and `sse_customer_key_file`. A sealed file is one for version 0: it belongs to the objects, and no
/// version of the credentials.
pub(super) fn read_origin_headers(
    section: &mut Section,
    files: &Files<'_>,
    common: Common<'_>,
) -> Option<OriginHeaders> {
    const OPTION: &str = "sse_customer_key_file";

    let request_payer = section.or("request_payer", false);
    let Some(path) = section.optional::<PathBuf>(OPTION) else {
        return Some(OriginHeaders::new(request_payer, None));
    };
    let Common { key, scheme, algorithm } = common;
    let used = sealed::Use { key, version: 0, scheme, algorithm, option: OPTION };
    let text =
        files.secret(&path, Some(&used)).map_err(|error| section.error(OPTION, error.to_string())).ok()?;
    // Room for what is decoded before its length is checked.
    let mut bytes = Zeroizing::new(vec![0; text.len()]);
    match STANDARD.decode_slice(text.as_slice(), &mut bytes) {
        Ok(KEY_BYTES) => Some(OriginHeaders::new(request_payer, bytes.get(..KEY_BYTES))),
        _ => {
            section.error(OPTION, "expected 32 bytes in base64 (44 characters)");
            None
        }
    }
}
