//! CPU time of this thread, and of another process to the nanosecond.
//!
//! `/proc/PID/stat` counts in steps of 10 ms and `/proc/PID/schedstat` only the first thread, so that neither tells what
//! one request costs. POSIX has a clock for each process (`clock_getcpuclockid`): all its threads, those that ended
//! included, user and system.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// What this thread has used of CPU time, user and system, in milliseconds.
pub(crate) fn thread_cpu() -> f64 {
    milliseconds(clock_gettime(ClockId::ThreadCPUTime))
}

/// What a process has used of CPU time, user and system, all threads, in milliseconds. `None`: there is no such process,
/// or this system has no such clock.
pub(crate) fn process_cpu(pid: u32) -> Option<f64> {
    // Linux has at most 2^22; the clock's number has room for 29 bits, and 0 would be this process.
    let pid = i32::try_from(pid).ok().filter(|pid| (1..1 << 28).contains(pid))?;
    process::read(pid).map(milliseconds)
}

fn milliseconds(Timespec { tv_sec, tv_nsec }: Timespec) -> f64 {
    tv_sec as f64 * 1e3 + tv_nsec as f64 / 1e6
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod process {
    use rustix::time::Timespec;

    /// `struct timespec` of 64-bit Linux.
    #[repr(C)]
    struct Time {
        seconds: i64,
        nanoseconds: i64,
    }

    #[expect(unsafe_code, reason = "rustix has no call for another process's clock")]
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut Time) -> i32;
    }

    /// The clock of a process: its number, inverted, above three bits that say "of a process, what the scheduler
    /// counts" (`MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED)` of Linux's posix-timers).
    pub(super) fn read(pid: i32) -> Option<Timespec> {
        let clock = (!pid << 3) | 2;
        let mut time = Time { seconds: 0, nanoseconds: 0 };
        // SAFETY: `time` is a live, writable `struct timespec` (two 64-bit integers on 64-bit Linux); the call keeps no
        // pointer, and answers a clock that does not exist by an error.
        #[expect(unsafe_code, reason = "see above")]
        let result = unsafe { clock_gettime(clock, &raw mut time) };
        (result == 0).then_some(Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds })
    }
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
mod process {
    use rustix::time::Timespec;

    pub(super) fn read(_: i32) -> Option<Timespec> {
        None
    }
}

/// Holds the clock against the one that rustix reads, and asks it for processes that do not exist.
pub(crate) fn check() {
    let before = milliseconds(clock_gettime(ClockId::ProcessCPUTime));
    let Some(found) = process_cpu(std::process::id()) else { return };
    let after = milliseconds(clock_gettime(ClockId::ProcessCPUTime));
    assert!((before..=after).contains(&found), "a process's clock: {before} ≤ {found} ≤ {after}");
    for pid in [0, 1 << 30, i32::MAX as u32, u32::MAX] {
        assert_eq!(process_cpu(pid), None, "the clock of process {pid}");
    }
}
