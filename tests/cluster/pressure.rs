//! How short of processors the machine is: where many wait for them, no node can be on time.

use tokio::time::Instant;

/// For how long something waited for a processor, since the machine started.
pub(crate) struct Pressure {
    waited_micros: u64,
    at: Instant,
}

impl Pressure {
    pub(crate) fn now() -> Self {
        // where the kernel does not tell, nothing is excused
        let told = std::fs::read_to_string("/proc/pressure/cpu").unwrap_or_default();
        let some = told.lines().find(|line| line.starts_with("some")).and_then(|line| line.rsplit_once("total="));
        Self { waited_micros: some.map_or(0, |(_, total)| total.parse().unwrap()), at: Instant::now() }
    }

    /// In percent of the time since then, for how long something waited.
    pub(crate) fn since(then: &Self) -> u64 {
        let micros = u64::try_from(then.at.elapsed().as_micros()).unwrap();
        (Self::now().waited_micros - then.waited_micros) * 100 / micros.max(1)
    }
}
