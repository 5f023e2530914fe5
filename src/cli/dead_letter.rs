//! `herald dead-letter`: what nobody tries any more.

use clap::{Args, Subcommand};

use super::client::Daemon;
use super::ending::Ending;
use super::output::{Column, Output};

/// List, show or retry what was tried in vain so often that it is left alone.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    daemon: Daemon,
}

#[derive(Subcommand)]
enum Action {
    /// List the last that were given up.
    List {
        /// At most so many.
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: usize,
    },
    /// Show one.
    Show {
        /// Its id.
        id: String,
    },
    /// Try one again, once what did harm is repaired.
    Retry {
        /// Its id.
        id: String,
    },
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("NOTIFICATION", "/notification_id"),
    ("DEVICE", "/device_id"),
    ("USER", "/user_id"),
    ("TAKES", "/takes"),
    ("ATTEMPTS", "/attempts"),
    ("DIED", "/died_at"),
    ("EXPIRES", "/expires_at"),
];

pub(super) async fn run(arguments: Arguments, output: Output) -> anyhow::Result<Ending> {
    let client = arguments.daemon.client().await?;
    match arguments.action {
        Action::List { limit } => output.list(&client.list(&["v1", "dead-letters"], &[], limit).await?, COLUMNS),
        Action::Show { id } => output.record(&client.get(&["v1", "dead-letters", &id], &[]).await?, COLUMNS),
        Action::Retry { id } => output.record(&client.act(&["v1", "dead-letters", &id, "retry"]).await?, COLUMNS),
    }
    Ok(Ending::Done)
}
