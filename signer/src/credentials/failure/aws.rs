//! What AWS's crates say of a failure, in words that may be logged.
//!
//! The texts of AWS's services and of `aws-config` may quote what was sent (`Value '…' at 'webIdentityToken'`) or what was
//! answered, which is credentials. So of an error only what is known to be a name or a number of ours or theirs is said.

use std::{error::Error, io};

use aws_config::imds::client::error::ImdsError;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::{
    error::ProvideErrorMetadata as _,
    operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError,
};
use aws_smithy_runtime_api::client::{
    orchestrator::HttpResponse,
    result::{ConnectorError, SdkError},
};

use super::Failure;

/// Longest error code of a service that is repeated, in bytes. AWS's are below 50.
const MAX_CODE_BYTES: usize = 64;

/// How `aws-config` begins the text of a container agent's refusal; a status follows.
const REFUSED_BY_AGENT: &str = "Non-success status from HTTP credential provider: StatusCode(";

impl Failure {
    /// In words.
    pub(in crate::credentials) fn of(error: &CredentialsError) -> Self {
        let mut words = vec![error.to_string()];
        let mut next = error.source();
        while let Some(cause) = next {
            words.extend(word(cause));
            next = cause.source();
        }
        words.dedup();
        Self::Provider(words.join(": "))
    }
}

/// What may be said of one cause.
fn word(cause: &(dyn Error + 'static)) -> Option<String> {
    if let Some(refusal) = cause.downcast_ref::<AssumeRoleWithWebIdentityError>() {
        return refusal.code().filter(|code| is_name(code)).map(str::to_owned);
    }
    if let Some(ImdsError::ErrorResponse(answer)) = cause.downcast_ref::<ImdsError>() {
        return Some(format!("status {}", answer.response().status()));
    }
    if let Some(error) = cause.downcast_ref::<io::Error>() {
        return Some(error.kind().to_string());
    }
    if let Some(error) = cause.downcast_ref() {
        return Some(call::<AssumeRoleWithWebIdentityError>(error));
    }
    if let Some(error) = cause.downcast_ref() {
        return Some(call::<CredentialsError>(error));
    }
    if cause.is::<ImdsError>() || cause.is::<ConnectorError>() {
        return Some(cause.to_string());
    }
    let status: String =
        cause.to_string().strip_prefix(REFUSED_BY_AGENT)?.chars().take_while(char::is_ascii_digit).collect();
    Some(format!("status {status}"))
}

/// What became of a call to a service: its texts are fixed.
fn call<E>(error: &SdkError<E, HttpResponse>) -> String {
    match error.raw_response() {
        Some(answer) => format!("{error}, status {}", answer.status()),
        None => error.to_string(),
    }
}

fn is_name(code: &str) -> bool {
    (1..=MAX_CODE_BYTES).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_provider_says_is_not_repeated() {
        for (error, said) in [
            (
                CredentialsError::provider_error("failed to load credentials [E]: fake-secret"),
                "an error occurred while loading credentials",
            ),
            (
                CredentialsError::provider_error(format!("{REFUSED_BY_AGENT}503) fake-secret")),
                "an error occurred while loading credentials: status 503",
            ),
            (CredentialsError::unhandled("found: \"fake-secret\""), "unexpected credentials error"),
            (
                CredentialsError::invalid_configuration(io::Error::new(
                    io::ErrorKind::NotFound,
                    "fake-secret: no such file",
                )),
                "the credentials provider was not properly configured: entity not found",
            ),
        ] {
            assert_eq!(Failure::of(&error), Failure::Provider(said.to_owned()));
        }
        assert!(
            is_name("InvalidIdentityToken") && !is_name("") && !is_name("a b") && !is_name(&"a".repeat(65))
        );
    }
}
