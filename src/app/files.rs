//! How many files this process may have open: each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are not callers' connections: the store's, the queue's, the providers'.
const OTHERS: usize = 512;
/// Fewer connections than this serve nobody.
const FEWEST: usize = 10;

/// Lifts the limit as far as this process may, and says how many of these connections fit below it.
pub(super) fn connections(wanted: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let lifted = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    if let Err(error) = &lifted {
        tracing::warn!(%error, "the limit of open files cannot be lifted");
    }
    let fitting = fitting(wanted, if lifted.is_ok() { maximum } else { current });
    if fitting < wanted {
        tracing::warn!(wanted, fitting, "server.max_connections is lowered: this process may not have more files open");
    }
    fitting
}

fn fitting(wanted: usize, files: Option<u64>) -> usize {
    let files = files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    wanted.min(files.saturating_sub(OTHERS)).max(FEWEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_others() {
        for (wanted, files, expected) in [
            (10_000, None, 10_000),
            (10_000, Some(1_000_000), 10_000),
            (10_000, Some(4096), 3584),
            (10_000, Some(256), 10),
            (20, Some(4096), 20),
        ] {
            assert_eq!(fitting(wanted, files), expected, "{wanted} {files:?}");
        }
    }
}
