//! `herald bench`: what the path costs on this machine.

use clap::Args;
use serde_json::json;

use super::ending::Ending;
use super::output::Output;
use crate::bench::{self, Options, Servers};

/// Drive the whole path against the simulator, in processes of their own on loopback, and print rates, CPU and latency.
///
/// It keeps its data in a temporary folder and ends by itself. Run it from a release build.
#[derive(Args)]
pub(super) struct Arguments {
    /// Requests of one push each; as many again that are only accepted.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    notifications: usize,
    /// Devices of the audience.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    audience: usize,
    /// Requests under way at once.
    #[arg(long, value_name = "N", default_value_t = 128)]
    in_flight: usize,
    /// Requests whose latency is looked up.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    samples: usize,
    /// An empty PostgreSQL database in place of the embedded store, with --queue.
    #[arg(long, value_name = "URL", requires = "queue")]
    database: Option<String>,
    /// A Redis in place of the queue in the process, with --database.
    #[arg(long, value_name = "URL", requires = "database")]
    queue: Option<String>,
    /// Nodes that send, beside one that accepts and schedules; only with --database.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "database", value_parser = clap::value_parser!(u8).range(1..=64))]
    workers: u8,
}

pub(super) async fn run(arguments: Arguments, output: Output) -> anyhow::Result<Ending> {
    let Arguments { notifications, audience, in_flight, samples, database, queue, workers } = arguments;
    let servers = database.zip(queue).map(|(database, queue)| Servers { database, queue, workers: usize::from(workers) });
    let options = Options { notifications, audience, in_flight, samples, servers };
    let report = bench::run(options, |what| output.note(what)).await?;
    output.say(&report.to_string(), &json!(report));
    Ok(Ending::Done)
}
