//! The one place that calls libwebp (C). Everything unsafe is here; what callers see is safe for any arguments.

#![expect(unsafe_code, reason = "libwebp is a C library; `image` cannot write lossy WebP")]

use std::{ffi::c_int, ptr, slice};

use libwebp_sys::{
    WEBP_MAX_DIMENSION, WebPConfig, WebPConfigLosslessPreset, WebPEncode, WebPMemoryWrite, WebPMemoryWriter,
    WebPMemoryWriterClear, WebPMemoryWriterInit, WebPPicture, WebPPictureFree, WebPPictureImportRGB,
    WebPPictureImportRGBA, WebPPreset, WebPValidateConfig,
};

use crate::cancel::Cancel;

/// Effort of lossless compression, 0 (fast) to 9.
const LOSSLESS_LEVEL: c_int = 3;

/// How a picture is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mode {
    /// With loss, quality 0 to 100.
    Lossy(u8),
    /// Without loss.
    Lossless,
}

/// Interleaved RGB or RGBA pixels whose buffer is known to be as long as its size says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Picture<'a> {
    data: &'a [u8],
    width: c_int,
    height: c_int,
    stride: c_int,
    has_alpha: bool,
}

impl<'a> Picture<'a> {
    /// `None` if a side is 0 or longer than libwebp's limit, or `data` is not exactly the pixels.
    pub(super) fn new(data: &'a [u8], width: u32, height: u32, has_alpha: bool) -> Option<Self> {
        let sides = 1..=WEBP_MAX_DIMENSION;
        if !sides.contains(&width) || !sides.contains(&height) {
            return None;
        }
        let stride = width * if has_alpha { 4 } else { 3 };
        if u64::try_from(data.len()).ok()? != u64::from(stride) * u64::from(height) {
            return None;
        }
        Some(Self {
            data,
            width: c_int::try_from(width).ok()?,
            height: c_int::try_from(height).ok()?,
            stride: c_int::try_from(stride).ok()?,
            has_alpha,
        })
    }
}

/// Encodes a picture. `None` means that `cancel` said so, or that libwebp refused, which for a valid picture only happens
/// when memory is short.
pub(super) fn encode(picture: &Picture<'_>, mode: Mode, cancel: &Cancel) -> Option<Vec<u8>> {
    let config = config(mode)?;
    let mut output = Output::new();
    let mut frame = Frame::new()?;
    frame.0.use_argb = c_int::from(matches!(mode, Mode::Lossless));
    frame.0.width = picture.width;
    frame.0.height = picture.height;
    let import = if picture.has_alpha { WebPPictureImportRGBA } else { WebPPictureImportRGB };
    // SAFETY: `frame.0` is an initialised picture with width and height set, as the import functions ask. They read
    // `height` rows of `width` pixels of 3 or 4 bytes, `stride` bytes apart, from `data`, which `Picture::new` has shown
    // to be exactly height * stride bytes long; they do not keep the pointer.
    if unsafe { import(&raw mut frame.0, picture.data.as_ptr(), picture.stride) } == 0 {
        return None;
    }
    frame.0.writer = Some(WebPMemoryWrite);
    frame.0.custom_ptr = (&raw mut output.0).cast();
    frame.0.progress_hook = Some(still_wanted);
    frame.0.user_data = ptr::from_ref(cancel).cast_mut().cast();
    // SAFETY: both structs are initialised. `WebPMemoryWrite` expects `custom_ptr` to be an initialised memory writer,
    // which `output.0` is; it lives until after the call, does not move, and nothing else touches it meanwhile.
    // `still_wanted` expects `user_data` to be a `Cancel`, which `cancel` is; it is borrowed until after the call.
    let done = unsafe { WebPEncode(&raw const config, &raw mut frame.0) } != 0;
    // The pointers are of no use to anyone after the call.
    frame.0.custom_ptr = ptr::null_mut();
    frame.0.user_data = ptr::null_mut();
    done.then(|| output.bytes().to_vec())
}

/// libwebp's question between parts of its work: 0 ends it. Lossless pictures of many megapixels take seconds.
unsafe extern "C" fn still_wanted(_percent: c_int, picture: *const WebPPicture) -> c_int {
    // SAFETY: libwebp hands over the picture that it is encoding; `encode` has set its `user_data` to a `Cancel` that
    // outlives the call, and nobody writes to either.
    let cancel = unsafe { (*picture).user_data.cast::<Cancel>().as_ref() };
    c_int::from(cancel.is_none_or(|cancel| cancel.check().is_ok()))
}

fn config(mode: Mode) -> Option<WebPConfig> {
    let mut config = match mode {
        Mode::Lossy(quality) => {
            WebPConfig::new_with_preset(WebPPreset::WEBP_PRESET_DEFAULT, f32::from(quality)).ok()?
        }
        Mode::Lossless => WebPConfig::new().ok()?,
    };
    if matches!(mode, Mode::Lossless) {
        // SAFETY: the config is initialised; the function writes plain fields of it.
        if unsafe { WebPConfigLosslessPreset(&raw mut config, LOSSLESS_LEVEL) } == 0 {
            return None;
        }
    }
    // SAFETY: the config is initialised and only read.
    (unsafe { WebPValidateConfig(&raw const config) } != 0).then_some(config)
}

/// A libwebp picture, freed when dropped.
struct Frame(WebPPicture);

impl Frame {
    fn new() -> Option<Self> {
        WebPPicture::new().ok().map(Self)
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        // SAFETY: the picture is initialised; freeing it frees the buffers that libwebp itself has put in (or none),
        // and runs once.
        unsafe { WebPPictureFree(&raw mut self.0) }
    }
}

/// libwebp's growing output buffer, freed when dropped.
struct Output(WebPMemoryWriter);

impl Output {
    fn new() -> Self {
        let mut writer = WebPMemoryWriter { mem: ptr::null_mut(), size: 0, max_size: 0, pad: [0] };
        // SAFETY: a valid pointer to a writer, whose fields it sets.
        unsafe { WebPMemoryWriterInit(&raw mut writer) };
        Self(writer)
    }

    fn bytes(&self) -> &[u8] {
        if self.0.mem.is_null() {
            return &[];
        }
        // SAFETY: libwebp has written `size` bytes to the allocation at `mem`, which is not null and lives as long as
        // `self`, which is borrowed.
        unsafe { slice::from_raw_parts(self.0.mem, self.0.size) }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // SAFETY: the writer is initialised; its memory is libwebp's or null, and this runs once.
        unsafe { WebPMemoryWriterClear(&raw mut self.0) }
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "test pictures of known sizes")]
mod tests;
