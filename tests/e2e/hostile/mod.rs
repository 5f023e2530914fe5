//! Hostile input: what each gets, while others are served as ever and the daemon's memory stays within a bound.

mod crowds;
mod frames;
mod heads;
mod json;
mod paths;
mod places;
mod raw;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::task::JoinSet;

use crate::daemon::Dev;

/// What the daemon may have resident through all of it, in MiB: its start, and twice what it may have in flight.
const MEMORY_MIB: u64 = 400;

/// A daemon under attack: impatient, so that tests need not wait, and with one ordinary caller.
struct Target {
    dev: Dev,
    over: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    ordinary: JoinSet<()>,
}

impl Target {
    fn start() -> Self {
        Self::start_with(&[("HERALD__SERVER__HEADER_TIMEOUT_SECONDS", "3")])
    }

    fn start_with(more: &[(&str, &str)]) -> Self {
        let impatient = [
            ("RUST_LOG", "error"),
            ("HERALD__LIMITS__PER_ADDRESS", "1000000/s"),
            ("HERALD__SERVER__BODY_TIMEOUT_SECONDS", "3"),
            ("HERALD__SERVER__WRITE_TIMEOUT_SECONDS", "2"),
        ];
        let dev = Dev::start_with(&[&impatient, more].concat());
        dev.process.forget_peak();
        let (over, served) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let mut asking = JoinSet::new();
        asking.spawn(ordinary(dev.client.clone(), Arc::clone(&over), Arc::clone(&served)));
        Self { dev, over, served, ordinary: asking }
    }

    /// Where it listens.
    fn address(&self) -> String {
        self.dev.url.trim_start_matches("http://").to_owned()
    }

    /// Ends the attack: others were served through all of it, and are, and memory stayed within its bound.
    #[expect(clippy::print_stdout, reason = "the figures are worth knowing")]
    async fn unharmed(mut self) {
        self.dev.get("/v1/devices").await.expect(200);
        self.over.store(true, Ordering::SeqCst);
        self.ordinary.join_next().await.unwrap().unwrap();
        let (served, peak) = (self.served.load(Ordering::SeqCst), self.dev.process.peak_mib());
        println!("{served} ordinary requests served, at most {peak} MiB resident");
        assert!(served > 0);
        assert!(peak <= MEMORY_MIB, "{peak} MiB");
        assert!(self.dev.process.terminate().await.success());
    }
}

/// Asks all the time, and is always answered.
async fn ordinary(client: crate::daemon::Client, over: Arc<AtomicBool>, served: Arc<AtomicUsize>) {
    while !over.load(Ordering::SeqCst) {
        client.get("/v1/devices?limit=1").await.expect(200);
        served.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
}
