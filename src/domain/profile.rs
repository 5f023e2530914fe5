//! What the backend says of a person: tags for segments and templates, and the locale they read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Tags of a device or a person, by name. Values are texts, numbers, or true or false.
pub type Tags = BTreeMap<String, serde_json::Value>;

/// A person's profile document. What is absent is at its default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// Their own tags, beside those of their devices.
    pub tags: Tags,
    /// BCP 47; a device's own goes before it.
    pub locale: Option<String>,
}
