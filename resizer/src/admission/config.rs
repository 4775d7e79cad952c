//! The `[limits]` that bound memory, CPU and waiting.

use std::{num::NonZeroUsize, thread};

use safelight_chassis::config::Section;

/// Memory that sources and pixels may take together: fits a pod of 1 GiB beside the process itself and the
/// connections' windows (64 × 4 MiB at the worst; reference: grpc-practice.md, "Admission").
const DEFAULT_MEMORY_BUDGET: u64 = 640 << 20;
/// Less does not fit one 12-megapixel picture.
const MIN_MEMORY_BUDGET: u64 = 64 << 20;
/// One part in this many of the budget is for encoded sources: pixels are 10 to 20 times their JPEG.
pub const UPLOAD_SHARE: u64 = 4;
/// Requests in progress, waiting ones included: some seconds of work for a few cores, and beyond that waiting
/// only makes every answer late.
const DEFAULT_MAX_REQUESTS: usize = 256;

/// Sizes of what is shared out.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Bytes that encoded sources and pixels may take together.
    pub memory_budget: u64,
    /// Jobs that may run at the same time.
    pub cpu_slots: usize,
    /// Requests that may be in progress, waiting ones included.
    pub max_requests: usize,
}

impl Default for Config {
    fn default() -> Self {
        // Follows the container's CPU quota.
        let cpu_slots = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self { memory_budget: DEFAULT_MEMORY_BUDGET, cpu_slots, max_requests: DEFAULT_MAX_REQUESTS }
    }
}

impl Config {
    /// Reads them from the `[limits]` table.
    pub fn read(section: &mut Section) -> Self {
        let default = Self::default();
        let config = Self {
            memory_budget: section.bytes("memory_budget").unwrap_or(default.memory_budget),
            cpu_slots: section.or("cpu_slots", default.cpu_slots),
            max_requests: section.or("max_requests", default.max_requests),
        };
        if config.memory_budget < MIN_MEMORY_BUDGET {
            section.error("memory_budget", "must be at least 64MiB");
        }
        if config.memory_budget > super::budget::MAX_BYTES {
            section.error("memory_budget", "must be at most 16TiB");
        }
        if !(1..=1024).contains(&config.cpu_slots) {
            section.error("cpu_slots", "must be 1 to 1024");
        }
        if !(1..=65_536).contains(&config.max_requests) {
            section.error("max_requests", "must be 1 to 65536");
        }
        config
    }
}
