//! The main job, once: every step is checked, and said in a line.

mod deliver;
mod http;
mod resize;
mod store;
mod upload;

use std::{fs, path::PathBuf};

use bytes::Bytes;
use safelight_chassis::BoxError;
use safelight_local::{Stack, stack::BUCKET};
use safelight_proto::framing::Picture;

use crate::{gallery::Backend, say::Say};

/// What the copy-paste lines and scripts refer to.
pub(crate) struct Shown {
    /// The picture that was sent.
    pub(crate) picture: PathBuf,
    /// Its key at the origin.
    pub(crate) key: String,
    /// A URL of it that is valid for an hour.
    pub(crate) signed_url: String,
    /// A URL of it that needs no signature.
    pub(crate) public_url: String,
    /// Where outputs were written.
    pub(crate) outputs: PathBuf,
}

/// What every step needs.
struct Demo<'a> {
    stack: &'a Stack,
    backend: &'a Backend,
    say: Say,
    /// Where outputs are written.
    outputs: PathBuf,
}

pub(crate) async fn run(
    stack: &Stack,
    backend: &Backend,
    name: &str,
    picture: Bytes,
    say: Say,
) -> Result<Shown, BoxError> {
    let outputs = stack.dir().join("outputs");
    fs::create_dir_all(&outputs)?;
    // In a folder of its own: its name may be one that is taken.
    let pictures = stack.dir().join("pictures");
    fs::create_dir_all(&pictures)?;
    let source = pictures.join(name);
    fs::write(&source, &picture)?;
    let key = format!("originals/{name}");
    stack.s3.put(BUCKET, &key, picture.clone()).await?;

    let demo = Demo { stack, backend, say, outputs };
    demo.upload().await?;
    demo.resize(picture.clone(), &key).await?;
    let base = demo.base(&key)?;
    let expiring = demo.expiring(&base).await?;
    demo.deliver(&base).await?;
    let signed_url = demo.http(&base).await?;
    demo.store(&picture).await?;
    demo.expired(expiring).await?;
    let public_url = format!("{base}/{PUBLIC}");
    Ok(Shown { picture: source, key, signed_url, public_url, outputs: demo.outputs })
}

/// The variant that is shown, and needs a signature.
const PRIVATE: &str = "card";
/// The variant that needs none.
const PUBLIC: &str = "thumbnail";

impl Demo<'_> {
    /// The picture's URL, as far as its variant: on the HTTP port. Hosts are not signed.
    fn base(&self, key: &str) -> Result<String, BoxError> {
        let address = self.stack.resizer.http().ok_or("the stack must have an HTTP port")?;
        let key = safelight_resizer::origin::key::encode(key).map_err(|error| error.to_string())?;
        Ok(format!("http://{address}/local/{key}"))
    }

    /// Has a URL signed for so many seconds.
    async fn sign(&self, url: &str, seconds: i64) -> Result<String, BoxError> {
        self.backend.sign(url, seconds).await
    }

    /// Keeps an output as a file.
    fn write(&self, picture: &Picture, name: &str) -> Result<(), BoxError> {
        let header = &picture.header;
        let extension = header.content_type.strip_prefix("image/").unwrap_or("bin");
        let path = self.outputs.join(format!("{name}.{extension}"));
        fs::write(&path, &picture.bytes)?;
        let (width, height) = (header.width, header.height);
        let (media_type, size) = (&header.content_type, header.size);
        self.say.step(name, format!("{width}×{height} {media_type}, {size} bytes: {}", path.display()));
        Ok(())
    }
}

fn ensure(holds: bool, otherwise: &str) -> Result<(), BoxError> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}
