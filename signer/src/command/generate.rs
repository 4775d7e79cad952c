//! Fresh secrets, as each scheme writes them.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use zeroize::Zeroizing;

use super::{CommandError, refused};
use crate::keyring::Scheme;

/// Bytes of randomness in a symmetric secret.
const SECRET_BYTES: usize = 32;

/// The secrets of a version: the option of each, its file's ending, and its text.
pub(super) type Secrets = Vec<(&'static str, &'static str, Zeroizing<String>)>;

/// Makes the secrets of a version.
pub(super) fn generate(scheme: Scheme) -> Result<Secrets, CommandError> {
    let secret = |text| Ok(vec![("secret_file", "", text)]);
    match scheme {
        Scheme::CloudflareImages => secret(random(|bytes| hex::encode(bytes))?),
        Scheme::Thumbor => secret(random(|bytes| URL_SAFE_NO_PAD.encode(bytes))?),
        Scheme::Fastly => secret(random(|bytes| STANDARD.encode(bytes))?),
        Scheme::Imgproxy => Ok(vec![
            ("secret_file", "", random(|bytes| hex::encode(bytes))?),
            ("salt_file", ".salt", random(|bytes| hex::encode(bytes))?),
        ]),
        Scheme::CloudinaryUpload
        | Scheme::CloudinaryDelivery
        | Scheme::Imgix
        | Scheme::Bunny
        | Scheme::AwsSigv4 => refused(format!(
            "secrets of {} are made by the vendor: save the new one in a file, and name it with --secret-file",
            scheme.name()
        )),
    }
}

fn random(write: impl FnOnce(&[u8]) -> String) -> Result<Zeroizing<String>, CommandError> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    match getrandom::fill(&mut *bytes) {
        Ok(()) => Ok(Zeroizing::new(write(&*bytes))),
        Err(_) => refused("the system gives no random numbers"),
    }
}
