//! `[queue]`: the ready window, in the process or in Redis.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use crate::queue::{RedisUrl, UrlError};

/// `[queue]`: the ready window.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Queue {
    /// Which queue.
    pub url: QueueUrl,
    /// A file with the password to Redis, where the URL has none.
    pub password_file: Option<PathBuf>,
    /// Root certificates to trust for `rediss://` in place of the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// Entries that are ready at once; the rest waits in the store. 100 to 1 000 000.
    pub window: usize,
}

impl Default for Queue {
    fn default() -> Self {
        Self { url: QueueUrl::Embedded, password_file: None, ca_file: None, window: 10_000 }
    }
}

/// Which queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueUrl {
    /// In the process.
    Embedded,
    /// In one Redis server, or in a cluster.
    Redis(RedisUrl),
}

impl<'de> Deserialize<'de> for QueueUrl {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(QueueUrlVisitor)
    }
}

struct QueueUrlVisitor;

impl<'de> Visitor<'de> for QueueUrlVisitor {
    type Value = QueueUrl;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, or a list of a cluster's nodes")
    }

    fn visit_str<E: Error>(self, url: &str) -> Result<QueueUrl, E> {
        if url == "embedded" {
            return Ok(QueueUrl::Embedded);
        }
        RedisUrl::parse(url).map(QueueUrl::Redis).map_err(|error| match error {
            UrlError::Form => E::custom(format!("must be \"embedded\", or {}", error.to_string().trim_start_matches("must "))),
            error => E::custom(error),
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut nodes: A) -> Result<QueueUrl, A::Error> {
        let mut urls: Vec<String> = Vec::new();
        while let Some(url) = nodes.next_element()? {
            urls.push(url);
        }
        RedisUrl::parse_all(urls.iter().map(String::as_str)).map(QueueUrl::Redis).map_err(A::Error::custom)
    }
}
