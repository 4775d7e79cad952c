//! libjpeg-turbo as it is installed, found at run time: what the figures are compared with.

use libloading::{Library, Symbol};
use std::ffi::{c_int, c_uchar, c_ulong, c_void};

/// TurboJPEG's pixel format of red, green and blue bytes.
const RGB: c_int = 0;
/// TurboJPEG's 4:2:0.
const SAMPLING_420: c_int = 2;
/// `TJXOPT_PROGRESSIVE`.
const PROGRESSIVE: c_int = 32;

/// The loaded library.
pub struct Turbo {
    library: Library,
    decompressor: *mut c_void,
}

/// `tjtransform`.
#[repr(C)]
struct Transform {
    region: [c_int; 4],
    operation: c_int,
    options: c_int,
    data: *mut c_void,
    filter: *mut c_void,
}

impl Turbo {
    /// Loads it; `None` where it is not installed.
    pub fn load() -> Option<Self> {
        ["libturbojpeg.so.0", "libturbojpeg.so", "libturbojpeg.dylib"].iter().find_map(|name| {
            // SAFETY: TurboJPEG's initialisers only set up its own dispatch tables.
            let library = unsafe { Library::new(*name) }.ok()?;
            // SAFETY: the function's type is as turbojpeg.h declares it.
            let decompressor = unsafe {
                let init: Symbol<'_, unsafe extern "C" fn() -> *mut c_void> =
                    library.get(b"tjInitDecompress\0").ok()?;
                init()
            };
            Some(Self { library, decompressor })
        })
    }

    /// The library itself.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// Decodes into RGB rows without gaps.
    pub fn decode(&self, file: &[u8], width: u32, height: u32, out: &mut [u8]) {
        type Decompress = unsafe extern "C" fn(
            *mut c_void,
            *const c_uchar,
            c_ulong,
            *mut c_uchar,
            c_int,
            c_int,
            c_int,
            c_int,
            c_int,
        ) -> c_int;
        assert!(out.len() >= width as usize * height as usize * 3);
        // SAFETY: the type is turbojpeg.h's; the library writes height rows of 3 × width bytes, which fit.
        let status = unsafe {
            let call: Symbol<'_, Decompress> = self.library.get(b"tjDecompress2\0").expect("tjDecompress2");
            call(
                self.decompressor,
                file.as_ptr(),
                file.len() as c_ulong,
                out.as_mut_ptr(),
                width as c_int,
                width as c_int * 3,
                height as c_int,
                RGB,
                0,
            )
        };
        assert_eq!(status, 0, "libjpeg-turbo refuses the file");
    }

    /// Encodes RGB rows as 4:2:0 with the standard tables.
    pub fn encode(&self, pixels: &[u8], width: u32, height: u32, quality: i32) -> Vec<u8> {
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
        assert!(pixels.len() >= width as usize * height as usize * 3);
        // SAFETY: types are turbojpeg.h's; the library allocates the output, which is copied and given back.
        unsafe {
            let init: Symbol<'_, unsafe extern "C" fn() -> *mut c_void> =
                self.library.get(b"tjInitCompress\0").expect("tjInitCompress");
            let handle = init();
            let call: Symbol<'_, Compress> = self.library.get(b"tjCompress2\0").expect("tjCompress2");
            let (mut out, mut size) = (std::ptr::null_mut(), 0);
            let status = call(
                handle,
                pixels.as_ptr(),
                width as c_int,
                0,
                height as c_int,
                RGB,
                &raw mut out,
                &raw mut size,
                SAMPLING_420,
                quality,
                0,
            );
            assert_eq!(status, 0, "libjpeg-turbo does not encode");
            self.take(handle, out, size)
        }
    }

    /// The same picture as a progressive file, with libjpeg's own scans.
    pub fn progressive(&self, file: &[u8]) -> Vec<u8> {
        type Convert = unsafe extern "C" fn(
            *mut c_void,
            *const c_uchar,
            c_ulong,
            c_int,
            *mut *mut c_uchar,
            *mut c_ulong,
            *mut Transform,
            c_int,
        ) -> c_int;
        let mut transform = Transform {
            region: [0; 4],
            operation: 0,
            options: PROGRESSIVE,
            data: std::ptr::null_mut(),
            filter: std::ptr::null_mut(),
        };
        // SAFETY: as in `encode`.
        unsafe {
            let init: Symbol<'_, unsafe extern "C" fn() -> *mut c_void> =
                self.library.get(b"tjInitTransform\0").expect("tjInitTransform");
            let handle = init();
            let call: Symbol<'_, Convert> = self.library.get(b"tjTransform\0").expect("tjTransform");
            let (mut out, mut size) = (std::ptr::null_mut(), 0);
            let status = call(
                handle,
                file.as_ptr(),
                file.len() as c_ulong,
                1,
                &raw mut out,
                &raw mut size,
                &raw mut transform,
                0,
            );
            assert_eq!(status, 0, "libjpeg-turbo does not transform");
            self.take(handle, out, size)
        }
    }

    /// Copies what the library allocated, and gives it and the handle back.
    ///
    /// # Safety
    /// All three must come from one successful call.
    unsafe fn take(&self, handle: *mut c_void, out: *mut c_uchar, size: c_ulong) -> Vec<u8> {
        // SAFETY: `out` holds `size` bytes; both functions are turbojpeg.h's.
        unsafe {
            let bytes = std::slice::from_raw_parts(out, size as usize).to_vec();
            let free: Symbol<'_, unsafe extern "C" fn(*mut c_uchar)> =
                self.library.get(b"tjFree\0").expect("tjFree");
            free(out);
            let destroy: Symbol<'_, unsafe extern "C" fn(*mut c_void) -> c_int> =
                self.library.get(b"tjDestroy\0").expect("tjDestroy");
            destroy(handle);
            bytes
        }
    }
}
