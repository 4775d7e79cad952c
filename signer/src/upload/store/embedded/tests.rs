use std::sync::{
    Arc,
    atomic::{AtomicI32, AtomicU32, Ordering},
};

use prost::Message as _;
use redb::{ReadableTable as _, StorageBackend};

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

/// A record as signers wrote it that knew no reservations.
#[derive(Clone, PartialEq, prost::Message)]
struct Earlier {
    #[prost(string, tag = "1")]
    account: String,
    #[prost(uint64, tag = "2")]
    expires: u64,
    #[prost(message, optional, tag = "3")]
    details: Option<Details>,
    #[prost(uint64, optional, tag = "4")]
    ended: Option<u64>,
    #[prost(string, optional, tag = "5")]
    request_id: Option<String>,
}

#[tokio::test]
async fn a_file_of_an_earlier_signer_is_used_as_it_is_and_given_back() {
    const TOKENS: redb::TableDefinition<'static, [u8; 32], &[u8]> =
        redb::TableDefinition::new("upload_tokens");
    const EXPIRIES: redb::TableDefinition<'static, (u64, [u8; 32]), ()> =
        redb::TableDefinition::new("upload_token_expiries");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens");
    let earlier = |ended: Option<u64>, request_id: Option<&str>| Earlier {
        account: "acme".to_owned(),
        expires: 100,
        details: Some(Details::default()),
        ended,
        request_id: request_id.map(str::to_owned),
    };
    let database = Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    for (number, record) in
        [(1, earlier(None, None)), (2, earlier(Some(1), Some("r"))), (3, earlier(Some(1), None))]
    {
        let mut tokens = transaction.open_table(TOKENS).unwrap();
        tokens.insert([number; 32], record.encode_to_vec().as_slice()).unwrap();
        transaction.open_table(EXPIRIES).unwrap().insert((100, [number; 32]), ()).unwrap();
    }
    transaction.commit().unwrap();
    drop(database);

    let store = EmbeddedStore::open(&path).unwrap();
    let [pending, redeemed, cancelled] = [1, 2, 3].map(|number| TokenId([number; 32]));
    assert!(store.apply(redeemed, redeem("r")).await.unwrap().unwrap().replayed);
    assert_eq!(store.apply(cancelled, redeem("r")).await.unwrap(), Err(Refusal::Cancelled));
    let kind = EventKind::Reserve { request_id: "r".to_owned(), lease: 900 };
    let reserve = Event { account: "acme".to_owned(), at: 1, kind };
    store.apply(pending, reserve).await.unwrap().unwrap();
    assert_eq!(store.sweep(900, 10).await.unwrap(), 2);
    assert_eq!(store.apply(pending, redeem("s")).await.unwrap(), Err(Refusal::Reserved { until: 901 }));
    drop(store);

    // To the earlier signer it is a pending token.
    let database = Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let tokens = transaction.open_table(TOKENS).unwrap();
    let kept = Earlier::decode(tokens.get([1; 32]).unwrap().unwrap().value()).unwrap();
    assert_eq!(kept, earlier(None, None));
}
