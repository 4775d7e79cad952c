//! Whether resizer and signer mean the same by a route, so that one call verifies a URL and signs its fetch.
//!
//! The signer's `[[deliveries]]` say of each route what the resizer's `[[routes]]` say. Both are digested. A route that the
//! signer knows takes one call; one that it does not know takes two, `VerifyUrl` and `SignOriginRequest`, for which the
//! resizer needs grants.

use std::{
    sync::atomic::{AtomicU8, Ordering},
    time::{Duration, Instant},
};

use safelight_client::SignerError;
use safelight_proto::{delivery::Identity, signer::v1::Delivery as Listed};

use super::{App, Context};
use crate::{
    delivery::{Delivery, Route},
    origin::{Origin, Origins},
};

/// How often the signer is asked which deliveries it has: configurations are reloaded.
const INTERVAL: Duration = Duration::from_secs(30);
/// The same while the signer gives no answer.
const RETRY: Duration = Duration::from_secs(2);

/// What is known of one route.
#[derive(Debug)]
pub(super) struct Agreement {
    digest: String,
    state: AtomicU8,
}

/// The signer was not asked yet: one call is tried.
const UNKNOWN: u8 = 0;
/// It has a delivery of this digest.
const AGREED: u8 = 1;
/// It has none, or does not let this resizer use it.
const DIFFERS: u8 = 2;

impl Agreement {
    /// The digest, unless it is known that the signer has no such delivery.
    pub(super) fn digest(&self) -> Option<&str> {
        (self.state.load(Ordering::Relaxed) != DIFFERS).then_some(self.digest.as_str())
    }

    /// Whether an answer says that the signer does not take this route in one call. Then two are made from now on.
    pub(super) fn is_refused_by(&self, error: &SignerError, route: &str) -> bool {
        let SignerError::Refused(failure) = error else { return false };
        if self.state.load(Ordering::Relaxed) == AGREED
            && failure.reason.as_deref() != Some("DELIVERY_UNKNOWN")
        {
            return false;
        }
        tracing::warn!(route, cause = %failure, "delivery.two_calls: the signer does not take this route in one call");
        self.state.store(DIFFERS, Ordering::Relaxed);
        true
    }
}

/// One for each route, in order.
pub(super) fn of(delivery: &Delivery, origins: &Origins) -> Vec<Agreement> {
    let agreement = |route: &Route| {
        let public = delivery.public_variants(route);
        let digest = origins.get(&route.origin).map(|origin| identity(route, &public, origin).digest());
        Agreement { digest: digest.unwrap_or_default(), state: AtomicU8::new(UNKNOWN) }
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
        let mut last = None;
        loop {
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

    /// Notes which routes the signer knows; names those that it does not, and what differs from the nearest of its
    /// deliveries.
    pub(super) fn compare(&self, listed: &[Listed]) -> Vec<(String, String)> {
        let mut differences = Vec::new();
        for (route, agreement) in self.delivery.routes.iter().zip(&self.agreements) {
            let known = listed.iter().any(|delivery| delivery.digest == agreement.digest);
            agreement.state.store(if known { AGREED } else { DIFFERS }, Ordering::Relaxed);
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
