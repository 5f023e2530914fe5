//! Templates: words with blanks, and what fills them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::content::{Content, Interruption};

/// What a caller gives to fill a template's blanks, by name.
pub type Variables = Map<String, Value>;

/// The variables of one user, those for everybody included: at most so many bytes as JSON. No provider takes a payload as long.
pub const MAX_VARIABLES: usize = 8 * 1024;
/// One text of a template, at most, in bytes.
pub const MAX_TEXT: usize = 8 * 1024;
/// Names that a template sees besides its variables, or that are part of its language: no variable may have one.
pub const RESERVED: [&str; 8] = ["user_id", "user", "device", "locale", "platform", "variables", "loop", "range"];

/// Words whose texts are templates, as an app stored them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Template {
    /// The default words.
    pub content: Content,
    /// Words over `content`, by locale.
    pub localized: BTreeMap<String, Content>,
}

impl Template {
    /// Every set of words.
    pub fn contents(&self) -> impl Iterator<Item = &Content> {
        std::iter::once(&self.content).chain(self.localized.values())
    }

    /// Every set of words with its place: `content`, `localized.fr`.
    pub fn places(&self) -> impl Iterator<Item = (String, &Content)> {
        let localized = self.localized.iter().map(|(tag, content)| (format!("localized.{tag}"), content));
        std::iter::once(("content".to_owned(), &self.content)).chain(localized)
    }

    /// Whether any of it asks for Apple's critical alert.
    pub fn is_critical(&self) -> bool {
        self.contents().any(|content| content.interruption == Some(Interruption::Critical))
    }
}

/// A template as a notification uses it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UsedTemplate {
    /// Its id.
    pub id: String,
    /// Its words at the moment of acceptance: what is stored anew later changes nothing that was accepted.
    pub words: Template,
    /// For everybody.
    #[serde(default)]
    pub variables: Variables,
    /// Over those, by `user_id`.
    #[serde(default)]
    pub per_user: BTreeMap<String, Variables>,
}

impl UsedTemplate {
    /// The variables of a user; without one, or of one who has none of their own, those for everybody.
    pub fn variables_of(&self, user: Option<&str>) -> Variables {
        let mut variables = self.variables.clone();
        if let Some(own) = user.and_then(|user| self.per_user.get(user)) {
            variables.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        variables
    }
}
