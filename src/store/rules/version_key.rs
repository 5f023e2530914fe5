//! Versions as stores sort by them: a text beside each, whose bytes compare as the versions do.

use crate::domain::version::Version;

/// The key of a version, where there is one.
pub(in crate::store) fn version_key(version: Option<&str>) -> Option<String> {
    version.map(|text| Version::parse(text).sort_key())
}

/// Devices whose keys are made in one transaction, of those that were there before the keys were.
pub(in crate::store) const PART: usize = 2_000;
