//! The limit on open files, which every connection counts against.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::census::RESERVE;

/// Files that a process has open beside its connections and what its calls open: logs, stores, listeners, certificates
/// that are read again.
const OWN: usize = 256;

/// Fewest connections that a port is given, whatever the limit.
const LEAST: usize = 16;

/// How many connections each of `ports` may have, at most `wanted`, with a file for each of `calls`. The soft limit is
/// raised as far as that takes and the hard one allows; where that is not enough the log says so.
pub(super) fn connections(wanted: usize, ports: usize, calls: usize) -> usize {
    let own = OWN + calls;
    let need = ports * (wanted + RESERVE) + own;
    let Some(allowed) = raise(need) else { return wanted };
    if allowed >= need {
        return wanted;
    }
    let left = (allowed.saturating_sub(own) / ports).saturating_sub(RESERVE).max(LEAST);
    tracing::warn!(
        max_connections = left,
        wanted,
        open_files = allowed,
        "fewer connections than wanted: raise the limit on open files (ulimit -n, LimitNOFILE) to {need}"
    );
    left
}

/// The limit on open files, raised towards `need`; `None`: there is none.
fn raise(need: usize) -> Option<usize> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let current = usize::try_from(current?).ok()?;
    if current >= need {
        return Some(current);
    }
    let maximum = maximum.map_or(usize::MAX, |maximum| usize::try_from(maximum).unwrap_or(usize::MAX));
    let raised = need.min(maximum);
    let limit = Rlimit { current: u64::try_from(raised).ok(), maximum: getrlimit(Resource::Nofile).maximum };
    Some(if setrlimit(Resource::Nofile, limit).is_ok() { raised } else { current })
}
