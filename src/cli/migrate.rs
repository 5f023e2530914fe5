//! `herald migrate`: brings the store to this version.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::ending::Ending;
use super::output::Output;
use crate::{app, config};

/// Bring the store to this version. `herald serve` does it as well when it starts.
#[derive(Args)]
pub(super) struct Arguments {
    /// The configuration [default: config/herald.toml where it is there].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments, output: Output) -> anyhow::Result<Ending> {
    let settings = config::load(arguments.config.as_deref())?;
    let version = app::migrate(&settings).await?;
    output.say(&format!("the store is at version {version}"), &json!({ "version": version }));
    Ok(Ending::Done)
}
