//! What `herald bench` prints.

use std::fmt;

use serde::Serialize;

use super::Phase;
use super::load::Latencies;

/// All figures of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Devices registered per second through the import route.
    pub import_per_second: f64,
    /// The loads.
    pub phases: Vec<Phase>,
    /// From the 202 to the provider's answer, at a gentle load.
    pub latency: Latencies,
    /// The same at half of the rate that was measured for one push each, with that rate.
    pub half_load: (u32, Latencies),
    /// Pushes that reached a device twice: none, on a machine that works.
    pub repeats: u64,
}

impl Phase {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub(super) fn rate(&self) -> f64 {
        self.items as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "devices registered   {:>10.0} /s", self.import_per_second)?;
        writeln!(f)?;
        writeln!(f, "load           items       /s  | CPU us per item: daemon  store    sum | simulator   load | largest node")?;
        for phase in &self.phases {
            let cpu = &phase.cpu;
            writeln!(
                f,
                "{:<12} {:>7} {:>8.0}  | {:>23.1} {:>6.1} {:>6.1} | {:>9.1} {:>6.1} | {:>6} MiB",
                phase.name,
                phase.items,
                phase.rate(),
                cpu.daemon,
                cpu.store,
                cpu.daemon + cpu.store,
                cpu.simulator,
                cpu.load,
                phase.peak_mib
            )?;
        }
        writeln!(f)?;
        writeln!(
            f,
            "accept: validated, written, answered 202. direct: accepted and one push each. fan-out: one notification to everyone."
        )?;
        let Latencies { p50, p95, p99 } = self.latency;
        writeln!(f, "202 to the provider's answer at a gentle load: p50 {p50:.1} ms, p95 {p95:.1} ms, p99 {p99:.1} ms")?;
        let (rate, Latencies { p50, p95, p99 }) = self.half_load;
        writeln!(f, "the same at half load, {rate} /s: p50 {p50:.1} ms, p95 {p95:.1} ms, p99 {p99:.1} ms")?;
        write!(f, "repeats at the simulator: {}", self.repeats)
    }
}
