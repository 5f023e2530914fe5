//! Categories that apps declared.

use async_trait::async_trait;

use super::Result;
use super::definition::{Put, Stored};
use crate::domain::category::Category;
use crate::domain::id::AppId;

/// A category as it was declared.
pub type Declared = Stored<Category>;
/// What a declaration came to.
pub type Declaration = Put<Category>;

/// Categories by app.
#[async_trait]
pub trait Categories: Send + Sync {
    /// All of an app's, by name, in alphabetical order.
    async fn categories(&self, app: AppId) -> Result<Vec<(String, Category)>>;

    /// All of an app's, newest first.
    async fn declared(&self, app: AppId) -> Result<Vec<Declared>>;

    /// One of them.
    async fn category(&self, app: AppId, name: &str) -> Result<Option<Declared>>;

    /// Declares one, or declares it anew.
    async fn put_category(&self, app: AppId, name: &str, category: &Category, if_match: Option<i64>) -> Result<Declaration>;

    /// Takes one back; whether there was one.
    async fn delete_category(&self, app: AppId, name: &str) -> Result<bool>;
}
