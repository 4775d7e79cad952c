//! Whether resizer and signer mean the same by a route, so that one call verifies a URL and signs its fetch.
//!
//! The signer's `[[deliveries]]` say of each route what the resizer's `[[routes]]` say. Both are digested. A route that the
//! signer knows takes one call; one that it does not know takes two, `VerifyUrl` and `SignOriginRequest`, for which the
//! resizer needs grants.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use safelight_client::{Failure, SignerError};
use safelight_proto::{
    delivery::Identity,
    reason::Reason,
    signer::v1::{Delivery as Listed, UploadRule},
    upload,
};

use super::{App, Context};
use crate::{
    delivery::{Delivery, Route},
    origin::{Origin, Origins},
    upload::Rule,
};

/// How often the signer is asked which deliveries it has: configurations are reloaded.
const INTERVAL: Duration = Duration::from_secs(30);
/// The same while the signer gives no answer.
const RETRY: Duration = Duration::from_secs(2);
/// How long a refusal counts. It is longer than [`INTERVAL`]: where the signer lists its deliveries, the list decides.
const LAPSE: Duration = Duration::from_secs(35);

/// What is known of one route.
#[derive(Debug)]
pub(super) struct Agreement {
    digest: String,
    /// Until when one call is not tried; `None` while nothing says that the signer does not take one.
    differs_until: Mutex<Option<Instant>>,
}

impl Agreement {
    fn new(digest: String) -> Self {
        Self { digest, differs_until: Mutex::new(None) }
    }

    /// The digest, unless the signer is known to have no such delivery, or not to let this resizer use it.
    pub(super) fn digest(&self) -> Option<&str> {
        self.digest_at(Instant::now())
    }

    fn digest_at(&self, now: Instant) -> Option<&str> {
        let until = *self.differs_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_none_or(|until| now >= until).then_some(self.digest.as_str())
    }

    /// Whether an answer says that the signer does not take this route in one call. Then two are made for a while. What
    /// depends on the URL, which anyone may send, says nothing of the route.
    pub(super) fn is_refused_by(&self, error: &SignerError, route: &str) -> bool {
        let SignerError::Refused(failure) = error else { return false };
        let Some(hint) = hint(failure) else { return false };
        // Of calls at the same time one says it.
        if self.digest().is_some() {
            self.set(Some(Instant::now() + LAPSE));
            tracing::warn!(
                route,
                cause = %failure,
                hint,
                "delivery.two_calls: the signer does not take this route in one call"
            );
        }
        true
    }

    fn set(&self, differs_until: Option<Instant>) {
        *self.differs_until.lock().unwrap_or_else(PoisonError::into_inner) = differs_until;
    }
}

/// What to do about a refusal of the route; `None` where it is of one URL.
fn hint(failure: &Failure) -> Option<&'static str> {
    const UNKNOWN: &str = Reason::DeliveryUnknown.as_str();
    const DENIED: &str = Reason::CallerDenied.as_str();
    const NO_METHOD: &str = Reason::MethodUnknown.as_str();
    match (failure.reason().as_str(), failure.denied.as_deref()) {
        (UNKNOWN, _) => Some("make [[deliveries]] of the signer and [[routes]] of the resizer agree"),
        (DENIED, Some("method" | "delivery" | "key")) => {
            Some("the signer must grant this caller AuthorizeDelivery, the delivery and its keys")
        }
        (NO_METHOD | "Unimplemented", _) => {
            Some("the signer, or what is before it, has no AuthorizeDelivery")
        }
        _ => None,
    }
}

/// One for each route, in order.
pub(super) fn of(delivery: &Delivery, origins: &Origins) -> Vec<Agreement> {
    let agreement = |route: &Route| {
        let public = delivery.public_variants(route);
        let digest = origins.get(&route.origin).map(|origin| identity(route, &public, origin).digest());
        Agreement::new(digest.unwrap_or_default())
    };
    delivery.routes.iter().map(agreement).collect()
}

/// What the signer must have for a route.
fn identity<'a>(route: &'a Route, public_variants: &'a [String], origin: &'a Origin) -> Identity<'a> {
    let (signing_key, region) =
        origin.signing().map_or(("", ""), |(key, region)| (key.as_str(), region.as_str()));
    Identity {
        path: &route.path_text,
        object_key: &route.key_text,
        url_key: route.url_key.as_deref().unwrap_or_default(),
        variant: route.variant.as_deref().unwrap_or_default(),
        public_variants,
        signing_key,
        base_url: &origin.base,
        region,
    }
}

impl App {
    /// Compares routes with the signer's deliveries, now and every 30 seconds, and says in the log what differs.
    pub async fn watch_agreement(&self) {
        let (mut last, mut last_uploads) = (None, None);
        loop {
            self.watch_uploads(&mut last_uploads).await;
            let context = Context::until(Instant::now() + RETRY);
            let wait = match self.signer.list_deliveries(&context).await {
                Ok(listed) => {
                    let differences = self.compare(&listed);
                    if last.as_ref() != Some(&differences) {
                        for (route, difference) in &differences {
                            tracing::warn!(
                                route,
                                "delivery.differs: {difference}; until it agrees each delivery takes two calls, for which the \
                                 resizer needs grants for VerifyUrl and SignOriginRequest at the signer"
                            );
                        }
                        if differences.is_empty() {
                            tracing::info!("delivery.agreed: the signer knows every route");
                        }
                        last = Some(differences);
                    }
                    INTERVAL
                }
                Err(SignerError::Unavailable(_)) => RETRY,
                // Without a grant for ListDeliveries it shows when the first URL comes.
                Err(error @ SignerError::Refused(_)) => {
                    tracing::debug!(cause = %error.failure(), "the signer does not list its deliveries");
                    INTERVAL
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Names the upload rules that the signer does not know, and what differs from the nearest of its own. Nothing is stored by
    /// them.
    pub(super) fn compare_uploads(&self, listed: &[UploadRule]) -> Vec<(String, String)> {
        let unknown =
            self.uploads.rules.iter().filter(|rule| listed.iter().all(|known| known.digest != rule.digest));
        let difference = |rule: &Arc<Rule>| {
            let (origin, _) = self.origins.get(&rule.origin)?;
            let (key, region) = origin.signing()?;
            let identity = rule.identity((key, region), &origin.base);
            let nearest = listed
                .iter()
                .map(|known| (identity.differences(&upload::Identity::from(known)), &known.name))
                .min_by_key(|(differences, _)| differences.len());
            Some(match nearest {
                Some((differences, name)) => {
                    format!("the signer's upload rule {name:?} has another {}", differences.join(", "))
                }
                None => "the signer has no [[uploads]] that this resizer may use".to_owned(),
            })
        };
        unknown.map(|rule| (rule.name.clone(), difference(rule).unwrap_or_default())).collect()
    }

    /// Compares upload rules with the signer's, and says in the log what differs from the last time.
    async fn watch_uploads(&self, last: &mut Option<Vec<(String, String)>>) {
        if self.uploads.rules.is_empty() {
            return;
        }
        let context = Context::until(Instant::now() + RETRY);
        let differences = match self.signer.list_upload_rules(&context).await {
            Ok(listed) => self.compare_uploads(&listed),
            Err(error) => {
                tracing::debug!(cause = %error.failure(), "the signer does not list its upload rules");
                return;
            }
        };
        if last.as_ref() != Some(&differences) {
            for (upload, difference) in &differences {
                tracing::warn!(
                    upload,
                    "upload.differs: {difference}; until it agrees nothing is stored by this rule"
                );
            }
            *last = Some(differences);
        }
    }

    /// Notes which routes the signer knows; names those that it does not, and what differs from the nearest of its
    /// deliveries.
    pub(super) fn compare(&self, listed: &[Listed]) -> Vec<(String, String)> {
        let mut differences = Vec::new();
        for (route, agreement) in self.delivery.routes.iter().zip(&self.agreements) {
            let known = listed.iter().any(|delivery| delivery.digest == agreement.digest);
            agreement.set((!known).then(|| Instant::now() + LAPSE));
            if !known && (route.url_key.is_some() || self.is_signed(route)) {
                differences.push((route.name.clone(), self.difference(route, listed)));
            }
        }
        differences
    }

    fn is_signed(&self, route: &Route) -> bool {
        self.origins.get(&route.origin).is_some_and(|(origin, _)| origin.is_signed())
    }

    fn difference(&self, route: &Route, listed: &[Listed]) -> String {
        let public = self.delivery.public_variants(route);
        let Some((origin, _)) = self.origins.get(&route.origin) else { return String::new() };
        let identity = identity(route, &public, origin);
        let nearest = listed
            .iter()
            .map(|delivery| (identity.differences(&Identity::from(delivery)), &delivery.name))
            .min_by_key(|(differences, _)| differences.len());
        match nearest {
            Some((differences, name)) => {
                format!("the signer's delivery {name:?} has another {}", differences.join(", "))
            }
            None => "the signer has no [[deliveries]] that this resizer may use".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(reason: &str, denied: Option<&str>) -> SignerError {
        SignerError::Refused(Box::new(Failure {
            endpoint: String::new(),
            address: None,
            code: Reason::CallerDenied.code(),
            reason: Some(reason.to_owned()),
            message: String::new(),
            denied: denied.map(str::to_owned),
            field: None,
            delay: None,
        }))
    }

    #[test]
    fn only_what_is_said_of_the_route_ends_one_call_and_it_lapses() {
        for (reason, denied, ends) in [
            ("DELIVERY_UNKNOWN", None, true),
            ("CALLER_DENIED", Some("method"), true),
            ("CALLER_DENIED", Some("delivery"), true),
            ("CALLER_DENIED", Some("key"), true),
            ("METHOD_UNKNOWN", None, true),
            // By the URL, which is the viewer's.
            ("CALLER_DENIED", Some("URL"), false),
            ("CALLER_DENIED", None, false),
            ("OBJECT_KEY_UNSUPPORTED", None, false),
            ("INPUT_TOO_LONG", None, false),
            ("URL_NOT_ALLOWED", None, false),
            ("FIELD_INVALID", None, false),
        ] {
            let agreement = Agreement::new("digest".to_owned());
            assert_eq!(agreement.is_refused_by(&refused(reason, denied), "web"), ends, "{reason} {denied:?}");
            assert_eq!(agreement.digest().is_none(), ends, "{reason} {denied:?}");
            assert_eq!(agreement.digest_at(Instant::now() + LAPSE), Some("digest"), "{reason} {denied:?}");
        }
    }
}
