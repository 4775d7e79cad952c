//! Exit codes, after sysexits(3).

/// Flags or configuration are wrong: a restart cannot help. `EX_USAGE`.
pub const USAGE: u8 = 64;

/// The address cannot be listened on. `EX_UNAVAILABLE`.
pub const UNAVAILABLE: u8 = 69;

/// Anything else that keeps the process from starting or serving. `EX_SOFTWARE`.
pub const SOFTWARE: u8 = 70;

/// A second signal came while draining.
pub const IMPATIENT: u8 = 130;
