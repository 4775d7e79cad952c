//! The methods. One that is not here cannot be granted, and so not be called: a test compares with the contract.

use safelight_chassis::access::{Method, Methods};

const SIGNER: &str = "safelight.signer.v1.SignerService";
const VERIFIER: &str = "safelight.signer.v1.VerifierService";
const TOKENS: &str = "safelight.signer.v1.UploadTokenService";
const UPLOADS: &str = "safelight.signer.v1.UploadService";
const ENVOY: &str = "envoy.service.auth.v3.Authorization";
const KEYS: &str = "safelight.signer.v1.KeyService";

/// Every method.
pub const METHODS: Methods = Methods::new(&[
    Method::new(SIGNER, "SignUrl"),
    Method::new(SIGNER, "BatchSignUrls"),
    Method::new(SIGNER, "SignUpload"),
    Method::new(SIGNER, "SignOriginRequest"),
    Method::new(SIGNER, "SignPostPolicy"),
    Method::new(VERIFIER, "VerifyUrl"),
    Method::new(VERIFIER, "VerifyUpload"),
    Method::new(VERIFIER, "VerifyNotification"),
    Method::new(VERIFIER, "AuthorizeDelivery"),
    Method::new(VERIFIER, "ListDeliveries"),
    Method::new(ENVOY, "Check"),
    Method::new(TOKENS, "CreateUploadToken"),
    Method::new(TOKENS, "GetUploadToken"),
    Method::new(TOKENS, "ReserveUploadToken"),
    Method::new(TOKENS, "RedeemUploadToken"),
    Method::new(TOKENS, "ReleaseUploadToken"),
    Method::new(TOKENS, "CancelUploadToken"),
    Method::new(UPLOADS, "BeginUpload"),
    Method::new(UPLOADS, "AuthorizeUpload"),
    Method::new(UPLOADS, "AuthorizeUploadParts"),
    Method::new(UPLOADS, "FinishUpload"),
    Method::new(UPLOADS, "ListUploadRules"),
    Method::new(UPLOADS, "TakeUploadTasks"),
    Method::new(UPLOADS, "EndUploadTask"),
    Method::new(KEYS, "ListKeys"),
    Method::new(KEYS, "GetKey"),
]);
