//! Segments: which devices are meant, told by what is known of them and of their people.
//!
//! A segment is a tree of conditions. [`Segment::parse`] reads it from JSON with an error for each node that is wrong, and [`Segment::to_json`] writes the
//! same again. [`Segment::matches`] is what it means; stores that answer for many devices at once are held to it by tests.

mod facts;
mod json;
mod operand;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Timestamp;
use super::profile::Tags;

pub use facts::Facts;
pub use json::SegmentError;
pub use operand::{Moment, Operand, as_double};

/// How deep a segment may be: nodes from its root to a leaf.
pub const MAX_DEPTH: usize = 32;
/// How many leaves a segment may have.
pub const MAX_LEAVES: usize = 1_000;
/// How many values a list of `in` may have.
pub const MAX_VALUES: usize = 10_000;

/// A condition on a device and its person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Every device.
    Everyone,
    /// All of these; never empty.
    All(Vec<Segment>),
    /// At least one of these; never empty.
    Any(Vec<Segment>),
    /// The plain complement.
    Not(Box<Segment>),
    /// One field.
    Leaf(Leaf),
}

/// A condition on one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Which one.
    pub field: Field,
    /// What is to be true of it.
    pub test: Test,
}

/// What can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `ios`, `android` or `web`.
    Platform,
    /// The device's own, as the app gave it.
    Locale,
    /// The device's own, as the app gave it.
    Timezone,
    /// The app's version; compared as a version, but its prefixes are those of the text.
    AppVersion,
    /// The system's version; likewise.
    OsVersion,
    /// The hardware.
    Model,
    /// The last authenticated call of the phone.
    LastSeenAt,
    /// The first registration.
    CreatedAt,
    /// One of the device's tags.
    Tag(String),
    /// One of its user's tags.
    UserTag(String),
}

/// What is to be true of a field. One that is absent, or of another type than the operand, passes `Ne` and `Exists(false)` only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// `exists`
    Exists(bool),
    /// `eq`, `lt`, `lte`, `gt`, `gte`; `ne` is whatever is not `eq`.
    Compare(Comparison, Operand),
    /// `in`: one of these; never empty.
    In(Vec<Operand>),
    /// `prefix`: the text begins so, byte by byte.
    Prefix(String),
}

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The same.
    Eq,
    /// Not the same, or not there.
    Ne,
    /// Less. Texts are compared byte by byte.
    Lt,
    /// Less or the same.
    Lte,
    /// Greater.
    Gt,
    /// Greater or the same.
    Gte,
}

impl Segment {
    /// Whether the device is meant by an audience that is taken at an instant.
    pub fn matches(&self, facts: &Facts<'_>, as_of: Timestamp) -> bool {
        match self {
            Self::Everyone => true,
            Self::All(parts) => parts.iter().all(|part| part.matches(facts, as_of)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(facts, as_of)),
            Self::Not(part) => !part.matches(facts, as_of),
            Self::Leaf(leaf) => leaf.matches(facts, as_of),
        }
    }

    /// How many conditions it has: what it costs to ask of one device.
    pub fn leaves(&self) -> usize {
        match self {
            Self::Everyone | Self::Leaf(_) => 1,
            Self::All(parts) | Self::Any(parts) => parts.iter().map(Self::leaves).sum(),
            Self::Not(part) => part.leaves(),
        }
    }
}

impl Leaf {
    fn matches(&self, facts: &Facts<'_>, as_of: Timestamp) -> bool {
        match &self.test {
            Test::Exists(expected) => facts.has(&self.field) == *expected,
            Test::Compare(Comparison::Ne, operand) => !operand.is(Comparison::Eq, &self.field, facts, as_of),
            Test::Compare(comparison, operand) => operand.is(*comparison, &self.field, facts, as_of),
            Test::In(operands) => operands.iter().any(|operand| operand.is(Comparison::Eq, &self.field, facts, as_of)),
            Test::Prefix(start) => facts.text(&self.field).is_some_and(|text| text.starts_with(start.as_str())),
        }
    }
}

impl Serialize for Segment {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Segment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(from)?;
        let first = |errors: Vec<SegmentError>| errors.into_iter().next().map(|error| serde::de::Error::custom(error.to_string()));
        Self::parse(&value, "segment").map_err(|errors| first(errors).unwrap_or_else(|| serde::de::Error::custom("is no segment")))
    }
}

/// A tag, where there is one.
fn tag<'a>(tags: &'a Tags, name: &str) -> Option<&'a serde_json::Value> {
    tags.get(name).filter(|value| !value.is_null())
}
