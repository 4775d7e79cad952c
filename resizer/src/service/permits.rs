//! What the caller of a gRPC method may have, by its grants.

use safelight_chassis::access::Denied;
use safelight_image::plan::OutputBounds;
use safelight_proto::reason::CallError;
use tonic::Request;

use crate::{
    access::Granted,
    app::permits::{Permits, Wanted},
};

/// Takes the grants of a request.
pub(super) fn permits<T>(request: &mut Request<T>) -> Result<Granted, CallError> {
    Granted::take(request.extensions_mut()).map_err(Denied::refuse)
}

impl Permits for Granted {
    fn object(&self, wanted: &Wanted<'_>) -> Result<Vec<OutputBounds>, CallError> {
        let Wanted { route, origin, key, public } = *wanted;
        self.allows(route, origin, key, public).map_err(Denied::refuse)
    }
}
