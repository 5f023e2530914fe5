//! `herald user`: what is held of a person, and their sign-ins.

use clap::{Args, Subcommand};
use serde_json::json;

use super::client::Daemon;
use super::ending::Ending;
use super::output::{Column, Output};

/// Show, export or erase what is held of a user, or sign them out everywhere.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    daemon: Daemon,
}

#[derive(Subcommand)]
enum Action {
    /// Show a user's tags and locale.
    Show {
        /// The user, as the app calls them.
        user: String,
    },
    /// Print all that is held of a user as one JSON document. Tokens are not in it, only hints to recognise them by.
    Export {
        /// The user, as the app calls them.
        user: String,
    },
    /// Forget a user for good: devices, preferences, contacts, tags, subscriptions. What was sent stays counted, without a name.
    Erase {
        /// The user, as the app calls them.
        user: String,
    },
    /// Revoke all client tokens of a user, on all devices.
    RevokeTokens {
        /// The user, as the app calls them.
        user: String,
    },
}

const FIELDS: &[Column] = &[("tags", "/tags"), ("locale", "/locale")];

pub(super) async fn run(arguments: Arguments, output: Output) -> anyhow::Result<Ending> {
    let client = arguments.daemon.client().await?;
    match &arguments.action {
        Action::Show { user } => output.record(&client.get(&["v1", "users", user], &[]).await?, FIELDS),
        Action::Export { user } => output.json(&client.get(&["v1", "users", user, "export"], &[]).await?),
        Action::Erase { user } => {
            drop(client.delete(&["v1", "users", user]).await?);
            output.say(&format!("erased {user}"), &json!({ "user_id": user }));
        }
        Action::RevokeTokens { user } => {
            drop(client.delete(&["v1", "users", user, "client-tokens"]).await?);
            output.say(&format!("revoked all client tokens of {user}"), &json!({ "user_id": user }));
        }
    }
    Ok(Ending::Done)
}
