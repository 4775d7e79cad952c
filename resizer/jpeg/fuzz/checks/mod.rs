//! What is checked, for the fuzz targets; the tests name the modules that they use themselves.

pub mod counting;
pub mod decode;
pub mod encode;
