//! Pauses of lanes as every store keeps them.

use super::words;
use crate::domain::device::{Environment, Platform, ProviderKind};

/// A lane's columns, read: who carries, where, and which part. The error is the column that cannot be read.
pub(in crate::store) fn lane(
    provider: &str,
    environment: &str,
    part: &str,
) -> Result<(ProviderKind, Environment, Option<Platform>), &'static str> {
    let part = if part.is_empty() { None } else { Some(words::platform(part).ok_or("part")?) };
    Ok((words::provider(provider).ok_or("provider")?, words::environment(environment).ok_or("environment")?, part))
}

/// A part as it is kept: empty for all of the lane.
pub(in crate::store) fn part_text(part: Option<Platform>) -> &'static str {
    part.map_or("", Platform::as_str)
}
