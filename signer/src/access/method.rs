//! The methods. One that is not here cannot be granted, and so not be called: a test compares with the contract.

use std::fmt;

/// A method that can be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// As grants name it.
    pub name: &'static str,
    /// The service it belongs to, as `package.Service`.
    pub service: &'static str,
}

const SIGNER: &str = "safelight.signer.v1.SignerService";
const VERIFIER: &str = "safelight.signer.v1.VerifierService";
const TOKENS: &str = "safelight.signer.v1.UploadTokenService";
const ENVOY: &str = "envoy.service.auth.v3.Authorization";
const KEYS: &str = "safelight.signer.v1.KeyService";

/// Every method.
pub const METHODS: &[Method] = &[
    Method { name: "SignUrl", service: SIGNER },
    Method { name: "BatchSignUrls", service: SIGNER },
    Method { name: "SignUpload", service: SIGNER },
    Method { name: "SignOriginRequest", service: SIGNER },
    Method { name: "VerifyUrl", service: VERIFIER },
    Method { name: "VerifyUpload", service: VERIFIER },
    Method { name: "VerifyNotification", service: VERIFIER },
    Method { name: "AuthorizeDelivery", service: VERIFIER },
    Method { name: "ListDeliveries", service: VERIFIER },
    Method { name: "Check", service: ENVOY },
    Method { name: "CreateUploadToken", service: TOKENS },
    Method { name: "GetUploadToken", service: TOKENS },
    Method { name: "RedeemUploadToken", service: TOKENS },
    Method { name: "CancelUploadToken", service: TOKENS },
    Method { name: "ListKeys", service: KEYS },
    Method { name: "GetKey", service: KEYS },
];

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.name)
    }
}

impl Method {
    /// The method of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<&'static Self> {
        METHODS.iter().find(|method| method.name == name)
    }

    /// The method that is called as `/package.Service/Method`.
    #[must_use]
    pub fn of_path(path: &str) -> Option<&'static Self> {
        let (service, name) = path.strip_prefix('/')?.rsplit_once('/')?;
        METHODS.iter().find(|method| method.service == service && method.name == name)
    }
}
