//! What is checked, as plain functions: the fuzz targets run them on any bytes, and `tests/fuzz` on the files that it
//! keeps.

pub mod edits;
pub mod envoy;
pub mod files;
pub mod forge;
pub mod origin;
pub mod presented;
pub mod schemes;
pub mod signed;
pub mod uploads;
pub mod urls;

/// When the checks take place, in Unix seconds.
pub const NOW: u64 = 1_700_000_000;
