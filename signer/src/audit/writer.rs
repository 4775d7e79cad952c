//! The thread that writes records.
//!
//! Whoever needs a record waits for it; meanwhile others queue, and all that have queued are written and synchronised at
//! once (group commit). After a failure the file may end in half a record: it is cut back to the last whole one
//! before anything is written again, so that the chain goes on.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread::{self, JoinHandle},
};

use hmac::Hmac;
use sha2::Sha256;
use tokio::sync::oneshot;

use super::{Entry, Event, OpenError, Settings, Unavailable, chain::Head};

/// Records that may wait. A call that finds the queue full is refused rather than made to wait.
const QUEUE: usize = 4096;

/// Most records in one write.
const BATCH: usize = 1024;

/// Longest line that a file may end in, in bytes: a record is far shorter.
const MAX_LINE: u64 = 64 * 1024;

/// A record that waits, and who waits for it.
struct Waiting {
    line: String,
    done: Option<oneshot::Sender<()>>,
}

/// A handle to the thread. Dropping it waits until the trail is closed.
pub(super) struct Writer {
    /// `None` only while it is dropped.
    queue: Option<SyncSender<Waiting>>,
    handle: Option<JoinHandle<()>>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(handle) = self.handle.take() {
            // A panic of the thread has been logged.
            _ = handle.join();
        }
    }
}

impl Writer {
    pub(super) fn start(settings: &Settings) -> Result<Self, OpenError> {
        let mac = settings.mac(b"chain");
        let (out, head) = match &settings.path {
            None => (Out::Stdout, Head::start()),
            Some(path) => open(path, &mac)?,
        };
        let (sender, receiver) = sync_channel(QUEUE);
        let opened = Entry::new(Event::Open).into_line(|_| String::new());
        let mut log = Log { out, head, mac, failed: false };
        // The first record shows at the start whether the sink can be written.
        log.write(&[Waiting { line: opened, done: None }])?;
        let handle = thread::Builder::new().name("audit".to_owned()).spawn(move || log.run(&receiver))?;
        Ok(Self { queue: Some(sender), handle: Some(handle) })
    }

    fn push(&self, waiting: Waiting) -> Result<(), TrySendError<Waiting>> {
        match &self.queue {
            Some(queue) => queue.try_send(waiting),
            None => Err(TrySendError::Disconnected(waiting)),
        }
    }

    /// Returns when the record is in the sink.
    pub(super) async fn commit(&self, line: String) -> Result<(), Unavailable> {
        let (done, written) = oneshot::channel();
        self.push(Waiting { line, done: Some(done) }).map_err(|_| Unavailable)?;
        written.await.map_err(|_| Unavailable)
    }

    /// Does not wait.
    pub(super) fn offer(&self, line: String) {
        match self.push(Waiting { line, done: None }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => tracing::warn!("an audit record was dropped: too many wait"),
            Err(TrySendError::Disconnected(_)) => {}
        }
    }
}

enum Out {
    Stdout,
    File {
        file: File,
        /// Bytes of whole records that are synchronised.
        length: u64,
    },
}

struct Log {
    out: Out,
    head: Head,
    mac: Hmac<Sha256>,
    /// Whether the last write failed: logged once, not for each record.
    failed: bool,
}

impl Log {
    fn run(mut self, receiver: &Receiver<Waiting>) {
        while let Ok(first) = receiver.recv() {
            let mut batch = vec![first];
            batch.extend(receiver.try_iter().take(BATCH - 1));
            match self.write(&batch) {
                Ok(()) => {
                    self.failed = false;
                    for done in batch.into_iter().filter_map(|waiting| waiting.done) {
                        // Whoever waited has gone: the record stays.
                        _ = done.send(());
                    }
                }
                // Dropping the batch tells those who wait.
                Err(error) if self.failed => tracing::debug!(%error, "audit records not written"),
                Err(error) => {
                    self.failed = true;
                    tracing::error!(%error, "audit records not written");
                }
            }
        }
        let closed = Entry::new(Event::Close).into_line(|_| String::new());
        if let Err(error) = self.write(&[Waiting { line: closed, done: None }]) {
            tracing::error!(%error, "the audit trail was not closed");
        }
    }

    fn write(&mut self, batch: &[Waiting]) -> io::Result<()> {
        let (mut head, mut text) = (self.head.clone(), String::new());
        for waiting in batch {
            head.tie(&self.mac, &waiting.line, &mut text);
        }
        match &mut self.out {
            Out::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes())?;
                out.flush()?;
            }
            Out::File { file, length } => {
                // Whatever an earlier write left behind the last whole record.
                if file.metadata()?.len() != *length {
                    file.set_len(*length)?;
                    file.seek(SeekFrom::Start(*length))?;
                }
                file.write_all(text.as_bytes())?;
                file.sync_data()?;
                *length += text.len() as u64;
            }
        }
        self.head = head;
        Ok(())
    }
}

/// Opens a file to go on with its chain. Half a record at its end is cut off: nobody was answered by it.
fn open(path: &Path, mac: &Hmac<Sha256>) -> Result<(Out, Head), OpenError> {
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o640).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::Locked),
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    let bytes = file.metadata()?.len();
    let from = bytes.saturating_sub(MAX_LINE);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if whole == 0 && from > 0 {
        return Err(OpenError::Broken);
    }
    let length = from + whole as u64;
    let head = match tail.get(..whole).and_then(<[u8]>::split_last) {
        None => Head::start(),
        Some((_, lines)) => {
            let last = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
            let last = std::str::from_utf8(last).map_err(|_| OpenError::Broken)?;
            Head::of_last(mac, last).map_err(|_| OpenError::Broken)?
        }
    };
    file.set_len(length)?;
    file.seek(SeekFrom::Start(length))?;
    file.sync_data()?;
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        // So that the file itself outlives a crash.
        File::open(directory)?.sync_data()?;
    }
    Ok((Out::File { file, length }, head))
}
