//! How messages are written and read: as prost does, with buffers that fit most of ours.

use std::marker::PhantomData;

use prost::Message;
use tonic::{
    Status,
    codec::{BufferSettings, Codec as TonicCodec, EncodeBuf, Encoder as TonicEncoder},
};
use tonic_prost::ProstDecoder;

/// Bytes of a buffer before there is a message. Every call takes two. tonic's are 8 KiB, which the signer's allocator wipes; most
/// messages are smaller than this, and for chunks of pictures a buffer grows once.
const BUFFER: usize = 1024;

/// Bytes that a stream writes at once, as tonic has it.
const YIELD_THRESHOLD: usize = 32 * 1024;

fn buffers() -> BufferSettings {
    BufferSettings::new(BUFFER, YIELD_THRESHOLD)
}

/// `application/grpc+proto` by prost: writes `E` and reads `D`.
#[derive(Debug)]
pub struct Codec<E, D>(PhantomData<(E, D)>);

impl<E, D> Default for Codec<E, D> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<E, D> TonicCodec for Codec<E, D>
where
    E: Message + 'static,
    D: Message + Default + 'static,
{
    type Encode = E;
    type Decode = D;
    type Encoder = Encoder<E>;
    type Decoder = ProstDecoder<D>;

    fn encoder(&mut self) -> Self::Encoder {
        Encoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(buffers())
    }
}

/// Writes messages.
#[derive(Debug)]
pub struct Encoder<E>(PhantomData<E>);

impl<E: Message> TonicEncoder for Encoder<E> {
    type Item = E;
    type Error = Status;

    fn encode(&mut self, message: E, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        // Grows once, not step by step.
        buffer.reserve(message.encoded_len());
        message.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffers()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use tonic::{
        Code,
        codec::{EncodeBody, Streaming},
        codegen::{Body, Bytes, tokio_stream},
    };
    use tonic_prost::ProstCodec;

    use super::*;

    /// Messages of these lengths about a buffer's, about what is written at once, and of chunks.
    const LENGTHS: [usize; 14] =
        [0, 1, 1014, 1016, 1017, 1018, 1019, 1024, 1030, 32 * 1024 - 9, 32 * 1024, 64 * 1024, 0, 200_000];

    fn messages() -> impl Iterator<Item = Vec<u8>> {
        LENGTHS.into_iter().zip(1..).map(|(length, byte)| vec![byte; length])
    }

    /// All of them, as they are sent.
    fn body<C: TonicCodec<Encode = Vec<u8>, Decode = Vec<u8>>>(
        mut codec: C,
        limit: usize,
    ) -> impl Body<Data = Bytes, Error = Status> + Send + 'static {
        let messages = tokio_stream::iter(messages().map(Ok));
        EncodeBody::new_client(codec.encoder(), messages, None, Some(limit))
    }

    fn now<T>(poll: Poll<T>) -> T {
        let Poll::Ready(done) = poll else { panic!("nothing here waits") };
        done
    }

    /// The pieces that are sent, and how that ends.
    fn pieces(body: impl Body<Data = Bytes, Error = Status>) -> (Vec<Bytes>, Option<Code>) {
        let mut body = pin!(body);
        let mut pieces = Vec::new();
        loop {
            match now(body.as_mut().poll_frame(&mut Context::from_waker(Waker::noop()))) {
                None => return (pieces, None),
                Some(Ok(piece)) => pieces.push(piece.into_data().unwrap()),
                Some(Err(status)) => return (pieces, Some(status.code())),
            }
        }
    }

    #[test]
    fn what_is_written_is_what_prost_writes() {
        for (limit, end) in
            [(1 << 20, None), (64 * 1024, Some(Code::OutOfRange)), (1019, Some(Code::OutOfRange))]
        {
            let ours = pieces(body(Codec::default(), limit));
            assert_eq!(ours, pieces(body(ProstCodec::default(), limit)), "{limit}");
            assert_eq!(ours.1, end, "{limit}");
        }
    }

    #[test]
    fn what_was_written_is_read() {
        // Three bytes go before the content: 1016 just fit into 1019.
        for (limit, read, end) in [(1 << 20, LENGTHS.len(), None), (1019, 4, Some(Code::OutOfRange))] {
            let sent = body(Codec::<Vec<u8>, Vec<u8>>::default(), 1 << 20);
            let decoder = Codec::<Vec<u8>, Vec<u8>>::default().decoder();
            let mut received = Streaming::new_request(decoder, sent, None, Some(limit));
            let mut message = || now(pin!(received.message()).poll(&mut Context::from_waker(Waker::noop())));
            for expected in messages().take(read) {
                assert!(message().unwrap() == Some(expected));
            }
            assert_eq!(message().map_err(|status| status.code()), end.map_or(Ok(None), Err));
        }
    }
}
