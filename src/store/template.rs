//! Templates that apps stored.

use async_trait::async_trait;

use super::Result;
use crate::domain::Timestamp;
use crate::domain::id::AppId;
use crate::domain::template::Template;

/// A template as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTemplate {
    /// Its name.
    pub name: String,
    /// Its words.
    pub template: Template,
    /// Grows with each change, and is never used again; the `ETag`.
    pub version: i64,
    /// When it was first stored.
    pub created_at: Timestamp,
}

/// What storing a template came to.
#[derive(Clone, Debug, PartialEq)]
pub enum TemplatePut {
    /// It is new.
    Created(StoredTemplate),
    /// It was there.
    Updated(StoredTemplate),
    /// `if_match` named another version, or there is none.
    Stale,
}

/// Templates by app.
#[async_trait]
pub trait Templates: Send + Sync {
    /// All of an app's, newest first.
    async fn templates(&self, app: AppId) -> Result<Vec<StoredTemplate>>;

    /// One of them.
    async fn template(&self, app: AppId, name: &str) -> Result<Option<StoredTemplate>>;

    /// Stores one, or stores it anew.
    async fn put_template(&self, app: AppId, name: &str, template: &Template, if_match: Option<i64>) -> Result<TemplatePut>;

    /// Deletes one; whether there was one.
    async fn delete_template(&self, app: AppId, name: &str) -> Result<bool>;
}
