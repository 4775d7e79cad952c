//! What computing with secrets leaves on the stack, wiped.
//!
//! A value that is moved leaves its bytes where it was, and hash functions their working state: HMAC's key blocks, prepared
//! keys, derived keys. Freed memory is wiped by the process's allocator (`main.rs`); the stack is wiped here, close behind
//! whatever computes with secrets. `tests/process/memory.rs` searches both.

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;

use zeroize::zeroize_stack;

/// How much more stack there is to wipe without optimisation, where frames are several times larger.
const UNOPTIMISED: usize = if cfg!(debug_assertions) { 16 } else { 1 };

/// Bytes of stack that a hash or an HMAC takes. Measured: 0.8 KB; without optimisation 8.6 KB.
pub(crate) const HASH: usize = UNOPTIMISED * 3 * 512;

/// Bytes of stack that SigV4 takes. Measured: 6 KB.
pub(crate) const SIGV4: usize = UNOPTIMISED * 8 * 1024;

/// Bytes of stack that signing with a key pair takes. Measured: 6 KB with Ed25519, 13 KB with ECDSA, 17 KB
/// with RSA.
pub(crate) const KEY_PAIR: usize = UNOPTIMISED * 32 * 1024;

/// Bytes of stack that reading the configuration and its keys takes. Measured: 19 KB.
pub(crate) const READING: usize = UNOPTIMISED * 32 * 1024;

/// Runs what computes with secrets, and wipes so many bytes of the stack behind it.
pub(crate) fn wiped<const BYTES: usize, T>(work: impl FnOnce() -> T) -> T {
    let done = apart(work);
    zeroize_stack::<BYTES>();
    done
}

/// Not a part of its caller: only what lies below the caller's frame is wiped.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}
