//! What a field is compared with.

use std::cmp::Ordering;

use chrono::TimeDelta;
use serde_json::{Number, Value};

use super::{Comparison, Facts, Field};
use crate::domain::Timestamp;
use crate::domain::version::Version;

/// A value of the type that the field has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Compared byte by byte.
    Text(String),
    /// Compared as a version; as it was written.
    Version(String),
    /// Compared as a double, as JSON numbers are (RFC 8259, section 6): beyond 2^53 neighbours are the same.
    Number(Number),
    /// Only compared for being the same.
    Bool(bool),
    /// Of an instant.
    Moment(Moment),
}

/// An instant, or one told by when the audience is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// That one, in microseconds.
    At(Timestamp),
    /// So many times 24 hours before the audience is taken.
    DaysAgo(u32),
}

impl Moment {
    /// The instant it is for an audience that is taken at `as_of`. What lies before all calendars is their beginning.
    pub fn instant(self, as_of: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::DaysAgo(days) => as_of.checked_sub_signed(TimeDelta::days(days.into())).unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }
}

/// A number as it is compared.
pub fn as_double(number: &Number) -> f64 {
    // every number that serde_json reads without arbitrary precision is one
    number.as_f64().unwrap_or_default()
}

impl Operand {
    /// Whether the field is there, of this type, and compares so.
    pub(super) fn is(&self, comparison: Comparison, field: &Field, facts: &Facts<'_>, as_of: Timestamp) -> bool {
        let order = match self {
            Self::Text(text) => facts.text(field).map(|found| found.as_bytes().cmp(text.as_bytes())),
            Self::Version(text) => facts.text(field).map(|found| Version::parse(found).cmp(&Version::parse(text))),
            Self::Number(number) => {
                let found = facts.tag(field).and_then(|value| if let Value::Number(found) = value { Some(found) } else { None });
                found.and_then(|found| as_double(found).partial_cmp(&as_double(number)))
            }
            Self::Bool(expected) => facts.tag(field).and_then(Value::as_bool).map(|found| found.cmp(expected)),
            Self::Moment(moment) => facts.instant(field).map(|found| found.cmp(&moment.instant(as_of))),
        };
        order.is_some_and(|order| comparison.holds(order))
    }
}

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Lt => order.is_lt(),
            Self::Lte => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Gte => order.is_ge(),
        }
    }
}
