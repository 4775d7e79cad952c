//! Other people's decoders: libjpeg-turbo's `djpeg` and the `image` crate.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Decodes with the `image` crate to 8-bit RGB, or gray for files of one component.
pub(crate) fn with_image(file: &[u8]) -> (u32, u32, Vec<u8>) {
    let picture = image::load_from_memory_with_format(file, image::ImageFormat::Jpeg).unwrap();
    (picture.width(), picture.height(), picture.into_bytes())
}

/// Decodes with libjpeg-turbo; none if it is not installed, which only CI does not forgive.
pub(crate) fn with_djpeg(file: &[u8]) -> Option<(u32, u32, Vec<u8>)> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("safelight-jpeg-{}-{}.jpg", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path: PathBuf = std::env::temp_dir().join(name);
    std::fs::write(&path, file).unwrap();
    let output = Command::new("djpeg").arg("-pnm").arg(&path).output();
    std::fs::remove_file(&path).unwrap();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "djpeg: {error}");
            eprintln!("SKIPPED: no djpeg ({error}); apt-get install libjpeg-turbo-progs");
            return None;
        }
    };
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "djpeg says {complaints}");
    // "P6\nwidth height\n255\n", then samples.
    let mut parts = output.stdout.splitn(4, |&byte| byte == b'\n');
    let (_magic, size) = (parts.next().unwrap(), String::from_utf8(parts.next().unwrap().to_vec()).unwrap());
    let (width, height) = size.split_once(' ').unwrap();
    assert_eq!(parts.next(), Some(&b"255"[..]));
    Some((width.parse().unwrap(), height.parse().unwrap(), parts.next().unwrap().to_vec()))
}

/// Decodes with both, which must agree but for rounding and the way chroma is spread, and gives libjpeg-turbo's
/// samples if there are any.
pub(crate) fn with_both(file: &[u8]) -> (u32, u32, Vec<u8>) {
    let ours = with_image(file);
    match with_djpeg(file) {
        Some(theirs) => {
            assert_eq!((ours.0, ours.1), (theirs.0, theirs.1));
            let agreement = super::pictures::psnr(&ours.2, &theirs.2);
            assert!(agreement > 30.0, "image and djpeg differ: {agreement} dB");
            theirs
        }
        None => ours,
    }
}
