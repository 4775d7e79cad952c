//! Whether signer and origins answer as the configuration says, before a roll-out: for `check-config --connect`.

use std::time::{Duration, Instant};

use safelight_chassis::check::Finding;
use safelight_client::SignerError;

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
                findings
            }
            Err(SignerError::Unavailable(failure)) => {
                vec![Finding::problem(format!("signer: does not answer: {failure}"))]
            }
            Err(SignerError::Refused(failure)) => vec![Finding::problem(format!(
                "signer: does not list its deliveries to this resizer: {failure}; there this caller needs a grant for \
                 AuthorizeDelivery and ListDeliveries"
            ))],
        }
    }
}
