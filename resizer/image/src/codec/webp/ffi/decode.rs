//! Reading with libwebp, piece by piece.

use std::{ffi::c_int, ptr::NonNull, slice};

use libwebp_sys::{
    VP8StatusCode, WEBP_CSP_MODE, WEBP_MAX_DIMENSION, WebPDecoderConfig, WebPIDecGetRGB, WebPIDecGetYUVA,
    WebPIDecode, WebPIDecoder, WebPIDelete, WebPIUpdate, WebPRGBABuffer, WebPYUVABuffer,
};

/// What libwebp writes for each pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Output {
    /// Red, green, blue, interleaved.
    Rgb,
    /// The same and alpha, not premultiplied.
    Rgba,
    /// Three planes as a lossy picture has them: luma, then two of chroma with half the width and height, rounded up.
    /// Not for pictures with alpha, nor lossless ones.
    Yuv,
}

impl Output {
    /// Bytes of a row: of luma, where there are planes.
    const fn stride(self, width: usize) -> usize {
        match self {
            Self::Rgb => width * 3,
            Self::Rgba => width * 4,
            Self::Yuv => width,
        }
    }

    /// Bytes of a whole picture, whose sides are at most [`WEBP_MAX_DIMENSION`].
    pub(in super::super) const fn bytes(self, width: usize, height: usize) -> usize {
        match self {
            Self::Rgb | Self::Rgba => self.stride(width) * height,
            Self::Yuv => width * height + 2 * width.div_ceil(2) * height.div_ceil(2),
        }
    }
}

/// How far a decoder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Progress {
    /// It needs more of the file.
    More,
    /// All rows are there.
    Done,
    /// The data is damaged, or memory is short.
    Failed,
}

/// A picture on its way through libwebp. Results are the same on every machine: no threads, no dithering, and chroma is
/// interpolated as browsers show it.
pub(in super::super) struct Decoder<'d> {
    idec: NonNull<WebPIDecoder>,
    /// Of a `Box`; libwebp holds a pointer to it.
    config: NonNull<WebPDecoderConfig>,
    /// Of a boxed slice of `length` bytes; libwebp writes to it during [`feed`](Self::feed).
    buffer: NonNull<u8>,
    length: usize,
    data: &'d [u8],
    fed: usize,
    output: Output,
    stride: usize,
    height: usize,
    ready: usize,
}

impl<'d> Decoder<'d> {
    /// Makes ready to decode a `VP8 ` or `VP8L` chunk, with the `ALPH` chunk before it if there is one. `None` if a side is
    /// 0 or longer than libwebp's limit, or memory is short. If the picture turns out to have another size, decoding
    /// fails.
    pub(in super::super) fn new(data: &'d [u8], width: u32, height: u32, output: Output) -> Option<Self> {
        let sides = 1..=WEBP_MAX_DIMENSION;
        if !sides.contains(&width) || !sides.contains(&height) {
            return None;
        }
        let mut config = Box::new(WebPDecoderConfig::new().ok()?);
        let (columns, rows) = (usize::try_from(width).ok()?, usize::try_from(height).ok()?);
        let (stride, length) = (output.stride(columns), output.bytes(columns, rows));
        let c_stride = c_int::try_from(stride).ok()?;
        let half = c_int::try_from(columns.div_ceil(2)).ok()?;
        let (luma, chroma) = (columns * rows, columns.div_ceil(2) * rows.div_ceil(2));

        config.output.width = c_int::try_from(width).ok()?;
        config.output.height = c_int::try_from(height).ok()?;
        config.output.is_external_memory = 1;
        config.options.use_threads = 0;
        config.options.dithering_strength = 0;
        config.options.alpha_dithering_strength = 0;
        config.options.no_fancy_upsampling = 0;
        // From here on the two allocations are raw: `Drop` gives them back.
        let start = Box::into_raw(vec![0_u8; length].into_boxed_slice()).cast::<u8>();
        match output {
            Output::Rgb | Output::Rgba => {
                config.output.colorspace =
                    if output == Output::Rgb { WEBP_CSP_MODE::MODE_RGB } else { WEBP_CSP_MODE::MODE_RGBA };
                config.output.u.RGBA = WebPRGBABuffer { rgba: start, stride: c_stride, size: length };
            }
            Output::Yuv => {
                config.output.colorspace = WEBP_CSP_MODE::MODE_YUV;
                config.output.u.YUVA = WebPYUVABuffer {
                    y: start,
                    u: start.wrapping_add(luma),
                    v: start.wrapping_add(luma + chroma),
                    a: std::ptr::null_mut(),
                    y_stride: c_stride,
                    u_stride: half,
                    v_stride: half,
                    a_stride: 0,
                    y_size: luma,
                    u_size: chroma,
                    v_size: chroma,
                    a_size: 0,
                };
            }
        }
        let config = NonNull::from(Box::leak(config));
        // SAFETY: no data is given, which the function allows; `config` is initialised, its output describes memory of
        // ours that is exactly as long as it says, and both outlive the decoder, which is deleted first.
        let idec = NonNull::new(unsafe { WebPIDecode(std::ptr::null(), 0, config.as_ptr()) });
        let Some((idec, buffer)) = idec.zip(NonNull::new(start)) else {
            // SAFETY: both come from boxes given up above, and no decoder holds them.
            unsafe { free(config, start, length) };
            return None;
        };
        Some(Self { idec, config, buffer, length, data, fed: 0, output, stride, height: rows, ready: 0 })
    }

    /// Decodes as far as the first `end` bytes of the data go. It never goes back.
    pub(in super::super) fn feed(&mut self, end: usize) -> Progress {
        self.fed = end.min(self.data.len()).max(self.fed);
        // SAFETY: the decoder is alive; `data` is borrowed for as long, starts at the same place in every call and is at
        // least `fed` bytes long, which never becomes less. libwebp checks the size of the picture against the output
        // buffer before it writes. Nothing of ours is borrowed from that buffer, as `self` is borrowed for change.
        let status = unsafe { WebPIUpdate(self.idec.as_ptr(), self.data.as_ptr(), self.fed) };
        let progress = match status {
            VP8StatusCode::VP8_STATUS_OK => Progress::Done,
            VP8StatusCode::VP8_STATUS_SUSPENDED => Progress::More,
            _ => return Progress::Failed,
        };
        let mut last: c_int = 0;
        let none = || std::ptr::null_mut::<c_int>();
        let plane = || std::ptr::null_mut::<*mut u8>();
        // SAFETY: the decoder is alive. Both functions write the number of finished rows to `last`, and what pointers that
        // may be null would take is not asked for.
        let start = unsafe {
            match self.output {
                Output::Rgb | Output::Rgba => {
                    WebPIDecGetRGB(self.idec.as_ptr(), &raw mut last, none(), none(), none())
                }
                Output::Yuv => WebPIDecGetYUVA(
                    self.idec.as_ptr(),
                    &raw mut last,
                    plane(),
                    plane(),
                    plane(),
                    none(),
                    none(),
                    none(),
                    none(),
                    none(),
                ),
            }
        };
        if start == self.buffer.as_ptr() {
            self.ready = usize::try_from(last).unwrap_or(0).min(self.height).max(self.ready);
        }
        if progress == Progress::Done && self.ready < self.height { Progress::Failed } else { progress }
    }

    /// Rows that are finished. Of chroma half as many, rounded down until all are there.
    pub(in super::super) const fn ready(&self) -> usize {
        self.ready
    }

    /// Interleaved pixels, or luma: the rows from one to another, as far as they are finished.
    pub(in super::super) fn rows(&self, from: usize, to: usize) -> &[u8] {
        let (from, to) = (from.min(self.ready), to.min(self.ready));
        self.bytes().get(from * self.stride..to * self.stride).unwrap_or_default()
    }

    /// A row of a plane of chroma, the first (blue) or second (red); empty if it is not finished.
    pub(in super::super) fn chroma(&self, second: bool, row: usize) -> &[u8] {
        let stride = self.stride.div_ceil(2);
        let rows = self.height.div_ceil(2);
        let ready = if self.ready == self.height { rows } else { self.ready / 2 };
        if self.output != Output::Yuv || row >= ready {
            return &[];
        }
        let start = self.stride * self.height + if second { stride * rows } else { 0 } + row * stride;
        self.bytes().get(start..start + stride).unwrap_or_default()
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the allocation is `length` initialised bytes and lives as long as `self`; libwebp writes to it during
        // `feed` alone, which borrows `self` for change.
        unsafe { slice::from_raw_parts(self.buffer.as_ptr(), self.length) }
    }
}

impl Drop for Decoder<'_> {
    fn drop(&mut self) {
        // SAFETY: the decoder is alive and deleted once, before what it points to. It does not free output that is not its
        // own. Then nobody holds the two allocations.
        unsafe {
            WebPIDelete(self.idec.as_ptr());
            free(self.config, self.buffer.as_ptr(), self.length);
        }
    }
}

/// Gives the two allocations of a decoder back.
///
/// # Safety
/// `config` comes from a `Box`, `buffer` from a boxed slice of `length` bytes, and nobody uses them any more.
unsafe fn free(config: NonNull<WebPDecoderConfig>, buffer: *mut u8, length: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        drop(Box::from_raw(config.as_ptr()));
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(buffer, length)));
    }
}

#[cfg(test)]
mod tests;
