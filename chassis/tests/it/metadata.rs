//! Metadata above the limit, over the wire: a status, and no harm to other calls of the connection.

use safelight_chassis::{server::Limits, shutdown::Drain};
use tonic::{Code, Status};

use crate::{
    harness::{LONG, Raw, framed, read, reason, start_with},
    probe::{DO, STREAM},
};

#[tokio::test]
async fn too_much_metadata_has_a_reason_and_harms_no_other_call() {
    let running = start_with(Limits::DEFAULT, Drain::within(LONG)).await;
    let mut raw = Raw::connect(running.addr).await;
    let neighbor = raw.call(STREAM, &[], &framed("wait")).await;
    running.shared.until_waiting(1).await;
    for length in [7000, 9000, 15_000] {
        let value = "t".repeat(length);
        let (_, body, trailers) = read(raw.call(DO, &[("baggage", &value)], &framed("echo x")).await).await;
        assert_eq!((body, &trailers["grpc-status"]), (framed("x"), &"0".parse().unwrap()), "{length}");
    }
    for length in [17_000, 20_000, 34_000, 60_000, 100_000] {
        let value = "t".repeat(length);
        let (head, ..) = read(raw.call(DO, &[("baggage", &value)], &framed("echo x")).await).await;
        let status = Status::from_header_map(&head).unwrap();
        assert_eq!(status.code(), Code::ResourceExhausted, "{length}: {status:?}");
        assert_eq!(reason(&status), "METADATA_TOO_LARGE");
        // And a call as before, on the same connection.
        let (_, body, _) = read(raw.call(DO, &[("baggage", "small")], &framed("echo y")).await).await;
        assert_eq!(body, framed("y"));
    }
    running.shared.release();
    assert_eq!(read(neighbor).await.2["grpc-status"], "0");
}
