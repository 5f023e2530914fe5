//! Categories that apps declared.

use async_trait::async_trait;

use super::Result;
use crate::domain::category::Category;
use crate::domain::id::AppId;

/// Categories by app.
#[async_trait]
pub trait Categories: Send + Sync {
    /// All of an app's, by name, in alphabetical order.
    async fn categories(&self, app: AppId) -> Result<Vec<(String, Category)>>;

    /// Declares one, or declares it anew; whether it was new.
    async fn put_category(&self, app: AppId, name: &str, category: &Category) -> Result<bool>;

    /// Takes one back; whether there was one.
    async fn delete_category(&self, app: AppId, name: &str) -> Result<bool>;
}
