//! What was received, into the picture that is stored.

use std::{borrow::Cow, sync::Arc, time::Duration};

use bytes::Bytes;
use safelight_image::{accept::Accepts, plan, preview, probe::Info, strip};
use safelight_proto::{
    reason::{CallError, Reason},
    signer::v1::BeginUploadResponse,
};
use sha2::{Digest as _, Sha256};

use super::super::{
    App, Context, error,
    render::{Order, Source, Work},
    results::{Eager, EagerOutput},
    sink::{Held, OutputHead, Sink, Summary},
};
use super::parts;
use crate::{
    admission::{Place, Reserved},
    results,
    transfer::send::SendError,
    upload::Rule,
};

/// A picture that has been decoded to its end, as it will be stored.
pub(super) struct Picture {
    pub(super) bytes: Bytes,
    pub(super) info: Info,
    /// Lower-case hex.
    pub(super) sha256: String,
    /// The same of every part, where it is large enough to be stored in parts.
    pub(super) part_sha256s: Vec<String>,
    pub(super) crc32c: u32,
    pub(super) thumbhash: Vec<u8>,
    /// Variants that were made of it.
    pub(super) eager: Vec<EagerOutput>,
    /// The request's place, and memory of what was made.
    pub(super) _held: (Place, Vec<Arc<Reserved>>),
}

impl App {
    /// Decodes what was received, to its end, and makes what is stored, and of that these variants.
    pub(super) async fn picture(
        &self,
        rule: &Rule,
        terms: &BeginUploadResponse,
        eager: &[String],
        bytes: Bytes,
        place: Place,
        context: &Context,
    ) -> Result<Picture, CallError> {
        let info = self.inspect(bytes.clone().into(), context).await?;
        rule.check(&info)?;
        let media_type = info.format.media_type();
        if rule.variant.is_none() && !is_accepted(&terms.token_content_types, media_type) {
            return Err(
                Reason::UploadTypeRefused.error(format!("{media_type} is not what this upload is for"))
            );
        }

        let eager = self.eager(&rule.origin, eager);
        let preview = Order::new(String::new(), preview::options());
        let variant = rule.variant.as_ref().and_then(|name| self.delivery.variants.get(name));
        let (made, bytes, info, eager) = match variant {
            // Variants are made of what is stored.
            Some(variant) => {
                let stored = Order::new(String::new(), variant.options.clone());
                let mut made = self.make(&bytes, vec![preview, stored], place, context).await?;
                let (_, bytes) = made.outputs.pop().ok_or_else(unmade)?;
                let info = self.inspect(bytes.clone().into(), context).await?;
                let eager = self.possible(eager, &info);
                if !eager.is_empty() {
                    let more =
                        self.make(&bytes, eager.iter().map(order).collect(), made.place, context).await?;
                    made.place = more.place;
                    made.outputs.extend(more.outputs);
                    made.memory.extend(more.memory);
                }
                (made, bytes, info, eager)
            }
            // Variants are made in the same pass.
            None => {
                let eager = self.possible(eager, &info);
                let orders = [preview].into_iter().chain(eager.iter().map(order)).collect();
                (self.make(&bytes, orders, place, context).await?, bytes, info, eager)
            }
        };
        let Made { outputs, memory, place } = made;
        let mut outputs = outputs.into_iter();
        let (_, preview) = outputs.next().ok_or_else(unmade)?;
        let eager = eager.into_iter().zip(outputs).map(|(eager, (head, bytes))| {
            let OutputHead { format, size, length, crc32c, .. } = head;
            EagerOutput { eager, picture: results::Picture { format, size, length, crc32c }, bytes }
        });
        let eager = eager.collect();
        let (keep, format) = (rule.metadata, info.format);
        let job = move || {
            let bytes = match strip::strip(&bytes, format, keep)? {
                Cow::Borrowed(_) => bytes,
                Cow::Owned(stripped) => stripped.into(),
            };
            let sha256 = hex::encode(Sha256::digest(&bytes));
            Ok((sha256, parts::sha256s(&bytes), crc32c::crc32c(&bytes), preview::thumbhash(&preview)?, bytes))
        };
        let job = self.admission.start(context.deadline, job).await.map_err(error::rejected)?;
        let done = job.finish().await.map_err(error::rejected)?;
        let (sha256, part_sha256s, crc32c, thumbhash, bytes) = done.map_err(error::image)?;
        let mut info = info;
        info.bytes = bytes.len() as u64;
        Ok(Picture { bytes, info, sha256, part_sha256s, crc32c, thumbhash, eager, _held: (place, memory) })
    }

    /// Those variants that this picture allows. The others are refused when they are asked for.
    fn possible(&self, mut eager: Vec<Eager>, info: &Info) -> Vec<Eager> {
        eager.retain(|Eager { options, viewer, .. }| {
            plan::plan(info.size(), options, &viewer.bounds, &self.limits).is_ok()
        });
        eager
    }

    /// Makes outputs and keeps them, in the order of the orders.
    async fn make(
        &self,
        bytes: &Bytes,
        orders: Vec<Order>,
        place: Place,
        context: &Context,
    ) -> Result<Made, CallError> {
        let source = Source {
            bytes: bytes.clone().into(),
            // The memory of the bytes is held by who received them: they are needed until they are stored.
            reserved: self.admission.upload(),
            place,
            receive: Duration::ZERO,
            signer: None,
        };
        let work = Work { source, orders, accepts: Accepts::default(), bounds: Vec::new() };
        let mut kept = Kept::default();
        self.render(work, context, &mut kept).await?;
        let Kept { mut outputs, held } = kept;
        let Held { memory, place } = held.ok_or_else(unmade)?;
        outputs.sort_by_key(|(head, _)| head.index);
        Ok(Made { outputs, memory: vec![memory], place })
    }
}

/// Outputs that were made.
struct Made {
    outputs: Vec<(OutputHead, Bytes)>,
    memory: Vec<Arc<Reserved>>,
    place: Place,
}

fn order(eager: &Eager) -> Order {
    let Eager { options, viewer, .. } = eager.clone();
    Order { id: String::new(), options, viewer: Some(viewer) }
}

fn unmade() -> CallError {
    Reason::Internal.error("the picture could not be made")
}

/// Whether a media type is one of these, or of a kind such as `image/*`. None means any.
fn is_accepted(types: &[String], media_type: &str) -> bool {
    let (kind, _) = media_type.split_once('/').unwrap_or_default();
    let matches = |wanted: &String| wanted == media_type || wanted.strip_suffix("/*") == Some(kind);
    types.is_empty() || types.iter().any(matches)
}

/// A sink that keeps all outputs.
#[derive(Default)]
struct Kept {
    outputs: Vec<(OutputHead, Bytes)>,
    held: Option<Held>,
}

impl Sink for Kept {
    async fn head(&mut self, head: OutputHead) -> Result<(), SendError> {
        self.outputs.push((head, Bytes::new()));
        Ok(())
    }

    async fn bytes(&mut self, bytes: Bytes) -> Result<(), SendError> {
        if let Some((_, last)) = self.outputs.last_mut() {
            *last = bytes;
        }
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
