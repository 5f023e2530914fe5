//! Templates that apps stored.

use async_trait::async_trait;

use super::Result;
use super::definition::{Put, Stored};
use crate::domain::id::AppId;
use crate::domain::template::Template;

/// A template as it is stored.
pub type StoredTemplate = Stored<Template>;
/// What storing a template came to.
pub type TemplatePut = Put<Template>;

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
