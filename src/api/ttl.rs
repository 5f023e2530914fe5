//! `ttl_seconds` as callers write it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

use crate::domain::notification::MAX_TTL_SECONDS;

struct Ttl(u32);

/// Reads it within its bounds, which an error names. For `deserialize_with` beside `default`.
pub(super) fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    Ok(Option::deserialize(from)?.map(|Ttl(seconds)| seconds))
}

impl<'de> Deserialize<'de> for Ttl {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_u32(Seconds)
    }
}

struct Seconds;

impl Visitor<'_> for Seconds {
    type Value = Ttl;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from 0 to {MAX_TTL_SECONDS}")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Ttl, E> {
        let seconds = u32::try_from(number).ok().filter(|seconds| *seconds <= MAX_TTL_SECONDS);
        seconds.map(Ttl).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }
}
