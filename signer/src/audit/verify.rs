//! Checks an audit file, as `safelight-signer audit verify FILE` does.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use super::chain::Head;

/// Longest line that is read, in bytes.
const MAX_LINE: u64 = 64 * 1024;

/// What was found in a file whose chain holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many records there are.
    pub records: u64,
    /// The hash of the last one, to be noted elsewhere; 64 zeros if there is none.
    pub head: String,
    /// Whether the signer that wrote the last record stopped in order. Otherwise it is running, was killed, or records were cut
    /// off at the end.
    pub closed: bool,
}

/// Why a file is not to be trusted.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A record does not fit the chain.
    #[error("record {record}: {what}")]
    Record {
        /// Its place in the file, from 1.
        record: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The chain holds, and does not hold the hash that was noted.
    #[error("no record has the noted hash: records were cut off, or it is another file")]
    HeadMissing,
}

/// Checks the chain of the file at `path` under the audit key; and, if a hash was noted earlier, that it is in there.
///
/// # Errors
/// The first fault.
pub fn verify(path: &Path, key: &[u8], noted: Option<&str>) -> Result<Report, Fault> {
    let mac = super::mac(key, b"chain");
    let mut lines = BufReader::new(File::open(path)?);
    let mut head = Head::start();
    let mut line = Vec::new();
    let mut found = noted.is_none();
    let mut closed = false;
    loop {
        line.clear();
        lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            break;
        }
        let fault = |what| Fault::Record { record: head.sequence + 1, what };
        let text = line.strip_suffix(b"\n").ok_or_else(|| fault("it is cut off"))?;
        let text = std::str::from_utf8(text).map_err(|_| fault("it is no record"))?;
        let mut next = head.clone();
        next.follow(&mac, text).map_err(fault)?;
        head = next;
        found |= noted == Some(head.hash.as_str());
        closed = text.contains("\"event\":\"close\"");
    }
    if found {
        Ok(Report { records: head.sequence, head: head.hash, closed })
    } else {
        Err(Fault::HeadMissing)
    }
}
