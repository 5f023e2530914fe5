//! `herald key`: API keys, through a daemon, or on the store itself while there is no key to speak to a daemon with.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::client::{Client, Daemon};
use super::ending::{Ending, WrongUsage};
use super::output::{Column, Output, cell};

mod local;

/// Create, list, rotate or revoke API keys.
///
/// With --config FILE it works on the store itself, for the first key; --app then names the app.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    /// Work on the store of this configuration instead of through a daemon.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(flatten)]
    daemon: Daemon,
}

#[derive(Subcommand)]
enum Action {
    /// Create a key. It is shown this once.
    Create {
        /// What people call it.
        #[arg(long)]
        name: String,
        /// What it may do.
        #[arg(long, value_enum, value_delimiter = ',', required = true)]
        scopes: Vec<Scope>,
        /// From when on it is refused, as 2027-01-01T00:00:00Z [default: never].
        #[arg(long, value_name = "INSTANT")]
        expires_at: Option<String>,
    },
    /// List the keys, never their text.
    List,
    /// Make a key that takes the place of one, with its name, scopes and end. It is shown this once.
    Rotate {
        /// The id of the old key.
        id: String,
        /// How long the old key goes on, in seconds; 0: it is refused at once.
        #[arg(long, value_name = "SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(0..=2_592_000))]
        overlap_seconds: u32,
    },
    /// Take a key back.
    Revoke {
        /// Its id.
        id: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scope {
    /// Send notifications, report receipts.
    Send,
    /// Everything else that writes.
    Manage,
    /// Read.
    Read,
    /// Use `critical` priority and ignore quiet hours.
    Critical,
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("SCOPES", "/scopes"),
    ("EXPIRES", "/expires_at"),
    ("CREATED", "/created_at"),
    ("LAST_USED", "/last_used_at"),
];

pub(super) async fn run(arguments: Arguments, output: Output) -> anyhow::Result<Ending> {
    match &arguments.config {
        Some(file) => {
            let app = arguments.daemon.app.as_deref();
            let app = app.ok_or_else(|| WrongUsage("--config needs --app, which names the app of the key".to_owned()))?;
            let store = local::Keys::open(file, app).await?;
            match arguments.action {
                Action::Create { name, scopes, expires_at } => created(&store.create(name, &scopes, expires_at.as_deref()).await?, output),
                Action::List => output.list(&store.list().await?, COLUMNS),
                Action::Rotate { id, overlap_seconds } => created(&store.rotate(&id, overlap_seconds).await?, output),
                Action::Revoke { id } => {
                    store.revoke(&id).await?;
                    revoked(&id, output);
                }
            }
        }
        None => through_a_daemon(&arguments.daemon.client().await?, arguments.action, output).await?,
    }
    Ok(Ending::Done)
}

async fn through_a_daemon(client: &Client, action: Action, output: Output) -> anyhow::Result<()> {
    match action {
        Action::Create { name, scopes, expires_at } => {
            let scopes: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
            let mut body = json!({ "name": name, "scopes": scopes });
            if let (Some(body), Some(instant)) = (body.as_object_mut(), expires_at) {
                body.insert("expires_at".to_owned(), json!(instant));
            }
            created(&client.post(&["v1", "keys"], &body).await?, output);
        }
        Action::List => output.list(&client.list(&["v1", "keys"], &[], usize::MAX).await?, COLUMNS),
        Action::Rotate { id, overlap_seconds } => {
            let body = json!({ "overlap_seconds": overlap_seconds });
            created(&client.post(&["v1", "keys", &id, "rotate"], &body).await?, output);
        }
        Action::Revoke { id } => {
            drop(client.delete(&["v1", "keys", &id]).await?);
            revoked(&id, output);
        }
    }
    Ok(())
}

/// The one place where a key is shown.
fn created(answer: &Value, output: Output) {
    if output.is_json() {
        output.json(answer);
        return;
    }
    output.note(&format!("id {}; the key is shown this once:", cell(answer.pointer("/id"))));
    output.line(&cell(answer.pointer("/key")));
}

fn revoked(id: &str, output: Output) {
    output.say(&format!("revoked {id}"), &json!({ "id": id }));
}

impl Scope {
    fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Manage => "manage",
            Self::Read => "read",
            Self::Critical => "critical",
        }
    }
}
