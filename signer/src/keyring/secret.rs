//! Reads a secret file.

use std::{fs::File, io::Read, os::unix::fs::PermissionsExt, path::Path};

use zeroize::Zeroizing;

/// Largest secret file, in bytes. Secrets are below 100; AWS session tokens can reach some thousands.
pub const MAX_SECRET_BYTES: usize = 16 * 1024;

/// Permissions that a secret file must not have: any for others, and writing for the group. Reading by the group is
/// how Kubernetes hands a mounted Secret to a process that is not root (`fsGroup`, mode 0440).
const FORBIDDEN: u32 = 0o027;

/// The part of [`FORBIDDEN`] that stays forbidden when secrets may be readable: who can write a key can forge.
const FORBIDDEN_ALWAYS: u32 = 0o022;

/// Why a secret file was not taken. Never says what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("cannot be read: {0}")]
    Unreadable(std::io::ErrorKind),
    #[error("is not a regular file")]
    NotAFile,
    #[error(
        "can be read or written by others (mode {0:04o}): make it 0400 or 0440, or set allow_readable_secrets"
    )]
    Readable(u32),
    #[error("can be written by others than its owner (mode {0:04o}): make it 0400 or 0440")]
    Writable(u32),
    #[error("is empty")]
    Empty,
    #[error("is larger than 16 KiB")]
    TooLarge,
    #[error("holds something other than printable ASCII")]
    NotText,
    #[error("is sealed, and there is no key_encryption_key_file")]
    SealedWithoutKey,
    #[error("is sealed, but cut off or damaged")]
    SealMalformed,
    #[error(
        "does not open: it was sealed with another key-encryption key, or for another key, version, scheme, algorithm or \
         option, or it is damaged"
    )]
    SealBroken,
}

/// The content of a secret file, without one newline (`\n` or `\r\n`) at its end, which editors and `echo` add.
/// Anything else, spaces and further newlines included, is part of the secret.
pub(super) fn read(path: &Path, allow_readable: bool) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let file = open(path)?;
    // Of the open file, so that it is the one that is read.
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & FORBIDDEN_ALWAYS != 0 {
        return Err(SecretError::Writable(mode));
    }
    if mode & FORBIDDEN != 0 && !allow_readable {
        return Err(SecretError::Readable(mode));
    }
    content(file)
}

/// As [`read()`], where the content goes into HTTP headers.
#[cfg(feature = "postgres")]
pub(crate) fn read_text(path: &Path, allow_readable: bool) -> Result<Zeroizing<String>, SecretError> {
    text(&read(path, allow_readable)?)
}

/// For whoever is not a ring: the error in words.
pub(crate) fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    read(path, false).map_err(|error| error.to_string())
}

/// Public text from a file, such as an access key id mounted beside its secret. Anyone may read it.
pub(super) fn read_public(path: &Path) -> Result<Zeroizing<String>, SecretError> {
    text(&content(open(path)?)?)
}

fn open(path: &Path) -> Result<File, SecretError> {
    // Looked at first, for opening a pipe waits for whoever writes to it; then again, for it may be another by then.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(SecretError::NotAFile);
    }
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_file() { Ok(file) } else { Err(SecretError::NotAFile) }
}

fn content(file: File) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    // Allocated once: growing would leave copies behind that nobody wipes.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES + 1));
    file.take(MAX_SECRET_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_SECRET_BYTES {
        return Err(SecretError::TooLarge);
    }
    let newline = if bytes.ends_with(b"\r\n") { 2 } else { usize::from(bytes.ends_with(b"\n")) };
    let length = bytes.len() - newline;
    bytes.truncate(length);
    if bytes.is_empty() { Err(SecretError::Empty) } else { Ok(bytes) }
}

/// As text that can go into HTTP headers.
pub(super) fn text(bytes: &[u8]) -> Result<Zeroizing<String>, SecretError> {
    let printable = bytes.iter().all(u8::is_ascii_graphic);
    match str::from_utf8(bytes) {
        Ok(text) if printable => Ok(Zeroizing::new(text.to_owned())),
        _ => Err(SecretError::NotText),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreadable(error: std::io::Error) -> SecretError {
    SecretError::Unreadable(error.kind())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn file(content: &[u8], mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (directory, path)
    }

    #[test]
    fn exactly_one_newline_is_stripped() {
        for (content, secret) in [
            (&b"abc"[..], &b"abc"[..]),
            (b"abc\n", b"abc"),
            (b"abc\r\n", b"abc"),
            (b"abc\n\n", b"abc\n"),
            (b"abc\r\n\n", b"abc\r\n"),
            (b"abc\r", b"abc\r"),
            (b" abc \n", b" abc "),
            (b"\x00\xff", b"\x00\xff"),
        ] {
            let (_directory, path) = file(content, 0o400);
            assert_eq!(read(&path, false).unwrap().as_slice(), secret, "{content:?}");
        }
        for content in [&b""[..], b"\n", b"\r\n"] {
            let (_directory, path) = file(content, 0o400);
            assert_eq!(read(&path, false), Err(SecretError::Empty), "{content:?}");
        }
    }

    #[test]
    fn permissions() {
        for (mode, strict, allowed) in [
            (0o400, None, None),
            (0o600, None, None),
            (0o440, None, None),
            (0o640, None, None),
            (0o444, Some(SecretError::Readable(0o444)), None),
            (0o644, Some(SecretError::Readable(0o644)), None),
            (0o401, Some(SecretError::Readable(0o401)), None),
            (0o620, Some(SecretError::Writable(0o620)), Some(SecretError::Writable(0o620))),
            (0o666, Some(SecretError::Writable(0o666)), Some(SecretError::Writable(0o666))),
        ] {
            let (_directory, path) = file(b"abc", mode);
            assert_eq!(read(&path, false).err(), strict, "{mode:o}");
            assert_eq!(read(&path, true).err(), allowed, "{mode:o}");
        }
    }

    #[test]
    fn the_file_behind_a_link_counts_as_in_kubernetes() {
        let (directory, path) = file(b"abc", 0o644);
        let link = directory.path().join("link");
        symlink(&path, &link).unwrap();
        assert_eq!(read(&link, false), Err(SecretError::Readable(0o644)));
        assert_eq!(read_public(&link).unwrap().as_str(), "abc");
    }

    #[test]
    fn what_is_not_a_secret_is_refused() {
        let (directory, path) = file(&[b'a'; MAX_SECRET_BYTES + 1], 0o400);
        assert_eq!(read(&path, false), Err(SecretError::TooLarge));
        assert_eq!(read(directory.path(), false), Err(SecretError::NotAFile));
        let pipe = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(read(&pipe, false), Err(SecretError::NotAFile), "and not waited for");
        let missing = directory.path().join("missing");
        assert_eq!(read(&missing, false), Err(SecretError::Unreadable(std::io::ErrorKind::NotFound)));
        for content in [&b"a b"[..], b"a\n\n", "é".as_bytes(), b"\xff"] {
            let (_directory, path) = file(content, 0o400);
            assert_eq!(text(&read(&path, false).unwrap()), Err(SecretError::NotText), "{content:?}");
        }
    }
}
