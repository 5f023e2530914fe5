//! What Herald says of itself: the log, and the metrics that `/metrics` answers.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::prelude::*;

use crate::config::Log;

/// Histograms are drained this often; without it their samples pile up between two scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Seconds, from a memory access to a provider's worst minute.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// Starts the log on standard error: for people on a terminal, one JSON object a line otherwise.
pub fn start_log(settings: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.level).context("log.level")?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        registry.with(layer).try_init().context("the log is started already")
    } else {
        registry.with(layer.json().flatten_event(true).with_ansi(false)).try_init().context("the log is started already")
    }
}

/// The metrics of this process. Clones are the same.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Installs the recorder of this process; a second one is an error.
    pub fn install() -> anyhow::Result<Self> {
        let handle = builder()?.install_recorder().context("the metrics recorder cannot be installed")?;
        Ok(Self { handle })
    }

    /// Answers all metrics in Prometheus' text form.
    pub fn render(&self) -> Arc<dyn Fn() -> String + Send + Sync> {
        let handle = self.handle.clone();
        Arc::new(move || handle.render())
    }

    /// Keeps the recorder small until cancelled.
    pub fn upkeep(&self, tasks: &TaskTracker, cancel: &CancellationToken) {
        let (handle, cancel) = (self.handle.clone(), cancel.clone());
        drop(tasks.spawn(async move {
            while cancel.run_until_cancelled(tokio::time::sleep(UPKEEP)).await.is_some() {
                handle.run_upkeep();
            }
        }));
    }
}

fn builder() -> anyhow::Result<PrometheusBuilder> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .context("the buckets of the histograms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_of_seconds_have_buckets() {
        let recorder = builder().unwrap().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || metrics::histogram!("herald_send_seconds").record(0.2));
        let text = handle.render();
        assert!(text.contains("herald_send_seconds_bucket{le=\"0.25\"} 1"), "{text}");
    }
}
