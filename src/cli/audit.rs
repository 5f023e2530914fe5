//! `herald audit`: who changed what.

use clap::{Args, Subcommand};

use super::client::Daemon;
use super::ending::Ending;
use super::output::{Column, Output};

/// List who changed what of the app, and how it ended.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    daemon: Daemon,
}

#[derive(Subcommand)]
enum Action {
    /// List the latest acts.
    List {
        /// Of this operation only, as `create_key`.
        #[arg(long)]
        act: Option<String>,
        /// By the key of this id only.
        #[arg(long, value_name = "ID")]
        key_id: Option<String>,
        /// From this instant on, as 2027-01-01T00:00:00Z.
        #[arg(long, value_name = "INSTANT")]
        from: Option<String>,
        /// Before this instant.
        #[arg(long, value_name = "INSTANT")]
        to: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: usize,
    },
}

const COLUMNS: &[Column] = &[
    ("AT", "/at"),
    ("ACTOR", "/actor"),
    ("KEY", "/key_name"),
    ("KEY_ID", "/key_id"),
    ("ACT", "/act"),
    ("OBJECT", "/object"),
    ("STATUS", "/status"),
    ("REQUEST", "/request_id"),
];

pub(super) async fn run(arguments: Arguments, output: Output) -> anyhow::Result<Ending> {
    let client = arguments.daemon.client().await?;
    match arguments.action {
        Action::List { act, key_id, from, to, limit } => {
            let filters = [("act", act), ("key_id", key_id), ("from", from), ("to", to)];
            output.list(&client.list(&["v1", "audit"], &filters, limit).await?, COLUMNS);
        }
    }
    Ok(Ending::Done)
}
