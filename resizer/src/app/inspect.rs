//! What a picture is, from its header.

use bytes::Bytes;
use safelight_image::probe::{self, Info};
use safelight_proto::reason::CallError;

use super::{App, Context, error};

impl App {
    /// Reads the header of a picture. On a CPU slot: even that is parsing of untrusted bytes.
    ///
    /// # Errors
    /// `FORMAT_UNSUPPORTED`, `IMAGE_CORRUPT`, `IMAGE_TOO_LARGE`; `DEADLINE_EXCEEDED` while waiting for a slot.
    pub async fn inspect(&self, bytes: Bytes, context: &Context) -> Result<Info, CallError> {
        let limits = self.limits;
        let job = self.admission.start(context.deadline, move || probe::probe(&bytes, &limits)).await;
        job.map_err(error::rejected)?.finish().await.map_err(error::rejected)?.map_err(error::image)
    }
}
