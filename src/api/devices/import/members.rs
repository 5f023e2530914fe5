//! The members of a device object while they are put together from another form.

use serde_json::{Map, Value};

/// A device object in the making, by the names of the API.
#[derive(Debug, Default)]
pub(super) struct Members(Map<String, Value>);

impl Members {
    /// Sets a member, if there is a value for it.
    pub(super) fn set(&mut self, name: &str, value: Option<impl Into<Value>>) -> &mut Self {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
        self
    }

    /// Sets a member of a member that is an object.
    pub(super) fn set_in(&mut self, name: &str, inner: &str, value: impl Into<Value>) -> &mut Self {
        let object = self.0.entry(name).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(members) = object {
            members.insert(inner.to_owned(), value.into());
        }
        self
    }

    /// The object's JSON.
    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).unwrap_or_default()
    }
}
