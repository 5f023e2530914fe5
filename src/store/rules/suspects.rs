//! Work that was taken in vain before: it may be what ended its worker, and must not end what is taken with it.
//!
//! Whoever dies takes everything in its hands down, and after some takes a row is dead. So of rows that were taken in vain twice only a few are
//! taken together, fewer each time: after some deaths what causes them is nearly alone, and the rest is over.

use chrono::TimeDelta;

/// So many takes in vain make a row suspect.
pub(in crate::store) const TAKES: u32 = 2;
/// One of so many suspects is taken, and at least one.
const OF: usize = 16;
/// The others are looked at again after this.
pub(in crate::store) const WAIT: TimeDelta = TimeDelta::seconds(1);

/// How many of so many suspects are taken together; those first that were taken least.
pub(in crate::store) fn at_once(suspects: usize) -> usize {
    suspects.div_ceil(OF)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row for one target is dead after five takes; this is how many die with the one that kills.
    #[test]
    fn what_kills_is_alone_before_its_takes_are_spent() {
        let mut together = 2_000;
        for _ in TAKES..5 {
            together = at_once(together);
        }
        assert_eq!((together, at_once(1), at_once(0)), (1, 1, 0));
    }
}
