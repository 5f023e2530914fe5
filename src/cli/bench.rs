//! `herald bench`: what the path costs on this machine.

use clap::Args;
use serde_json::json;

use super::ending::Ending;
use super::output::Output;
use crate::bench::{self, Options};

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
}

pub(super) async fn run(arguments: Arguments, output: Output) -> anyhow::Result<Ending> {
    let Arguments { notifications, audience, in_flight, samples } = arguments;
    let options = Options { notifications, audience, in_flight, samples };
    let report = bench::run(options, |what| output.note(what)).await?;
    output.say(&report.to_string(), &json!(report));
    Ok(Ending::Done)
}
