//! What both directions need: marker codes, the order of coefficients, vector arithmetic.

pub(crate) mod marker;
pub(crate) mod simd;
pub(crate) mod standard;
pub(crate) mod zigzag;
