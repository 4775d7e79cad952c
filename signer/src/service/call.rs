//! A call on its way through a handler: what its caller may do, and what the audit trail will say of it.

use std::{future::ready, pin::Pin};

use http::Extensions;
use safelight_chassis::{access::Caller, request_id::RequestId};
use safelight_proto::reason::{CallError, Reason, of};
use tonic::{Request, Response, Status};

use super::refusal;
use crate::{
    access::Granted,
    audit::{Audit, Entry, Event},
    delivery::Delivery,
    keyring::MAX_NAME_BYTES,
    storing::Rule,
};

/// What a handler returns.
pub(super) type Answer<'a, A> = Pin<Box<dyn Future<Output = Result<Response<A>, Status>> + Send + 'a>>;

/// Answers a call by a handler that waits for nothing.
///
/// It is run here and not in the future, as it would be in an `async fn` of the trait: that one has room for request, call
/// and answer at once, and all of them are moved in and out of it. Signing a URL takes about as long. For the same reason the
/// message is only lent.
pub(super) fn answer<'a, T, A: Send + 'a>(
    audit: &'a Audit,
    mut request: Request<T>,
    handle: impl FnOnce(&mut Call<'_>, &T) -> Result<A, CallError>,
) -> Answer<'a, A> {
    let mut call = match Call::admit(audit, request.extensions_mut()) {
        Ok(call) => call,
        Err(refused) => return Box::pin(ready(Err(refused.into()))),
    };
    let answer = handle(&mut call, request.get_ref());
    if audit.is_on() {
        Box::pin(call.end(answer))
    } else {
        Box::pin(ready(answer.map(Response::new).map_err(Status::from)))
    }
}

/// A call that was let in. A handler begins with [`Call::begin`] and ends with [`Call::end`], or is run by [`answer`].
pub(super) struct Call<'a> {
    audit: &'a Audit,
    granted: Granted,
    /// `None` where there is no trail. Boxed, for calls are moved.
    entry: Option<Box<Entry>>,
}

impl<'a> Call<'a> {
    /// Takes a request apart.
    pub(super) fn begin<T>(audit: &'a Audit, request: Request<T>) -> Result<(Self, T), CallError> {
        let (_, mut extensions, message) = request.into_parts();
        Ok((Self::admit(audit, &mut extensions)?, message))
    }

    /// Takes from a request's extensions what its caller may do.
    fn admit(audit: &'a Audit, extensions: &mut Extensions) -> Result<Self, CallError> {
        let granted = Granted::take(extensions).map_err(refusal::denied)?;
        let entry = audit.is_on().then(|| {
            Box::new(Entry {
                caller: Caller::of(extensions).to_string(),
                method: granted.method().to_string(),
                request_id: extensions.get::<RequestId>().map(ToString::to_string).unwrap_or_default(),
                ..Entry::new(Event::Call)
            })
        });
        Ok(Self { audit, granted, entry })
    }

    /// Refuses a key that the caller has no grant for; from then on only the grants for this one count.
    pub(super) fn key(&mut self, name: &str) -> Result<(), CallError> {
        if name.len() <= MAX_NAME_BYTES {
            self.note(|entry| name.clone_into(&mut entry.key));
        }
        self.granted.key(name).map_err(refusal::denied)
    }

    /// Refuses a delivery that the caller has no grant for, or for a key of; from then on only the grants for all of it count.
    pub(super) fn delivery(&mut self, delivery: &Delivery) -> Result<(), CallError> {
        self.note(|entry| {
            delivery.name.clone_into(&mut entry.delivery);
            delivery.url_key.as_deref().unwrap_or_default().clone_into(&mut entry.key);
        });
        self.granted.delivery(&delivery.name, delivery.keys()).map_err(refusal::denied)
    }

    /// Refuses an upload rule that the caller has no grant for, or for a key of; from then on only the grants for all of it count.
    pub(super) fn upload(&mut self, rule: &Rule) -> Result<(), CallError> {
        self.note(|entry| {
            rule.name.clone_into(&mut entry.upload);
            rule.form_key.as_deref().unwrap_or_default().clone_into(&mut entry.key);
        });
        self.granted.upload(&rule.name, rule.keys()).map_err(refusal::denied)
    }

    /// Refuses an account that the caller has no grant for.
    pub(super) fn account(&mut self, name: &str) -> Result<(), CallError> {
        self.granted.account(name).map_err(refusal::denied)
    }

    /// What the caller may do with this method, and with the key once it was asked for.
    pub(super) const fn granted(&self) -> &Granted {
        &self.granted
    }

    /// Adds to the record, if there will be one.
    pub(super) fn note(&mut self, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = &mut self.entry {
            change(entry);
        }
    }

    /// Records what came of it, and only then answers.
    pub(super) async fn end<A>(
        self,
        answer: Result<A, impl Into<Status> + Send>,
    ) -> Result<Response<A>, Status> {
        let answer = answer.map(Response::new).map_err(Into::into);
        let Some(mut entry) = self.entry else { return answer };
        if let Err(status) = &answer {
            entry.reason = of(status).unwrap_or_else(|| Reason::Internal.as_str().to_owned());
        }
        match self.audit.write(*entry).await {
            Ok(()) => answer,
            Err(unavailable) => Err(Reason::AuditUnavailable.error(unavailable.to_string()).into()),
        }
    }
}
