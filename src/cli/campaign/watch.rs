//! `herald campaign watch`: the counts of a campaign until it is done, or held, or given up.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::stats;
use crate::cli::client::Client;
use crate::cli::counts::{self, Counts};
use crate::cli::ending::Ending;
use crate::cli::output::Output;

/// How often the daemon is asked.
const PACE: Duration = Duration::from_millis(500);

/// Follows a campaign while it may go on by itself. Done only if it is, something was sent and nothing failed.
pub(super) async fn follow(client: &Client, id: &str, output: Output) -> anyhow::Result<Ending> {
    let ask = async || {
        let campaign = client.get(&["v1", "campaigns", id], &[]).await?;
        let status = campaign.get("status").and_then(Value::as_str).context("the daemon answered no status")?;
        let stats = client.get(&["v1", "campaigns", id, "stats"], &[]).await?;
        Ok(Counts::new(status, stats.get("counts")))
    };
    let last = counts::follow(output, PACE, ask, |counts| !matches!(counts.status.as_str(), "scheduled" | "running")).await?;
    stats::show(&client.get(&["v1", "campaigns", id, "stats"], &[]).await?, output);
    Ok(if last.status == "done" { last.ending() } else { Ending::Failed })
}
