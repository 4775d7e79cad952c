//! Content codings of stored objects: undone where they are real, passed over where they are only said to be.

use std::{
    cell::Cell,
    io::Write as _,
    time::{Duration, Instant},
};

use flate2::{Compression, write};
use safelight_local::{Settings, picture::sample};
use safelight_proto::{reason::Reason, resizer::v1::ListVariantsRequest};
use safelight_tests::faulty_origin::{FaultyOrigin, Reply};

use crate::{harness::*, http_origin::origins};

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = write::GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = write::ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// A frame of one raw block (RFC 8878): what compresses nothing.
fn zstd(plain: &[u8]) -> Vec<u8> {
    let length = u32::try_from(plain.len()).unwrap();
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0]; // one segment, its size in four bytes
    frame.extend(length.to_le_bytes());
    frame.extend(&(length << 3 | 1).to_le_bytes()[..3]);
    frame.extend(plain);
    frame
}

/// An uncompressed metablock and an empty last one (RFC 7932): what compresses nothing.
fn brotli(plain: &[u8]) -> Vec<u8> {
    // Bits, the lowest first: WBITS 16 "0"; ISLAST 0; MNIBBLES 4 "00"; MLEN - 1 in 16 bits; ISUNCOMPRESSED 1.
    let length = u32::from(u16::try_from(plain.len() - 1).unwrap());
    let mut stream = (length << 4 | 1 << 20).to_le_bytes()[..3].to_vec();
    stream.extend(plain);
    stream.push(3); // ISLAST, ISLASTEMPTY
    stream
}

async fn start_web(limits: &str) -> (FaultyOrigin, Local) {
    let origin = FaultyOrigin::start().await.unwrap();
    let settings = Settings { resizer_toml: origins(&origin), limits: limits.into(), ..Settings::default() };
    let local = start(settings).await;
    (origin, local)
}

#[tokio::test]
async fn pictures_come_out_of_every_coding() {
    let (origin, local) = start_web("").await;
    let bytes = sample::png(48, 32).unwrap();
    for (coding, stored) in [
        ("", bytes.clone()),
        ("identity", bytes.clone()),
        ("aws-chunked", bytes.clone()),
        ("base64", bytes.clone()),
        ("image/jpeg", bytes.clone()),
        ("undefined", bytes.clone()),
        ("utf-8", bytes.clone()),
        ("binary", bytes.clone()),
        ("none", bytes.clone()),
        ("gzip", bytes.clone()),
        ("br", bytes.clone()),
        ("gzip", gzip(&bytes)),
        ("aws-chunked,gzip", gzip(&bytes)),
        ("gzip, aws-chunked", gzip(&bytes)),
        ("deflate", zlib(&bytes)),
        ("zstd", zstd(&bytes)),
        ("br", brotli(&bytes)),
        ("br, gzip", gzip(&brotli(&bytes))),
    ] {
        for reply in [Reply::ok(stored.clone()), Reply::ok(stored.clone()).chunked()] {
            origin.at("/a.png", reply.header("content-encoding", coding));
            let made = local.resize_object(object_of("web", "a.png")).await;
            assert_eq!(
                size(&made.unwrap_or_else(|status| panic!("{coding}: {status}"))),
                (48, 32),
                "{coding}"
            );
        }
    }
}

#[tokio::test]
async fn what_cannot_be_undone_is_refused() {
    let (origin, local) = start_web("max_source_bytes = '1MiB'").await;
    let bytes = sample::png(48, 32).unwrap();
    let bomb = gzip(&vec![0; 64 << 20]);
    assert!(bomb.len() < 1 << 20);
    let mut framed = format!("{:x};chunk-signature={}\r\n", bytes.len(), "0a".repeat(32)).into_bytes();
    framed.extend(&bytes);
    framed.extend(b"\r\n0;chunk-signature=00\r\n\r\n");
    let mut unsigned = format!("{:x}\r\n", bytes.len()).into_bytes();
    unsigned.extend(&bytes);
    unsigned.extend(b"\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n");
    for (name, coding, stored, reason) in [
        ("a bomb", "gzip", bomb.clone(), Reason::ImageTooLarge),
        ("a bomb in two", "gzip, gzip", gzip(&bomb), Reason::ImageTooLarge),
        ("cut", "gzip", gzip(&bytes)[..100].to_vec(), Reason::FormatUnsupported),
        ("too many", "gzip,gzip,gzip,gzip", gzip(&bytes), Reason::FormatUnsupported),
        ("frames", "aws-chunked", framed.clone(), Reason::FormatUnsupported),
        ("frames, unsaid", "", framed, Reason::FormatUnsupported),
        ("frames without signatures", "aws-chunked", unsigned, Reason::FormatUnsupported),
        ("not gzip", "gzip", b"nothing of the kind".to_vec(), Reason::FormatUnsupported),
    ] {
        println!("{name}");
        origin.at("/a.png", Reply::ok(stored).header("content-encoding", coding));
        refused(local.resize_object(object_of("web", "a.png")).await, reason);
    }
}

/// An object that is long to undo and comes to nothing: members of no byte.
#[tokio::test]
async fn others_are_answered_while_a_coding_is_undone() {
    let (origin, local) = start_web("").await;
    let nothing = gzip(b"");
    origin.at(
        "/a.png",
        Reply::ok(nothing.repeat((48 << 20) / nothing.len())).header("content-encoding", "gzip"),
    );
    let (mut others, fetched) = (local.client.clone(), Cell::new(false));
    let fetching = async {
        let answer = tokio::time::timeout(PATIENCE, local.resize_object(object_of("web", "a.png"))).await;
        fetched.set(true);
        refused(answer.expect("an answer"), Reason::FormatUnsupported);
    };
    let asking = async {
        let (mut longest, mut answered) = (Duration::ZERO, Instant::now());
        while !fetched.get() {
            others.list_variants(ListVariantsRequest::default()).await.unwrap();
            longest = longest.max(answered.elapsed());
            answered = Instant::now();
            tokio::time::sleep(LOOK).await;
        }
        longest.max(answered.elapsed())
    };
    let ((), longest) = tokio::join!(fetching, asking);
    // All of it takes more than ten seconds.
    assert!(longest < Duration::from_secs(4), "{longest:?}");
}

#[tokio::test]
async fn memory_for_what_is_decoded_is_asked_for() {
    // A quarter of it is for sources: 16 MiB, and a body of a few KiB that becomes 32.
    let (origin, local) = start_web("memory_budget = '64MiB'").await;
    origin.at("/a.png", Reply::ok(gzip(&vec![0; 32 << 20])).header("content-encoding", "gzip"));
    refused(local.resize_object(object_of("web", "a.png")).await, Reason::ImageTooLarge);
}
