//! Whether signer and origins answer as the configuration says, before a roll-out: for `check-config --connect`.

use std::time::{Duration, Instant};

use safelight_chassis::check::Finding;
use safelight_client::{Failure, SignerError};
use safelight_proto::{reason::Reason, signer::v1::TakeUploadTasksRequest};

use super::{App, Context};
use crate::origin;

/// How long the signer may take: it may have to be connected to first.
const SIGNER_TIMEOUT: Duration = Duration::from_secs(5);

impl App {
    /// Asks the signer which deliveries it has, and each origin whether it is there. Fetches no object.
    pub async fn check(&self) -> Vec<Finding> {
        let mut findings = self.check_signer().await;
        for (name, (origin, fetcher)) in &self.origins {
            let of_origin = origin::check::check(origin, fetcher).await;
            findings.extend(
                of_origin
                    .into_iter()
                    .map(|finding| Finding { text: format!("origin {name}: {}", finding.text), ..finding }),
            );
        }
        findings
    }

    /// Asks the signer which deliveries it has.
    pub async fn check_signer(&self) -> Vec<Finding> {
        match self.signer.list_deliveries(&Context::until(Instant::now() + SIGNER_TIMEOUT)).await {
            Ok(listed) => {
                let mut findings = vec![Finding::fine("signer: answers, and knows this resizer")];
                let differences = self.compare(&listed);
                if differences.is_empty() {
                    findings.push(Finding::fine("signer: has a delivery for every route that needs one"));
                }
                findings.extend(differences.into_iter().map(|(route, difference)| {
                    Finding::problem(format!(
                        "route {route}: {difference}; make [[deliveries]] of the signer and [[routes]] of the resizer agree"
                    ))
                }));
                findings.extend(self.check_uploads().await);
                findings
            }
            Err(SignerError::Unavailable(failure)) => {
                vec![Finding::problem(format!("signer: does not answer: {failure}"))]
            }
            Err(SignerError::Refused(failure)) => {
                let hint = hint(&failure);
                vec![Finding::problem(format!(
                    "signer: does not list its deliveries to this resizer: {failure}{hint}"
                ))]
            }
        }
    }

    /// Asks the signer for tasks of no rule.
    async fn check_tasks(&self) -> Finding {
        let request = TakeUploadTasksRequest::default();
        match self.signer.take_upload_tasks(request, &Context::within(SIGNER_TIMEOUT)).await {
            Ok(_) => Finding::fine("signer: gives out tasks of uploads"),
            Err(error) => {
                let failure = error.failure();
                Finding::problem(format!(
                    "signer: gives out no tasks of uploads: {failure}; it must grant this caller TakeUploadTasks and EndUploadTask"
                ))
            }
        }
    }

    /// Asks the signer which upload rules it has.
    async fn check_uploads(&self) -> Vec<Finding> {
        if self.uploads.rules.is_empty() {
            return Vec::new();
        }
        match self.signer.list_upload_rules(&Context::until(Instant::now() + SIGNER_TIMEOUT)).await {
            Ok(listed) => {
                let differences = self.compare_uploads(&listed);
                if differences.is_empty() {
                    return vec![Finding::fine("signer: has every upload rule"), self.check_tasks().await];
                }
                let problem = |(rule, difference)| {
                    Finding::problem(format!(
                        "upload rule {rule}: {difference}; make [[uploads]] of the signer and the resizer agree"
                    ))
                };
                differences.into_iter().map(problem).collect()
            }
            Err(error) => {
                let failure = error.failure();
                vec![Finding::problem(format!("signer: does not list its upload rules: {failure}"))]
            }
        }
    }
}

/// What to do about a signer that does not list its deliveries.
fn hint(failure: &Failure) -> &'static str {
    const UNKNOWN: &str = Reason::CallerUnknown.as_str();
    const DENIED: &str = Reason::CallerDenied.as_str();
    const NO_METHOD: &str = Reason::MethodUnknown.as_str();
    match failure.reason().as_str() {
        UNKNOWN => "; the credentials of [signer] (token_file) are none of the signer's [[tokens]]",
        DENIED => "; there this caller needs a grant for AuthorizeDelivery and ListDeliveries",
        NO_METHOD => "; the signer is older than this resizer",
        // The HTTP client's words for an answer that is not of gRPC.
        _ if failure.reason.is_none() => {
            "; what answers there seems to be no signer: check endpoint of [signer]"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_own_way_out() {
        for (reason, words) in [
            (Some(Reason::CallerUnknown), "[[tokens]]"),
            (Some(Reason::CallerDenied), "ListDeliveries"),
            (Some(Reason::MethodUnknown), "older"),
            (Some(Reason::FieldInvalid), ""),
            (None, "no signer"),
        ] {
            let failure = Failure {
                endpoint: String::new(),
                address: None,
                code: Reason::MethodUnknown.code(),
                reason: reason.map(|reason| reason.as_str().to_owned()),
                message: String::new(),
                denied: None,
                field: None,
                delay: None,
            };
            let told = hint(&failure);
            assert!(told.contains(words) && told.is_empty() == words.is_empty(), "{reason:?}: {told}");
        }
    }
}
