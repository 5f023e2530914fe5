//! `herald device import`: a file of devices, sent while it is read.

use std::path::PathBuf;

use anyhow::Context;
use bytes::Bytes;
use clap::{Args, ValueEnum};
use futures_util::TryStreamExt;
use http_body_util::StreamBody;
use hyper::body::Frame;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Body;
use serde_json::Value;
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use super::client::Client;
use super::ending::Ending;
use super::output::{Output, cell};

/// Import devices from a file of one JSON object a line.
///
/// Good lines are taken though others are bad; the exit status is 0 only if all were good. Importing again changes nothing twice,
/// and never wakes a device that Herald deactivated.
#[derive(Args)]
pub(super) struct Arguments {
    /// The file.
    file: PathBuf,
    /// What the lines are: Herald's own device objects with `device_id`.
    #[arg(long, value_enum, default_value_t = Format::Herald)]
    format: Format,
    /// Check the lines and change nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Herald,
}

pub(super) async fn run(arguments: Arguments, client: &Client, output: Output) -> anyhow::Result<Ending> {
    let Format::Herald = arguments.format;
    let name = || format!("{} cannot be read", arguments.file.display());
    let file = File::open(&arguments.file).await.with_context(name)?;
    let bar = progress(file.metadata().await.with_context(name)?.len(), output);
    let reading = bar.clone();
    let frames = ReaderStream::with_capacity(file, 64 * 1024).map_ok(move |chunk: Bytes| {
        reading.inc(u64::try_from(chunk.len()).unwrap_or_default());
        Frame::data(chunk)
    });
    let query: &[_] = if arguments.dry_run { &[("dry_run", "true".to_owned())] } else { &[] };
    let answer = client.post_lines(&["v1", "devices", "import"], query, Body::wrap(StreamBody::new(frames))).await;
    bar.finish_and_clear();
    Ok(show(&answer?, output))
}

fn progress(length: u64, output: Output) -> ProgressBar {
    if !output.draws_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta} left") {
        bar.set_style(style);
    }
    bar
}

/// The counts, whatever they are called, then the first errors.
fn show(answer: &Value, output: Output) -> Ending {
    let errors = answer.get("errors").and_then(Value::as_array).cloned().unwrap_or_default();
    if output.is_json() {
        output.json(answer);
    } else {
        for (name, count) in answer.as_object().into_iter().flatten().filter(|(_, count)| count.is_number()) {
            output.line(&format!("{name:12} {count}"));
        }
        for error in &errors {
            let part = |pointer: &str| cell(error.pointer(pointer));
            output.line(&format!("line {}: {} {}", part("/line"), part("/field"), part("/message")));
        }
    }
    let failed = answer.get("failed").and_then(Value::as_u64).unwrap_or_default();
    if errors.is_empty() && failed == 0 { Ending::Done } else { Ending::Failed }
}
