//! JSON in: one typed pass where all is well, a slow and careful look where it is not.
//!
//! The typed pass refuses unknown fields, repeated members (derived structs and [`strict`] maps see to that) and wrong types, but knows
//! one error and no path. So when it fails, [`salvage`] reads the bytes again, finds the path of each error, and takes out what is wrong,
//! that the rules can be applied to the rest: one answer names all that is wrong.

mod given;
mod message;
mod object;
mod salvage;
mod strict;

use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::dispatch::draft::FieldError;
use crate::domain::principal::Principal;

pub(crate) use given::Given;
pub(crate) use object::{FromMembers, from_object, objects};
pub(crate) use strict::{AnyValue, UniqueMap};

/// A request as far as it could be read.
#[derive(Debug)]
pub(crate) struct Reading<T> {
    /// What could be read; what was wrong is absent from it.
    pub(crate) value: T,
    /// What was wrong.
    pub(crate) errors: Vec<FieldError>,
}

impl<T> Reading<T> {
    /// The value if nothing is wrong, for requests whose types say all there is to say.
    pub(crate) fn whole(self) -> Result<T, Problem> {
        if self.errors.is_empty() { Ok(self.value) } else { Err(Problem::invalid(self.errors)) }
    }
}

/// What becomes of a member that has no field here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// It is an error, so that a typo is never a silent default.
    Refused,
    /// It is passed over: an app in the field cannot be recalled.
    Ignored,
}

impl Unknown {
    /// What becomes of it where this one asks.
    pub(crate) fn of(asks: &Principal) -> Self {
        match asks {
            Principal::Backend => Self::Refused,
            Principal::User { .. } | Principal::Installation { .. } => Self::Ignored,
        }
    }
}

/// Reads a body.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<Reading<T>, Problem> {
    read_with(bytes, Unknown::Refused)
}

/// The same, with what becomes of unknown members; of those that are passed over, a body may have 30 different ones.
pub(crate) fn read_with<T: DeserializeOwned>(bytes: &[u8], unknown: Unknown) -> Result<Reading<T>, Problem> {
    // a string can hold a NUL only as this escape; whether it is one, and where, the slow look tells
    if !may_hold_nul(bytes)
        && let Ok(value) = serde_json::from_slice(bytes)
    {
        return Ok(Reading { value, errors: Vec::new() });
    }
    salvage::read(bytes, unknown)
}

/// Reads a body whose items stay raw and are each read for themselves: a NUL in one of them is wrong with that one only.
pub(crate) fn read_envelope<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).or_else(|_| salvage::read(bytes, Unknown::Refused)?.whole())
}

fn may_hold_nul(bytes: &[u8]) -> bool {
    bytes.split(|byte| *byte == b'\\').skip(1).any(|rest| rest.starts_with(b"u0000"))
}

#[cfg(test)]
mod tests;
