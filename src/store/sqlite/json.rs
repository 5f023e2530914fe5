//! Lists handed to a statement as one JSON text: the statement's text stays the same whatever their length.

use std::fmt::{Display, Write};

use crate::domain::id::NotificationId;

/// An array, written item by item.
pub(super) struct List(String);

impl List {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self("[".to_owned())
    }

    /// Of numbers.
    pub(super) fn of<T: Display>(items: impl IntoIterator<Item = T>) -> String {
        let mut list = Self::new();
        for item in items {
            list.push(item);
        }
        list.finish()
    }

    /// Of notifications, in hex.
    pub(super) fn of_notifications<'n>(ids: impl IntoIterator<Item = &'n NotificationId>) -> String {
        Self::of(ids.into_iter().map(|id| format!("\"{}\"", id.0.simple())))
    }

    /// Of texts.
    pub(super) fn of_texts<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
        Self::of(texts.into_iter().map(serde_json::Value::from))
    }

    /// Adds what writes itself as JSON.
    pub(super) fn push(&mut self, item: impl Display) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        let written = write!(self.0, "{item}");
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }

    /// The text.
    pub(super) fn finish(mut self) -> String {
        self.0.push(']');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_json() {
        assert_eq!(List::of([1, 2]), "[1,2]");
        assert_eq!(List::of_texts(["a\"b", "c"]), r#"["a\"b","c"]"#);
        assert_eq!(List::of::<i64>([]), "[]");
    }
}
