//! The file of what was wrong, one JSON object a line. It is there only if anything was.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;
use tokio::fs::{self, File, OpenOptions};
use tokio::io::AsyncWriteExt;

/// Where errors go.
pub(super) struct ErrorsFile {
    path: PathBuf,
    file: Option<File>,
    bytes: u64,
}

impl ErrorsFile {
    /// A new one: what another import left there is removed, where it is a file.
    pub(super) async fn begin(path: PathBuf) -> anyhow::Result<Self> {
        if fs::symlink_metadata(&path).await.is_ok_and(|about| about.is_file()) {
            fs::remove_file(&path).await.with_context(|| cannot(&path))?;
        }
        Ok(Self { path, file: None, bytes: 0 })
    }

    /// One that has so many bytes already; what came after them is told again.
    pub(super) async fn go_on(path: PathBuf, bytes: u64) -> anyhow::Result<Self> {
        if bytes == 0 {
            return Self::begin(path).await;
        }
        let open = async {
            let file = OpenOptions::new().append(true).open(&path).await?;
            file.set_len(bytes).await?;
            Ok::<_, std::io::Error>(file)
        };
        let file = open.await.with_context(|| cannot(&path))?;
        Ok(Self { path, file: Some(file), bytes })
    }

    /// Adds errors; they are in the file when this returns.
    pub(super) async fn write(&mut self, errors: &[Value]) -> anyhow::Result<()> {
        if errors.is_empty() {
            return Ok(());
        }
        let text: String = errors.iter().map(|error| error.to_string() + "\n").collect();
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(File::create(&self.path).await.with_context(|| cannot(&self.path))?),
        };
        let write = async {
            file.write_all(text.as_bytes()).await?;
            file.flush().await
        };
        write.await.with_context(|| cannot(&self.path))?;
        self.bytes += u64::try_from(text.len()).unwrap_or_default();
        Ok(())
    }

    /// It and its length.
    pub(super) fn place(&self) -> (PathBuf, u64) {
        (self.path.clone(), self.bytes)
    }

    /// It, if anything is in it.
    pub(super) fn written(&self) -> Option<&Path> {
        self.file.is_some().then_some(&self.path)
    }
}

fn cannot(path: &Path) -> String {
    format!("{} cannot be written", path.display())
}
