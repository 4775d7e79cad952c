use std::sync::{
    Arc,
    atomic::{AtomicI32, AtomicU32, Ordering},
};

use redb::StorageBackend;

use super::*;
use crate::upload::{State, machine::EventKind, record::Details};

const ENOSPC: i32 = 28;
const EIO: i32 = 5;

/// A file whose writes and fsyncs fail, after so many of them, with an error of the system's.
#[derive(Debug)]
struct Faulty {
    file: FileBackend,
    faults: Arc<Faults>,
}

#[derive(Debug, Default)]
struct Faults {
    errno: AtomicI32,
    after: AtomicU32,
}

impl Faulty {
    fn fault(&self) -> io::Result<()> {
        let errno = self.faults.errno.load(Ordering::SeqCst);
        let due = |left: u32| left.checked_sub(1);
        if errno == 0 || self.faults.after.fetch_update(Ordering::SeqCst, Ordering::SeqCst, due).is_ok() {
            return Ok(());
        }
        Err(io::Error::from_raw_os_error(errno))
    }
}

impl StorageBackend for Faulty {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.fault()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.fault()?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.fault()?;
        self.file.write(offset, data)
    }
}

fn faulty(path: &Path, faults: &Arc<Faults>) -> EmbeddedStore {
    let (path, faults) = (path.to_owned(), Arc::clone(faults));
    EmbeddedStore::with(Box::new(move || {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).unwrap();
        let file = Faulty { file: FileBackend::new(file).unwrap(), faults: Arc::clone(&faults) };
        redb::Builder::new().create_with_backend(file).map_err(|error| OpenError::Failed(error.to_string()))
    }))
    .unwrap()
}

fn redeem(request_id: &str) -> Event {
    let kind = EventKind::Redeem { request_id: request_id.to_owned() };
    Event { account: "acme".to_owned(), at: 1, kind }
}

/// Wherever in a commit the disk fails: who was told OK has redeemed, who was told nothing may ask again, and nobody
/// else has.
#[tokio::test]
async fn a_disk_that_fails_makes_no_answer_false() {
    for errno in [ENOSPC, EIO] {
        let mut unanswered = 0;
        for after in 0..12 {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("tokens");
            let faults = Arc::new(Faults::default());
            let mut store = faulty(&path, &faults);
            let pending = Record {
                account: "acme".to_owned(),
                expires: 100,
                state: State::Pending,
                details: Details::default(),
            };
            let id = TokenId([7; 32]);
            store.insert(id, pending).await.unwrap();
            faults.after.store(after, Ordering::SeqCst);
            faults.errno.store(errno, Ordering::SeqCst);
            let told = store.apply(id, redeem("first")).await;
            unanswered += usize::from(told.is_err());
            let failed = store.insert(TokenId([8; 32]), store_filler()).await.is_err();
            faults.errno.store(0, Ordering::SeqCst);
            if errno == EIO && (failed || told.is_err()) {
                store.get(id).await.expect_err("what is read after a failed fsync is not to be trusted");
                drop(store);
                store = faulty(&path, &faults);
            }
            let again = store.apply(id, redeem("first")).await.unwrap().unwrap();
            if let Ok(told) = told {
                assert!(!told.unwrap().replayed && again.replayed, "{errno} {after}");
            }
            let rival = store.apply(id, redeem("second")).await.unwrap();
            assert_eq!(rival, Err(Refusal::AlreadyRedeemed), "{errno} {after}");
        }
        assert!((1..12).contains(&unanswered), "some failed and some did not: {unanswered}");
    }
}

fn store_filler() -> Record {
    let details = Details { metadata: vec![0; 4096], ..Details::default() };
    Record { account: "acme".to_owned(), expires: 100, state: State::Pending, details }
}
