//! What can go wrong while encoding.

/// Why a picture could not be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// Width or height is zero or above 65,535, the largest a frame header can say (ITU-T T.81, B.2.2).
    #[error("a JPEG holds 1 to 65535 pixels a side, not {width}x{height}")]
    Dimensions {
        /// Width asked for, pixels.
        width: u32,
        /// Height asked for, pixels.
        height: u32,
    },
    /// Quality is outside 1–100.
    #[error("quality goes from 1 to 100, not {0}")]
    Quality(u8),
    /// The pushed bytes are not whole rows, or more rows than the picture has.
    #[error(
        "pushed {bytes} bytes where whole rows of {row_bytes} bytes, at most {rows_left} of them, were expected"
    )]
    Rows {
        /// Length of the pushed slice, bytes.
        bytes: usize,
        /// Length of one row, bytes.
        row_bytes: usize,
        /// Rows the picture still lacks.
        rows_left: u32,
    },
    /// `finish` was called before the last row was pushed.
    #[error("{0} rows are missing")]
    Unfinished(u32),
    /// EXIF data must fit one APP1 segment: 65,527 bytes after its identifier.
    #[error("EXIF data of {0} bytes does not fit one APP1 segment")]
    ExifTooLong(usize),
    /// An ICC profile must fit 255 APP2 segments of 65,519 bytes each.
    #[error("an ICC profile of {0} bytes does not fit 255 APP2 segments")]
    IccTooLong(usize),
    /// The sink refused the bytes.
    #[error("writing the JPEG failed")]
    Write(#[from] std::io::Error),
}
