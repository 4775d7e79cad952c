//! Memory traffic on another core: what a busy neighbor does to the caches and the memory bus.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// Bytes that are copied to and fro: more than any last-level cache gives one core.
const BYTES: usize = 128 << 20;
/// Bytes of one copy, after which it looks whether to stop.
const STEP: usize = 1 << 20;

/// Runs until it is dropped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Starts one thread of copies.
    pub(crate) fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut memory = vec![1_u8; BYTES];
            loop {
                let (left, right) = memory.split_at_mut(BYTES / 2);
                for (from, to) in left.chunks(STEP).zip(right.chunks_mut(STEP)) {
                    if stopped.load(Ordering::Relaxed) {
                        return;
                    }
                    black_box(&mut *to).copy_from_slice(from);
                }
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A thread that only copies has nothing to say.
            let _ = thread.join();
        }
    }
}
