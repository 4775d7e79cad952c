//! libjpeg-turbo's compressor.

use crate::pixels::Pixels;
use libloading::{Library, Symbol};
use safelight_jpeg::encode::{PixelLayout, Process, Sampling, Settings};
use std::ffi::{c_int, c_uchar, c_ulong, c_void};

/// `TJFLAG_NOREALLOC | TJFLAG_ACCURATEDCT`: our buffer, and libjpeg's own default transform at every quality.
const FLAGS: c_int = 1024 | 4096;
/// `TJFLAG_PROGRESSIVE`.
const PROGRESSIVE: c_int = 16_384;

type Compress = unsafe extern "C" fn(
    *mut c_void,
    *const c_uchar,
    c_int,
    c_int,
    c_int,
    c_int,
    *mut *mut c_uchar,
    *mut c_ulong,
    c_int,
    c_int,
    c_int,
) -> c_int;

/// libjpeg-turbo's compressor with room for any result.
pub struct Peer<'a> {
    handle: *mut c_void,
    call: Symbol<'a, Compress>,
    /// The file that was encoded last stands at its start.
    pub room: Vec<u8>,
}

impl<'a> Peer<'a> {
    /// For pictures of this size.
    pub fn new(library: &'a Library, pixels: &Pixels) -> Self {
        // SAFETY: the functions' types are as turbojpeg.h declares them.
        unsafe {
            let init: Symbol<'_, unsafe extern "C" fn() -> *mut c_void> =
                library.get(b"tjInitCompress\0").expect("tjInitCompress");
            let size: Symbol<'_, unsafe extern "C" fn(c_int, c_int, c_int) -> c_ulong> =
                library.get(b"tjBufSize\0").expect("tjBufSize");
            let room = vec![0; size(pixels.width as c_int, pixels.height as c_int, 0) as usize];
            Self { handle: init(), call: library.get(b"tjCompress2\0").expect("tjCompress2"), room }
        }
    }

    /// The length of the file, which stands in `room`.
    pub fn encode(&mut self, pixels: &Pixels, settings: &Settings<'_>) -> usize {
        let (format, sampling) = match (pixels.layout, settings.sampling) {
            (PixelLayout::Gray8, _) => (6, 3),
            (_, Sampling::Full) => (0, 0),
            (_, Sampling::Half) => (0, 1),
            (_, Sampling::Quarter) => (0, 2),
        };
        let flags = FLAGS | if settings.process == Process::Progressive { PROGRESSIVE } else { 0 };
        let (mut out, mut length) = (self.room.as_mut_ptr(), self.room.len() as c_ulong);
        // SAFETY: `samples` holds height rows without gaps; `room` is as large as tjBufSize asks for 4:4:4.
        let status = unsafe {
            (self.call)(
                self.handle,
                pixels.samples.as_ptr(),
                pixels.width as c_int,
                0,
                pixels.height as c_int,
                format,
                &raw mut out,
                &raw mut length,
                sampling,
                settings.quality.into(),
                flags,
            )
        };
        assert_eq!(status, 0, "libjpeg-turbo does not encode");
        length as usize
    }
}
