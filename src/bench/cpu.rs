//! CPU time of processes and of the daemon's threads, as Linux counts it (proc(5); ticks of 10 ms).

use anyhow::Context;

use super::CpuPerItem;
use super::children::Children;

/// A tick of `utime` and `stime`, in microseconds: `USER_HZ` is 100 on every Linux.
const TICK_MICROS: f64 = 10_000.0;
/// How sqlx names the threads that run SQLite, as far as Linux keeps a name.
const STORE_THREADS: &str = "sqlx-sqlite";

/// How the servers' processes are named.
const SERVERS: [&str; 2] = ["(postgres)", "(redis-server)"];

/// CPU microseconds since each process began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cpu {
    daemon: f64,
    store: f64,
    simulator: f64,
    load: f64,
}

impl Cpu {
    pub(super) fn read(children: &Children) -> anyhow::Result<Self> {
        let (mut daemon, mut store) = (0.0, 0.0);
        for node in &children.nodes {
            let threads = threads(*node)?;
            daemon += process(&node.to_string())? - threads;
            store += threads;
        }
        if children.has_servers {
            store += servers()?;
        }
        Ok(Self { daemon, store, simulator: process(&children.simulator_pid.to_string())?, load: process("self")? })
    }

    pub(super) fn since(self, before: &Self) -> Self {
        Self {
            daemon: self.daemon - before.daemon,
            store: self.store - before.store,
            simulator: self.simulator - before.simulator,
            load: self.load - before.load,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub(super) fn per_item(self, items: usize) -> CpuPerItem {
        let items = items.max(1) as f64;
        CpuPerItem { daemon: self.daemon / items, store: self.store / items, simulator: self.simulator / items, load: self.load / items }
    }
}

fn process(pid: &str) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    micros(&stat).with_context(|| format!("{path} is not as expected"))
}

/// Every process of PostgreSQL and Redis. Backends that end meanwhile take what they used with them into their parent's count.
fn servers() -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for entry in std::fs::read_dir("/proc")? {
        let Ok(stat) = std::fs::read_to_string(entry?.path().join("stat")) else { continue };
        if SERVERS.iter().any(|name| stat.contains(name)) {
            sum += micros(&stat).unwrap_or_default();
        }
    }
    Ok(sum)
}

/// The store's threads of a process.
fn threads(pid: u32) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // a thread may end between the listing and the look
        let Ok(stat) = std::fs::read_to_string(thread?.path().join("stat")) else { continue };
        if stat.split_once('(').is_some_and(|(_, rest)| rest.starts_with(STORE_THREADS)) {
            sum += micros(&stat).unwrap_or_default();
        }
    }
    Ok(sum)
}

/// `utime` and `stime`, fields 14 and 15; the name before them may hold anything but ends with the last `)`.
fn micros(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) * TICK_MICROS)
}

/// The highest resident memory of a process, in MiB.
pub(super) fn peak_mib(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_is_passed_over() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 1 0 100 0 0";
        assert_eq!(micros(stat), Some(2_000_000.0));
        assert_eq!(micros("nonsense"), None);
    }
}
