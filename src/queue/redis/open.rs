//! Opening the queue: whether what is there will keep it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use uuid::Uuid;

use super::super::{Error, RedisUrl};
use super::listener::Listener;
use super::server::Server;
use super::shard::Shard;
use super::spare::Spare;
use super::{CLUSTER_SHARDS, LONE_SHARD, RedisQueue};

/// The first version that has all that is asked of it.
const OLDEST: (u32, u32) = (7, 0);

/// How to open it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it is.
    pub url: RedisUrl,
    /// A file with the password, where the URL has none.
    pub password_file: Option<PathBuf>,
    /// Root certificates to trust in place of the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// Entries that a stream holds at most.
    pub window: usize,
    /// What its keys begin with, inside their hash tag. Every node of one Herald has the same.
    pub prefix: String,
    /// How long a consumer with nothing pending has been idle before it is forgotten. Should it live, it comes back by itself.
    pub forget_after: Duration,
}

impl Options {
    /// Herald's keys at these servers.
    pub fn new(url: RedisUrl, window: usize) -> Self {
        Self { url, password_file: None, ca_file: None, window, prefix: "herald".to_owned(), forget_after: Duration::from_hours(1) }
    }
}

/// Why it cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file that is named cannot be read.
    #[error("{} cannot be read", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Nothing can be connected so.
    #[error("{url} cannot be used")]
    Unusable {
        /// Where.
        url: RedisUrl,
        /// Why.
        #[source]
        source: redis::RedisError,
    },
    /// It did not answer.
    #[error(transparent)]
    Away(#[from] Error),
    /// It would throw entries away, and the group with them.
    #[error(
        "{url} has the maxmemory-policy {policy} and would throw the queue away when memory runs out: set noeviction, \
         with `CONFIG SET maxmemory-policy noeviction` and in redis.conf"
    )]
    Evicts {
        /// Where.
        url: RedisUrl,
        /// The policy that it has.
        policy: String,
    },
    /// It lacks what is needed.
    #[error("{url} is version {version}; {}.{} or newer is needed", OLDEST.0, OLDEST.1)]
    Old {
        /// Where.
        url: RedisUrl,
        /// The version that it has.
        version: String,
    },
    /// One node of several is named.
    #[error("{url} is a node of a cluster: name several of its nodes")]
    OneOfMany {
        /// Where.
        url: RedisUrl,
    },
}

/// What can be known of a server before it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// It is fit.
    Fit,
    /// It does not let this user see its settings; `maxmemory-policy` must be `noeviction`.
    Hidden,
}

impl RedisQueue {
    /// Connects, and looks whether the server keeps what it is given. The streams come to be when they are first used.
    pub async fn open(options: &Options) -> Result<Self, OpenError> {
        let server = connect(options)?;
        if look(&server).await? == Looked::Hidden {
            tracing::warn!(queue = %options.url, "Redis does not tell its settings; its maxmemory-policy must be noeviction");
        }
        let consumer = Uuid::new_v4().simple().to_string();
        let numbers: &[usize] = if options.url.is_cluster() { &CLUSTER_SHARDS } else { &LONE_SHARD };
        let shards = numbers.iter().map(|number| (Shard::new(&options.prefix, *number, &consumer), Listener::default())).collect();
        Ok(Self {
            server: Arc::new(server),
            prefix: options.prefix.clone(),
            shards,
            spare: Spare::default(),
            window: options.window,
            forget_after: options.forget_after,
            turn: AtomicUsize::default(),
        })
    }

    /// Looks whether it could be opened.
    pub async fn inspect(options: &Options) -> Result<Looked, OpenError> {
        look(&connect(options)?).await
    }
}

fn connect(options: &Options) -> Result<Server, OpenError> {
    let read = |path: &Path| std::fs::read(path).map_err(|source| OpenError::File { path: path.to_owned(), source });
    let roots = options.ca_file.as_deref().map(read).transpose()?;
    let url = match &options.password_file {
        Some(path) => options.url.clone().with_password(String::from_utf8_lossy(&read(path)?).trim_end_matches(['\r', '\n'])),
        None => options.url.clone(),
    };
    Server::new(url, roots).map_err(|source| OpenError::Unusable { url: options.url.clone(), source })
}

async fn look(server: &Server) -> Result<Looked, OpenError> {
    let url = || server.url().clone();
    let infos = match server.infos().await {
        Err(fault) if fault.is_forbidden() => {
            server.ask::<()>(&redis::cmd("PING")).await.map_err(Error::from)?;
            return Ok(Looked::Hidden);
        }
        answer => answer.map_err(Error::from)?,
    };
    for info in &infos {
        let version = value(info, "redis_version").unwrap_or_default();
        if parse_version(version).is_some_and(|version| version < OLDEST) {
            return Err(OpenError::Old { url: url(), version: version.to_owned() });
        }
        if value(info, "cluster_enabled") == Some("1") && !server.url().is_cluster() {
            return Err(OpenError::OneOfMany { url: url() });
        }
        match value(info, "maxmemory_policy") {
            Some("noeviction") => {}
            Some(policy) => return Err(OpenError::Evicts { url: url(), policy: policy.to_owned() }),
            None => return Ok(Looked::Hidden),
        }
    }
    Ok(Looked::Fit)
}

/// A value of the lines `name:value` that INFO answers.
fn value<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_whole_name() {
        let info = "# Server\r\nredis_version:7.0.15\r\nredis_version_of_another:1\r\n\r\n# Memory\r\nmaxmemory_policy:noeviction\r\n";
        assert_eq!(value(info, "redis_version"), Some("7.0.15"));
        assert_eq!(value(info, "maxmemory_policy"), Some("noeviction"));
        assert_eq!(value(info, "redis"), None);
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        let is_old = |text: &str| parse_version(text).is_some_and(|version| version < OLDEST);
        assert!(is_old("6.2.14") && is_old("5.0"));
        assert!(!is_old("7.0.15") && !is_old("10.1.0") && !is_old("unstable"));
    }
}
