//! `herald lane`: the ways to the providers.

use clap::{Args, Subcommand};

use super::client::Daemon;
use super::ending::Ending;
use super::output::{Column, Output};

/// List the lanes to the providers, or let a paused one go on.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    daemon: Daemon,
}

#[derive(Subcommand)]
enum Action {
    /// List them, with the reasons of those that are paused.
    List,
    /// Let a provider's lanes go on, once what paused them is repaired.
    Resume {
        /// apns, fcm or webpush.
        provider: String,
    },
}

const COLUMNS: &[Column] = &[
    ("PROVIDER", "/provider"),
    ("ENVIRONMENT", "/environment"),
    ("PLATFORM", "/platform"),
    ("SERVICE", "/service"),
    ("STATE", "/state"),
    ("REASON", "/reason"),
    ("BREAKER", "/breaker"),
    ("PER_SECOND", "/per_second"),
    ("HELD_UNTIL", "/held_until"),
];

pub(super) async fn run(arguments: Arguments, output: Output) -> anyhow::Result<Ending> {
    let client = arguments.daemon.client().await?;
    if let Action::Resume { provider } = &arguments.action {
        drop(client.act(&["v1", "lanes", provider, "resume"]).await?);
    }
    let lanes = client.get(&["v1", "lanes"], &[]).await?;
    let items = lanes.get("items").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
    output.list(&items, COLUMNS);
    Ok(Ending::Done)
}
