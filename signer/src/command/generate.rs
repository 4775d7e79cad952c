//! Fresh secrets, as each scheme writes them.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD},
};
use zeroize::Zeroizing;

use super::{CommandError, refused};
use crate::keyring::{Algorithm, Scheme};

/// Bytes of randomness in a symmetric secret.
const SECRET_BYTES: usize = 32;

/// The secrets of a version: the option of each, its file's ending, and its text.
pub(super) type Secrets = Vec<(&'static str, &'static str, Zeroizing<String>)>;

/// Makes the secrets of a version.
pub(super) fn generate(scheme: Scheme, algorithm: Algorithm) -> Result<Secrets, CommandError> {
    let secret = |text| Ok(vec![("secret_file", "", text)]);
    match scheme {
        Scheme::CloudflareImages | Scheme::AkamaiEdgeauth | Scheme::CloudinaryAuthToken => {
            secret(random(|bytes| hex::encode(bytes))?)
        }
        // 128 bits: neither more nor less.
        Scheme::GoogleCloudCdn => secret(random(|bytes| URL_SAFE.encode(&bytes[..16]))?),
        Scheme::GoogleMediaCdn => secret(random(|bytes| URL_SAFE.encode(bytes))?),
        Scheme::Cloudfront => secret(private_key(algorithm)?),
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

/// A private key in PEM: of 2,048 bits for RSA, the one size that CloudFront takes.
fn private_key(algorithm: Algorithm) -> Result<Zeroizing<String>, CommandError> {
    let der = if algorithm == Algorithm::EcdsaSha256 {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
            .and_then(|pair| pair.to_pkcs8v1())
            .map(|document| Zeroizing::new(document.as_ref().to_vec()))
    } else {
        KeyPair::generate(KeySize::Rsa2048)
            .and_then(|pair| AsDer::<Pkcs8V1Der<'_>>::as_der(&pair))
            .map(|document| Zeroizing::new(document.as_ref().to_vec()))
    };
    let Ok(der) = der else { return refused("no private key could be made") };
    let text = Zeroizing::new(STANDARD.encode(&*der));
    let mut pem = Zeroizing::new(String::with_capacity(text.len() + text.len() / 64 + 64));
    pem.push_str("-----BEGIN PRIVATE KEY-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    Ok(pem)
}

fn random(write: impl FnOnce(&[u8]) -> String) -> Result<Zeroizing<String>, CommandError> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    match getrandom::fill(&mut *bytes) {
        Ok(()) => Ok(Zeroizing::new(write(&*bytes))),
        Err(_) => refused("the system gives no random numbers"),
    }
}
