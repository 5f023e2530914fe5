//! `herald notification`: what became of notifications.

use clap::{Args, Subcommand};

use super::client::Daemon;
use super::ending::Ending;
use super::output::{Column, Output};
use super::send::show_one;

/// Show, list or cancel notifications.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    daemon: Daemon,
}

#[derive(Subcommand)]
enum Action {
    /// Show one, with its counts and their reasons.
    Show {
        /// Its id.
        id: String,
        /// Show what became of it at each device instead.
        #[arg(long)]
        deliveries: bool,
    },
    /// List the newest.
    List {
        /// Of this status only.
        #[arg(long)]
        status: Option<String>,
        /// Of this category only.
        #[arg(long)]
        category: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: usize,
    },
    /// Cancel what has not been sent.
    Cancel {
        /// Its id.
        id: String,
    },
}

const COLUMNS: &[Column] = &[("ID", "/id"), ("STATUS", "/status"), ("CATEGORY", "/category"), ("ACCEPTED", "/accepted_at")];

const DELIVERIES: &[Column] = &[
    ("DEVICE", "/device_id"),
    ("USER", "/user_id"),
    ("PROVIDER", "/provider"),
    ("STATUS", "/status"),
    ("REASON", "/reason"),
    ("ATTEMPTS", "/attempts"),
    ("UPDATED", "/updated_at"),
];

pub(super) async fn run(arguments: Arguments, output: Output) -> anyhow::Result<Ending> {
    let client = arguments.daemon.client().await?;
    match arguments.action {
        Action::Show { id, deliveries: false } => show_one(&client, &id, output).await?,
        Action::Show { id, deliveries: true } => {
            let items = client.list(&["v1", "notifications", &id, "deliveries"], &[], usize::MAX).await?;
            output.list(&items, DELIVERIES);
        }
        Action::List { status, category, limit } => {
            let items = client.list(&["v1", "notifications"], &[("status", status), ("category", category)], limit).await?;
            output.list(&items, COLUMNS);
        }
        Action::Cancel { id } => {
            drop(client.delete(&["v1", "notifications", &id]).await?);
            show_one(&client, &id, output).await?;
        }
    }
    Ok(Ending::Done)
}
