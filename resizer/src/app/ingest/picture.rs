//! What was received, into the picture that is stored.

use std::time::Duration;

use bytes::Bytes;
use safelight_image::{accept::Accepts, preview, probe::Info};
use safelight_proto::{
    reason::{CallError, Reason},
    signer::v1::BeginUploadResponse,
};
use sha2::{Digest as _, Sha256};

use super::super::{
    App, Context, error,
    render::{Order, Source, Work},
    sink::{Held, OutputHead, Sink, Summary},
    source::SourceBytes,
};
use crate::{admission::Place, transfer::send::SendError, upload::Rule};

/// A picture that has been decoded to its end, as it will be stored.
pub(super) struct Picture {
    pub(super) bytes: Bytes,
    pub(super) info: Info,
    /// Lower-case hex.
    pub(super) sha256: String,
    pub(super) crc32c: u32,
    pub(super) thumbhash: Vec<u8>,
    /// Memory of what was made, and the request's place.
    pub(super) _held: Option<Held>,
}

impl App {
    /// Decodes what was received, to its end, and makes what is stored.
    pub(super) async fn picture(
        &self,
        rule: &Rule,
        terms: &BeginUploadResponse,
        bytes: Bytes,
        place: Place,
        context: &Context,
    ) -> Result<Picture, CallError> {
        let source = SourceBytes::from(bytes.clone());
        let info = self.inspect(source.clone(), context).await?;
        rule.check(&info)?;
        let media_type = info.format.media_type();
        if rule.variant.is_none() && !is_accepted(&terms.token_content_types, media_type) {
            return Err(
                Reason::UploadTypeRefused.error(format!("{media_type} is not what this upload is for"))
            );
        }

        let mut orders = vec![Order { id: String::new(), options: preview::options() }];
        let variant = rule.variant.as_ref().and_then(|name| self.delivery.variants.get(name));
        orders.extend(variant.map(|variant| Order { id: String::new(), options: variant.options.clone() }));
        let source = Source {
            bytes: source,
            // The memory of the bytes is held by who received them: they are needed until they are stored.
            reserved: self.admission.upload(),
            place,
            receive: Duration::ZERO,
            signer: None,
        };
        let work = Work { source, orders, accepts: Accepts::default(), bounds: Vec::new() };
        let mut made = Made::default();
        self.render(work, context, &mut made).await?;
        let Made { outputs, held, .. } = made;
        let output = |index| outputs.iter().find(|(at, _)| *at == index).map(|(_, bytes)| bytes.clone());
        let (preview, stored) = (output(0).unwrap_or_default(), output(1));
        let info = match &stored {
            Some(bytes) => self.inspect(bytes.clone().into(), context).await?,
            None => info,
        };
        let bytes = stored.unwrap_or(bytes);
        let hashed = bytes.clone();
        let job = move || {
            let sha256 = hex::encode(Sha256::digest(&hashed));
            (sha256, crc32c::crc32c(&hashed), preview::thumbhash(&preview))
        };
        let job = self.admission.start(context.deadline, job).await.map_err(error::rejected)?;
        let (sha256, crc32c, thumbhash) = job.finish().await.map_err(error::rejected)?;
        let thumbhash = thumbhash.map_err(error::image)?;
        Ok(Picture { bytes, info, sha256, crc32c, thumbhash, _held: held })
    }
}

/// Whether a media type is one of these, or of a kind such as `image/*`. None means any.
fn is_accepted(types: &[String], media_type: &str) -> bool {
    let (kind, _) = media_type.split_once('/').unwrap_or_default();
    let matches = |wanted: &String| wanted == media_type || wanted.strip_suffix("/*") == Some(kind);
    types.is_empty() || types.iter().any(matches)
}

/// A sink that keeps all outputs.
#[derive(Default)]
struct Made {
    index: usize,
    outputs: Vec<(usize, Bytes)>,
    held: Option<Held>,
}

impl Sink for Made {
    async fn head(&mut self, head: OutputHead) -> Result<(), SendError> {
        self.index = head.index;
        Ok(())
    }

    async fn bytes(&mut self, bytes: Bytes) -> Result<(), SendError> {
        self.outputs.push((self.index, bytes));
        Ok(())
    }

    async fn end(&mut self, _: Summary, held: Held) -> Result<(), SendError> {
        self.held = Some(held);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_match_themselves_and_their_kind() {
        let types = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        for (accepted, is) in [
            (&[][..], true),
            (&["image/jpeg"], true),
            (&["image/*"], true),
            (&["image/png", "image/jpeg"], true),
            (&["image/png"], false),
            (&["video/*"], false),
            (&["image/"], false),
            (&["*/*"], false),
        ] {
            assert_eq!(is_accepted(&types(accepted), "image/jpeg"), is, "{accepted:?}");
        }
    }
}
