//! Against h2 on both sides: what its client sends arrives at its server as if nothing stood between them, however the
//! bytes are cut; and what its server would take badly is gone.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, request::Parts};
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};

use super::{END_HEADERS, END_STREAM, HEADERS, Head, Headers, TOO_LARGE, write};

const LIMIT: usize = 16 * 1024;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The server's end of a pipe, with [`Headers`] before it. Reads at most `cut` bytes at a time.
struct Watched {
    io: DuplexStream,
    headers: Headers,
    preface: usize,
    out: Vec<u8>,
    cut: usize,
}

impl Watched {
    fn new(io: DuplexStream, cut: usize) -> Self {
        Self { io, headers: Headers::new(LIMIT), preface: 24, out: Vec::new(), cut }
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.out.is_empty() {
            let mut bytes = vec![0; this.cut];
            let mut read = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut read))?;
            let mut read = read.filled();
            if read.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let preface = read.split_off(..this.preface.min(read.len())).unwrap();
            this.preface -= preface.len();
            let mut after = Vec::new();
            let kept = this.headers.take(read, &mut after)?;
            this.out.extend_from_slice(preface);
            this.out.extend_from_slice(&read[..kept]);
            this.out.append(&mut after);
        }
        let length = this.out.len().min(buf.remaining());
        buf.put_slice(&this.out[..length]);
        this.out.drain(..length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// What a server behind [`Headers`] gets, up to `count` or until the client ends.
async fn served(io: DuplexStream, cut: usize, count: usize) -> Result<Vec<Parts>, h2::Error> {
    let mut builder = h2::server::Builder::new();
    let limit = u32::try_from(LIMIT).unwrap();
    let mut server = builder.max_header_list_size(limit).handshake::<_, Bytes>(Watched::new(io, cut)).await?;
    let mut all = Vec::new();
    while all.len() < count
        && let Some(accepted) = server.accept().await
    {
        let (request, mut respond) = accepted?;
        all.push(request.into_parts().0);
        _ = respond.send_response(Response::new(()), true);
    }
    Ok(all)
}

/// Sends these as the real client does.
async fn sent(io: DuplexStream, requests: &[HeaderMap]) {
    let (mut client, connection) = h2::client::handshake(io).await.unwrap();
    let connection = tokio::spawn(connection);
    for headers in requests {
        let mut request = Request::post("http://example.com:50051/a.B/C").body(()).unwrap();
        *request.headers_mut() = headers.clone();
        client = client.ready().await.unwrap();
        let (response, _) = client.send_request(request, true).unwrap();
        response.await.unwrap();
    }
    drop(client);
    connection.await.unwrap().unwrap();
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Some names and values come again and again, so that the table is used; some are large, so that it overflows.
fn field() -> impl Strategy<Value = (String, Vec<u8>)> {
    let name = prop_oneof!["[a-c]{1,2}", Just("user-agent".to_owned()), Just("authorization".to_owned())];
    let byte = prop_oneof![4 => b' '..=b'~', 1 => 0x80..=0xff_u8];
    let value = prop_oneof![
        4 => proptest::collection::vec(byte.clone(), 0..12),
        2 => Just(b"the same again".to_vec()),
        1 => proptest::collection::vec(byte, 0..6000),
    ];
    (name, value)
}

fn map(fields: Vec<(String, Vec<u8>)>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let mut value = HeaderValue::from_bytes(value.trim_ascii()).unwrap();
        value.set_sensitive(name == "authorization");
        map.append(HeaderName::try_from(name).unwrap(), value);
    }
    map
}

fn size(headers: &HeaderMap) -> usize {
    // Its pseudo-headers.
    let own = [":method", "POST", ":scheme", "http", ":authority", "example.com:50051", ":path", "/a.B/C"];
    own.map(str::len).iter().sum::<usize>()
        + 4 * 32
        + headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum::<usize>()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_client_sends_arrives(
        requests in proptest::collection::vec(proptest::collection::vec(field(), 0..12).prop_map(map), 1..12),
        cut in prop_oneof![1..40_usize, Just(4096)],
    ) {
        let (a, b) = duplex(1 << 20);
        let (got, ()) = block_on(async { tokio::join!(served(b, cut, usize::MAX), sent(a, &requests)) });
        let got = got.unwrap();
        prop_assert_eq!(got.len(), requests.len());
        for (got, sent) in got.iter().zip(&requests) {
            prop_assert_eq!(got.uri.path(), "/a.B/C");
            prop_assert_eq!(got.uri.authority().is_some(), size(sent) < LIMIT);
            if size(sent) < LIMIT {
                prop_assert_eq!(&got.headers, sent);
            } else {
                prop_assert_eq!(got.headers[TOO_LARGE].to_str().unwrap(), size(sent).to_string());
            }
        }
    }

    #[test]
    fn any_bytes_are_taken_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 1..50_usize) {
        let mut headers = Headers::new(LIMIT);
        let (mut out, mut passed) = (Vec::new(), 0);
        for chunk in bytes.chunks(cut) {
            out.clear();
            let Ok(kept) = headers.take(chunk, &mut out) else { return Ok(()) };
            passed += kept + out.len();
        }
        prop_assert!(passed <= bytes.len() * 2 + 4096);
    }

    #[test]
    fn any_block_decodes_or_is_malformed_and_is_undone(
        first in instructions(),
        second in prop_oneof![instructions(), proptest::collection::vec(any::<u8>(), 0..300)],
    ) {
        let mut decoder = super::Decoder::new();
        _ = decoder.decode(&first, |_, _, _| {});
        let before = format!("{:?}", (&decoder.entries, decoder.size, decoder.max));
        _ = decoder.decode(&second, |_, _, _| {});
        prop_assert!(decoder.size <= decoder.max && kept(&decoder) <= 2 * 4096);
        decoder.undo();
        prop_assert_eq!(before, format!("{:?}", (&decoder.entries, decoder.size, decoder.max)));
    }
}

/// A block that changes the table: new entries of any size, the newest one's name again, other limits.
fn instructions() -> impl Strategy<Value = Vec<u8>> {
    let instruction = prop_oneof![
        (0..3000_usize).prop_map(|length| {
            let mut bytes = vec![0x40];
            super::hpack::write_length(length, &mut bytes);
            bytes.extend(vec![b'n'; length]);
            bytes.extend([1, b'v']);
            bytes
        }),
        Just(vec![0x7e, 0x00]),
        Just(vec![0x7e, 0x01, b'w']),
        Just(vec![0xbe]),
        Just(vec![0x20]),
        Just(vec![0x3f, 0xe1, 0x1f]),
    ];
    proptest::collection::vec(instruction, 0..30).prop_map(|instructions| instructions.concat())
}

/// Bytes that a decoder keeps of entries.
fn kept(decoder: &super::Decoder) -> usize {
    let size = |entry: &super::hpack::Entry| entry.size();
    decoder.entries.iter().map(size).sum::<usize>() + decoder.evicted.iter().map(size).sum::<usize>()
}

/// A request's frames.
fn frames(stream: u8, block: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let head = Head { length: 0, kind: HEADERS, flags: END_STREAM | END_HEADERS, stream: [0, 0, 0, stream] };
    write(head, block, &mut out);
    out
}

/// A block that indexes everything: `:method`, `:scheme` and `:path` of the static table, then literals.
fn literals(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = vec![0x83, 0x86, 0x84];
    for (name, value) in fields {
        block.push(0x40);
        for text in [name, value] {
            super::hpack::write_length(text.len(), &mut block);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// Sends bytes, and returns what the server made of them.
fn raw(frames: &[Vec<u8>], cut: usize) -> Vec<Parts> {
    let (mut a, b) = duplex(1 << 20);
    block_on(async {
        a.write_all(PREFACE).await.unwrap();
        for frame in frames {
            a.write_all(frame).await.unwrap();
        }
        // A pipe that is closed would end them all before they are looked at.
        served(b, cut, frames.len()).await.unwrap()
    })
}

#[test]
fn an_authority_that_is_none_is_left_out_and_the_table_lives_on() {
    let bad =
        ["127.0.0.1:1,127.0.0.1:2", "outbound|50051||svc.ns", "/tmp/x.sock", "", "unix:/tmp/x", "%2Ftmp%2Fx"];
    for (authority, cut) in bad.into_iter().flat_map(|authority| [(authority, 1), (authority, 4096)]) {
        // As gRPC's C core: a literal name, and from then on the table.
        let first = literals(&[(":authority", authority), ("x-first", "one")]);
        let again = vec![0x83, 0x86, 0x84, 0xbf, 0xbe];
        // A new value under the name in the table; the old second field has moved on by one.
        let good = [&[0x83, 0x86, 0x84, 0x7f, 0x00, 7][..], b"svc.ns1", &[0xbf]].concat();
        let got = raw(&[frames(1, &first), frames(3, &again), frames(5, &good)], cut);
        assert_eq!(got.len(), 3, "{authority}");
        for (index, got) in got.iter().enumerate() {
            assert_eq!(got.headers["x-first"], "one", "{authority}");
            let authority = got.uri.authority().map(ToString::to_string);
            assert_eq!(authority.as_deref(), (index == 2).then_some("svc.ns1"));
        }
    }
}

#[test]
fn the_empty_authority_of_the_static_table_is_left_out() {
    let got = raw(&[frames(1, &[0x83, 0x86, 0x81, 0x84])], 4096);
    assert_eq!((got.len(), got[0].uri.authority()), (1, None));
}

#[test]
fn headers_that_are_too_large_give_way_and_harm_no_other_request() {
    for length in [LIMIT, 34_000, 60_000, 150_000] {
        let value = "t".repeat(length);
        let first = literals(&[("x-before", "one"), ("content-type", "application/grpc")]);
        let large = literals(&[("baggage", &value), ("x-after", "two"), ("x-request-id", "mine")]);
        // Everything in the table was evicted by the large value, but what came after it.
        let again = vec![0x83, 0x86, 0x84, 0xbf, 0xbe];
        for cut in [100, 1 << 16] {
            let got = raw(&[frames(1, &first), frames(3, &large), frames(5, &again)], cut);
            assert_eq!(got.len(), 3, "{length}");
            assert_eq!(got[0].headers["x-before"], "one");
            assert!(got[1].headers[TOO_LARGE].to_str().unwrap().parse::<usize>().unwrap() > length);
            assert_eq!(got[1].headers["x-request-id"], "mine");
            assert_eq!((got[1].uri.path(), got[1].headers.len()), ("/", 2));
            assert_eq!(got[2].headers["x-after"], "two");
            assert_eq!(got[2].headers["x-request-id"], "mine");
        }
    }
}

/// Two bytes make an entry of 4 KiB and evict the one before it.
#[test]
fn a_block_that_makes_much_of_few_bytes_keeps_no_more_than_the_table_and_ends_the_connection() {
    let bomb = |count| {
        let mut block = literals(&[(&"n".repeat(4000), "")]);
        block.extend([0x7e, 0x00].repeat(count));
        frames(1, &block)
    };
    let mut headers = Headers::new(LIMIT);
    // Above the limit on headers: answered, and watched no more.
    assert!(headers.take(&bomb(100), &mut Vec::new()).is_ok() && kept(&headers.decoder) <= 4096);
    assert!(headers.decoder.evicted.is_empty());
    for count in [1000, 15_000, 100_000] {
        let mut headers = Headers::new(LIMIT);
        let ended = headers.take(&bomb(count), &mut Vec::new()).unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::InvalidData);
        assert!(kept(&headers.decoder) <= 2 * 4096);
    }
}

#[test]
fn a_block_in_very_many_frames_arrives() {
    let value = "t".repeat(5000);
    let block = literals(&[("x-long", &value)]);
    // HEADERS without END_HEADERS, a CONTINUATION for each byte, and another request in the last write.
    let mut bytes = vec![0, 0, 0, HEADERS, END_STREAM, 0, 0, 0, 1];
    for (index, byte) in block.iter().enumerate() {
        let flags = if index + 1 == block.len() { END_HEADERS } else { 0 };
        bytes.extend([0, 0, 1, 9, flags, 0, 0, 0, 1, *byte]);
    }
    bytes.extend(frames(3, &[0x83, 0x86, 0x84, 0xbe]));
    for cut in [1, 7, 10_000, 100_000] {
        let mut headers = Headers::new(LIMIT);
        let mut passed = Vec::new();
        for read in bytes.chunks(cut) {
            let mut out = Vec::new();
            let in_place = headers.take(read, &mut out).unwrap();
            passed.extend_from_slice(&read[..in_place]);
            passed.append(&mut out);
        }
        assert!(passed == bytes, "{cut}");
    }
}

/// A table makes very many of few bytes. Two are malformed, for h2 to say.
#[test]
fn a_second_authority_is_not_looked_at() {
    let bad = literals(&[(":authority", "a:1,b:2")]);
    let two = literals(&[(":authority", "good"), (":authority", "a:3,b:4")]);
    let mut headers = Headers::new(LIMIT);
    for (block, holds) in [(bad, None), (two, Some("a:3,b:4"))] {
        let mut out = Vec::new();
        assert_eq!(headers.take(&frames(1, &block), &mut out).unwrap(), 0);
        let text = String::from_utf8_lossy(&out);
        assert!(!text.contains("a:1,b:2") && holds.is_none_or(|second| text.contains(second)), "{text}");
    }
}

#[test]
fn a_block_without_an_end_is_not_kept() {
    let mut headers = Headers::new(LIMIT);
    let mut out = Vec::new();
    // HEADERS without END_HEADERS, then CONTINUATIONs without end.
    let mut frame = |kind| {
        let bytes = [&[0, 0x40, 0, kind, 0, 0, 0, 0, 1][..], &[0x0f; 0x4000]].concat();
        headers.take(&bytes, &mut out).map(|_| ())
    };
    frame(1).unwrap();
    let refused = (0..20).find_map(|_| frame(9).err()).unwrap();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
}
