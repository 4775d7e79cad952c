//! What a picture is, from its header.

use safelight_image::probe::{self, Info};
use safelight_proto::reason::CallError;

use super::{App, Context, error, source::SourceBytes};

impl App {
    /// Reads the header of a picture. On a CPU slot: even that is parsing of untrusted bytes.
    ///
    /// # Errors
    /// `FORMAT_UNSUPPORTED`, `IMAGE_CORRUPT`, `IMAGE_TOO_LARGE`; `DEADLINE_EXCEEDED` while waiting for a slot.
    pub async fn inspect(&self, bytes: SourceBytes, context: &Context) -> Result<Info, CallError> {
        let (limits, held) = (self.limits, bytes.clone());
        let job = self.admission.start(context.deadline, move || probe::probe(&held, &limits)).await;
        let probed = job.map_err(error::rejected)?.finish().await.map_err(error::rejected)?;
        probed.map_err(|error| bytes.refused(error))
    }
}
