//! `herald check`: whether a daemon could start and send.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::ending::Ending;
use super::output::Output;
use crate::{app, config};

/// Check the configuration, the store, the queue and whether the providers take the credentials, without serving or sending to anybody.
#[derive(Args)]
pub(super) struct Arguments {
    /// The configuration [default: config/herald.toml where it is there].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments, output: Output) -> anyhow::Result<Ending> {
    let settings = config::load(arguments.config.as_deref())?;
    let mut findings = vec![app::Finding::of("configuration", Ok(None))];
    findings.extend(app::check(&settings).await);
    if output.is_json() {
        let items: Vec<_> =
            findings.iter().map(|finding| json!({ "what": finding.what, "fault": finding.fault, "note": finding.note })).collect();
        output.json(&json!({ "items": items }));
    } else {
        for finding in &findings {
            let told = match (&finding.fault, &finding.note) {
                (Some(fault), _) => fault.clone(),
                (None, Some(note)) => format!("ok ({note})"),
                (None, None) => "ok".to_owned(),
            };
            output.line(&format!("{}: {told}", finding.what));
        }
    }
    let is_good = findings.iter().all(|finding| finding.fault.is_none());
    Ok(if is_good { Ending::Done } else { Ending::Failed })
}
