//! What both directions need: marker codes and the order of coefficients.

pub(crate) mod marker;
pub(crate) mod standard;
pub(crate) mod zigzag;
