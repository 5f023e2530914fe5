//! What an app stores under a name and may replace as a whole: categories, templates.

use crate::domain::Timestamp;

/// A definition as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<T> {
    /// Its name.
    pub name: String,
    /// What it says.
    pub definition: T,
    /// Grows with each change, and is never used again; the `ETag`.
    pub version: i64,
    /// When it was first stored.
    pub created_at: Timestamp,
}

/// What storing a definition came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put<T> {
    /// It is new.
    Created(Stored<T>),
    /// It was there.
    Updated(Stored<T>),
    /// `if_match` named another version, or there is none.
    Stale,
}
