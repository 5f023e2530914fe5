//! How far an import is, in a small file beside the imported one, so that it can go on after whatever stopped it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Context;
use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::Arguments;
use super::tally::Tally;
use crate::cli::client::Client;
use crate::cli::ending::WrongUsage;

/// Of the file's beginning, so much tells whether it is the same one, in bytes.
const BEGINNING: u64 = 64 * 1024;

/// What tells that a file is still the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    bytes: u64,
    modified_ms: u128,
    beginning_sha256: String,
}

impl Identity {
    /// The file's length.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    /// Bytes of the file that are done.
    pub(super) offset: u64,
    /// The line that follows.
    pub(super) line: u64,
    /// What it came to so far.
    pub(super) tally: Tally,
    /// Where errors go.
    pub(super) errors_path: PathBuf,
    /// How long that file is.
    pub(super) errors_bytes: u64,
}

/// What must be the same for an import to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Task {
    file: Identity,
    format: String,
    daemon: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    task: Task,
    state: State,
}

/// Where the state of one import is kept.
pub(super) struct Place {
    path: PathBuf,
    task: Task,
}

/// The name of a file with this behind it.
pub(super) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Opens a file to be imported, at its beginning.
pub(super) async fn open(path: &Path) -> std::io::Result<(File, Identity)> {
    let mut file = File::open(path).await?;
    let about = file.metadata().await?;
    let modified = about.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut beginning = Vec::new();
    (&mut file).take(BEGINNING).read_to_end(&mut beginning).await?;
    file.rewind().await?;
    let beginning_sha256 = hex::encode(digest(&SHA256, &beginning));
    Ok((file, Identity { bytes: about.len(), modified_ms: modified.as_millis(), beginning_sha256 }))
}

impl Place {
    pub(super) fn of(arguments: &Arguments, client: &Client, file: Identity) -> Self {
        let task = Task { file, format: arguments.format.name().to_owned(), daemon: client.address() };
        Self { path: beside(&arguments.file, ".import.json"), task }
    }

    /// How far an earlier import came; `None` where none stopped.
    pub(super) async fn load(&self) -> anyhow::Result<Option<State>> {
        let text = match fs::read(&self.path).await {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", self.path.display())),
        };
        let wrong = |what: &str| WrongUsage(format!("{} {what}; without --resume it begins anew", self.path.display()));
        let saved: Saved = serde_json::from_slice(&text).map_err(|_| wrong("does not tell how far an import is"))?;
        if saved.task.file != self.task.file {
            return Err(wrong("is of another file than the one that is there now").into());
        }
        if saved.task != self.task {
            return Err(wrong("is of an import in another format, or to another daemon").into());
        }
        Ok(Some(saved.state))
    }

    /// Keeps how far it is; whoever reads sees the old state or the new one.
    pub(super) async fn save(&self, state: State) -> anyhow::Result<()> {
        let saved = serde_json::to_vec(&Saved { task: self.task.clone(), state })?;
        let draft = beside(&self.path, ".new");
        let write = async {
            fs::write(&draft, saved).await?;
            fs::rename(&draft, &self.path).await
        };
        write.await.with_context(|| format!("{} cannot be written", self.path.display()))
    }

    /// It is done.
    pub(super) async fn forget(&self) -> anyhow::Result<()> {
        match fs::remove_file(&self.path).await {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{} cannot be removed", self.path.display()))
            }
            _ => Ok(()),
        }
    }
}
