//! Versions of documents that callers name in `If-Match`.

/// The version after this one, of a write at this instant, in microseconds since 1970. A document that was forgotten and is written again gets a
/// later one than it ever had, so that an old version never becomes valid again.
pub(in crate::store) fn after(version: i64, now: i64) -> i64 {
    now.max(version + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_instant_of_the_write_and_never_an_old_one() {
        for (version, now, next) in [(0, 1_000, 1_000), (7, 1_000, 1_000), (1_000, 1_000, 1_001), (1_001, 1_000, 1_002)] {
            assert_eq!(after(version, now), next);
        }
    }
}
