//! `--watch`: the counts of a notification until nothing of it waits any more.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::client::Client;
use super::counts::{self, Counts};
use super::ending::Ending;
use super::output::Output;
use super::send::show_one;

/// How often the daemon is asked.
const PACE: Duration = Duration::from_millis(200);

/// Follows a notification to its end. Done only if something was sent and nothing failed.
pub(super) async fn follow(client: &Client, id: &str, output: Output) -> anyhow::Result<Ending> {
    let ask = async || counts_of(&client.get(&["v1", "notifications", id], &[]).await?);
    let last = counts::follow(output, PACE, ask, |counts| matches!(counts.status.as_str(), "done" | "cancelled")).await?;
    show_one(client, id, output).await?;
    Ok(last.ending())
}

fn counts_of(notification: &Value) -> anyhow::Result<Counts> {
    let status = notification.get("status").and_then(Value::as_str).context("the daemon answered no status")?;
    Ok(Counts::new(status, notification.get("counts")))
}
