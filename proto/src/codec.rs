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
