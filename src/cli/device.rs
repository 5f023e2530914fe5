//! `herald device`: the installations of an app.

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use super::client::Daemon;
use super::ending::Ending;
use super::import;
use super::output::{Column, Output};

/// Register, list, show, delete or import devices.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    daemon: Daemon,
}

#[derive(Subcommand)]
enum Action {
    Register(Registration),
    /// List the newest.
    List {
        /// Of this user only.
        #[arg(long)]
        user: Option<String>,
        /// ios, android or web.
        #[arg(long)]
        platform: Option<String>,
        /// active or inactive.
        #[arg(long)]
        status: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: usize,
    },
    /// Show one. Its token is never shown, only a hint to recognise it by.
    Show {
        /// The app's own installation id.
        device: String,
    },
    /// Delete one.
    Delete {
        /// The app's own installation id.
        device: String,
    },
    Import(import::Arguments),
}

/// Register a device, or change it: a flag that is absent leaves its field as it is.
#[derive(Args)]
struct Registration {
    /// The app's own installation id.
    device: String,
    /// Whose it is.
    #[arg(long)]
    user: Option<String>,
    /// What it runs on.
    #[arg(long, value_enum)]
    platform: Platform,
    /// Its push token; - reads it from standard input, where no list of processes shows it.
    #[arg(long)]
    token: Option<String>,
    /// Who carries pushes to it [default: by platform].
    #[arg(long)]
    provider: Option<String>,
    /// Apple's service, production or sandbox.
    #[arg(long)]
    environment: Option<String>,
    /// IANA name.
    #[arg(long)]
    timezone: Option<String>,
    /// BCP 47.
    #[arg(long)]
    locale: Option<String>,
    /// The app's version.
    #[arg(long)]
    app_version: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Platform {
    Ios,
    Android,
    Web,
}

const COLUMNS: &[Column] = &[
    ("DEVICE", "/device_id"),
    ("USER", "/user_id"),
    ("PLATFORM", "/platform"),
    ("PROVIDER", "/provider"),
    ("STATUS", "/status"),
    ("REASON", "/inactive_reason"),
    ("LAST SEEN", "/last_seen_at"),
];

const FIELDS: &[Column] = &[
    ("device", "/device_id"),
    ("user", "/user_id"),
    ("platform", "/platform"),
    ("provider", "/provider"),
    ("environment", "/environment"),
    ("token hint", "/token_hint"),
    ("other tokens", "/tokens"),
    ("permission", "/permission"),
    ("timezone", "/timezone"),
    ("locale", "/locale"),
    ("app version", "/app_version"),
    ("os version", "/os_version"),
    ("model", "/model"),
    ("tags", "/tags"),
    ("status", "/status"),
    ("  because", "/inactive_reason"),
    ("created at", "/created_at"),
    ("updated at", "/updated_at"),
    ("last seen at", "/last_seen_at"),
];

pub(super) async fn run(arguments: Arguments, output: Output) -> anyhow::Result<Ending> {
    let client = arguments.daemon.client().await?;
    match arguments.action {
        Action::Register(registration) => {
            let device = client.put(&["v1", "devices", &registration.device], &registration.body()?).await?;
            output.record(&device, FIELDS);
        }
        Action::List { user, platform, status, limit } => {
            let filters = [("user_id", user), ("platform", platform), ("status", status)];
            output.list(&client.list(&["v1", "devices"], &filters, limit).await?, COLUMNS);
        }
        Action::Show { device } => output.record(&client.get(&["v1", "devices", &device], &[]).await?, FIELDS),
        Action::Delete { device } => {
            drop(client.delete(&["v1", "devices", &device]).await?);
            output.say(&format!("deleted {device}"), &json!({ "device_id": device }));
        }
        Action::Import(arguments) => return import::run(arguments, &client, output).await,
    }
    Ok(Ending::Done)
}

impl Registration {
    fn body(&self) -> anyhow::Result<Value> {
        let platform = match self.platform {
            Platform::Ios => "ios",
            Platform::Android => "android",
            Platform::Web => "web",
        };
        let token = match self.token.as_deref() {
            Some("-") => Some(std::io::read_to_string(std::io::stdin()).context("standard input")?.trim().to_owned()),
            token => token.map(str::to_owned),
        };
        // A web push subscription is an object.
        let token = token.map(|text| serde_json::from_str(&text).ok().filter(Value::is_object).unwrap_or(Value::String(text)));
        let texts = [
            ("user_id", &self.user),
            ("provider", &self.provider),
            ("environment", &self.environment),
            ("timezone", &self.timezone),
            ("locale", &self.locale),
            ("app_version", &self.app_version),
        ];
        let mut body: Map<String, Value> =
            texts.into_iter().filter_map(|(key, text)| Some((key.to_owned(), json!(text.as_ref()?)))).collect();
        body.insert("platform".to_owned(), json!(platform));
        body.extend(token.map(|token| ("token".to_owned(), token)));
        Ok(Value::Object(body))
    }
}
