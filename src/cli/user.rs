//! `herald user`: what concerns one person.

use clap::{Args, Subcommand};
use serde_json::json;

use super::client::Daemon;
use super::ending::Ending;
use super::output::Output;

/// Sign a user out everywhere.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    daemon: Daemon,
}

#[derive(Subcommand)]
enum Action {
    /// Revoke all client tokens of a user, on all devices.
    RevokeTokens {
        /// The user.
        user: String,
    },
}

pub(super) async fn run(arguments: Arguments, output: Output) -> anyhow::Result<Ending> {
    let client = arguments.daemon.client().await?;
    match arguments.action {
        Action::RevokeTokens { user } => {
            client.delete(&["v1", "users", &user, "client-tokens"]).await?;
            output.say(&format!("revoked all client tokens of {user}"), &json!({ "user_id": user }));
        }
    }
    Ok(Ending::Done)
}
