//! The audit log: who changed what of an app, by which request, and how it ended.
//!
//! An act is written before it is done, and how it ended afterwards. So nothing is done that is not in the log; an act whose end is not
//! there may have been done or not, since its node ended, or the store was away, before that could be written.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::{Page, PageRequest, Result};
use crate::domain::Timestamp;
use crate::domain::id::AppId;

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Someone with an API key of the store.
    Key {
        /// The key's id.
        id: Uuid,
        /// Its name then.
        name: String,
    },
    /// Someone with the key that `herald dev` makes for itself.
    BuiltIn,
    /// Someone on the store itself, by the command line.
    Local,
}

/// An act that is about to be done. Nothing in it is content, secret, or personal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAct {
    /// Its id, a `UUIDv7`.
    pub id: Uuid,
    /// Who does it.
    pub actor: Actor,
    /// The id of the request.
    pub request_id: Option<String>,
    /// What is done: the operation's id in the OpenAPI document.
    pub act: String,
    /// What it is done to, as far as that is known before.
    pub object: Option<String>,
}

/// An act as the log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// What was known before.
    pub begun: NewAct,
    /// When it began, by the store's clock.
    pub at: Timestamp,
    /// The HTTP status of the answer, or what it would have been; `None`: how it ended was not written.
    pub status: Option<u16>,
}

/// Which acts are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of this operation.
    pub act: Option<String>,
    /// By this key.
    pub key: Option<Uuid>,
    /// Begun at or after.
    pub from: Option<Timestamp>,
    /// Begun before.
    pub to: Option<Timestamp>,
}

/// The acts of each app.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Writes that an act begins.
    async fn begin_act(&self, app: AppId, act: &NewAct) -> Result<()>;

    /// Writes how it ended, and to what it was done where that is known only now.
    async fn end_act(&self, app: AppId, id: Uuid, status: u16, object: Option<&str>) -> Result<()>;

    /// The latest first.
    async fn acts(&self, app: AppId, filter: &AuditFilter, page: &PageRequest) -> Result<Page<Act>>;

    /// Forgets the acts of all apps that began longer ago.
    async fn prune_acts(&self, kept: Duration) -> Result<()>;
}

impl Actor {
    /// The word for it in the store and in the API: `key`, `built_in` or `local`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Key { .. } => "key",
            Self::BuiltIn => "built_in",
            Self::Local => "local",
        }
    }

    /// The key's id and name, where it is one of the store.
    pub fn key(&self) -> Option<(Uuid, &str)> {
        match self {
            Self::Key { id, name } => Some((*id, name)),
            Self::BuiltIn | Self::Local => None,
        }
    }

    /// From what the store has.
    pub(super) fn read(word: &str, id: Option<Uuid>, name: Option<String>) -> Option<Self> {
        match (word, id, name) {
            ("key", Some(id), Some(name)) => Some(Self::Key { id, name }),
            ("built_in", None, None) => Some(Self::BuiltIn),
            ("local", None, None) => Some(Self::Local),
            _ => None,
        }
    }
}
