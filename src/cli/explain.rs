//! `herald explain`: what the gate would decide, and why.

use clap::Args;
use serde_json::{Map, Value, json};

use super::client::Daemon;
use super::ending::Ending;
use super::output::{Column, Output};

/// Say what would become of a push to a user's devices, and why. Nothing is sent.
#[derive(Args)]
pub(super) struct Arguments {
    /// To all devices of this user.
    #[arg(long, required_unless_present = "device", conflicts_with = "device")]
    user: Option<String>,
    /// To this device.
    #[arg(long)]
    device: Option<String>,
    /// In this category.
    #[arg(long)]
    category: Option<String>,
    /// normal, high or critical.
    #[arg(long)]
    priority: Option<String>,
    /// At this instant, as 2026-12-01T09:00:00Z [default: now].
    #[arg(long, value_name = "INSTANT")]
    at: Option<String>,
    #[command(flatten)]
    daemon: Daemon,
}

const COLUMNS: &[Column] = &[
    ("DEVICE", "/device_id"),
    ("DECISION", "/decision"),
    ("REASON", "/reason"),
    ("UNTIL", "/until"),
    ("TIMEZONE", "/timezone"),
    ("LOCAL TIME", "/local_time"),
];

pub(super) async fn run(arguments: Arguments, output: Output) -> anyhow::Result<Ending> {
    let client = arguments.daemon.client().await?;
    let fields = [
        ("user_id", &arguments.user),
        ("device_id", &arguments.device),
        ("category", &arguments.category),
        ("priority", &arguments.priority),
        ("at", &arguments.at),
    ];
    let question: Map<String, Value> = fields.into_iter().filter_map(|(key, text)| Some((key.to_owned(), json!(text.as_ref()?)))).collect();
    let answer = client.post(&["v1", "explain"], &Value::Object(question)).await?;
    if output.is_json() {
        output.json(&answer);
    } else {
        let decisions = answer.get("decisions").and_then(Value::as_array).cloned().unwrap_or_default();
        output.list(&decisions, COLUMNS);
    }
    Ok(Ending::Done)
}
