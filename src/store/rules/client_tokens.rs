//! What an exchange of a refresh token comes to: the rules, without the store.

use std::cmp::Ordering;

use super::super::client_token::{GRACE, Standing};
use crate::domain::Timestamp;

/// What the store knows of a family's refresh tokens.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Chain {
    /// The number of the newest.
    pub(in crate::store) generation: i64,
    /// Its hash.
    pub(in crate::store) newest: [u8; 32],
    /// When it took the place of the one before.
    pub(in crate::store) renewed_at: Timestamp,
    /// It was used, or there is none before it.
    pub(in crate::store) is_seen: bool,
    /// The family was revoked.
    pub(in crate::store) is_revoked: bool,
    /// The family's end.
    pub(in crate::store) expires_at: Timestamp,
}

/// A refresh token that is to be exchanged.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Presented {
    /// Its number.
    pub(in crate::store) generation: i64,
    /// Its hash.
    pub(in crate::store) hash: [u8; 32],
    /// The hash of its successor.
    pub(in crate::store) next: [u8; 32],
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Exchange {
    /// Its successor is the newest now, with this number.
    Renew(i64),
    /// Its successor is answered again.
    Repeat,
    /// The family is revoked.
    Revoke,
    /// Nothing.
    Refuse,
}

impl Chain {
    /// How the family stands.
    pub(in crate::store) fn standing(&self, now: Timestamp) -> Standing {
        if self.expires_at <= now {
            Standing::Gone
        } else if self.is_revoked {
            Standing::Revoked
        } else {
            Standing::Stands
        }
    }

    /// Whether a token of this generation is the first of its own to be seen.
    pub(in crate::store) fn is_news(&self, generation: i64) -> bool {
        generation == self.generation && !self.is_seen
    }

    /// What becomes of a presented token, whose tag was checked.
    pub(in crate::store) fn exchange(&self, presented: &Presented, now: Timestamp) -> Exchange {
        if self.standing(now) != Standing::Stands {
            return Exchange::Refuse;
        }
        match presented.generation.cmp(&self.generation) {
            // given out before the store lost what it had committed last
            Ordering::Greater => Exchange::Renew(presented.generation.saturating_add(1)),
            Ordering::Equal if presented.hash == self.newest => Exchange::Renew(self.generation.saturating_add(1)),
            Ordering::Less if self.is_before(presented) && !self.is_seen && now < self.renewed_at + GRACE => Exchange::Repeat,
            Ordering::Equal | Ordering::Less => Exchange::Revoke,
        }
    }

    /// Whether the newest took the place of the presented one.
    fn is_before(&self, presented: &Presented) -> bool {
        presented.generation.saturating_add(1) == self.generation && presented.next == self.newest
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone, Utc};

    use super::*;

    fn start() -> Timestamp {
        Utc.with_ymd_and_hms(2026, 11, 2, 9, 0, 0).unwrap()
    }

    fn hash(generation: i64) -> [u8; 32] {
        [u8::try_from(generation).unwrap(); 32]
    }

    fn presented(generation: i64) -> Presented {
        Presented { generation, hash: hash(generation), next: hash(generation + 1) }
    }

    fn chain() -> Chain {
        Chain {
            generation: 5,
            newest: hash(5),
            renewed_at: start(),
            is_seen: false,
            is_revoked: false,
            expires_at: start() + TimeDelta::days(30),
        }
    }

    #[test]
    fn an_exchange_is_judged_by_number_hash_and_time() {
        let after = TimeDelta::microseconds;
        let seen = Chain { is_seen: true, ..chain() };
        let foreign = |token: Presented| Presented { hash: [9; 32], next: [9; 32], ..token };
        let rows = [
            ("the newest", chain(), presented(5), after(0), Exchange::Renew(6)),
            ("the newest, seen", seen, presented(5), after(90_000_000), Exchange::Renew(6)),
            ("the one before", chain(), presented(4), after(59_999_999), Exchange::Repeat),
            ("the one before, by a clock that was set back", chain(), presented(4), after(-1), Exchange::Repeat),
            ("the one before, too late", chain(), presented(4), after(60_000_000), Exchange::Revoke),
            ("the one before, its successor seen", seen, presented(4), after(1), Exchange::Revoke),
            ("an older one", chain(), presented(3), after(1), Exchange::Revoke),
            ("a later one than is known", chain(), presented(7), after(1), Exchange::Renew(8)),
            ("the newest of another chain", chain(), foreign(presented(5)), after(1), Exchange::Revoke),
            ("the one before of another chain", chain(), foreign(presented(4)), after(1), Exchange::Revoke),
            ("the newest at the end", chain(), presented(5), TimeDelta::days(30), Exchange::Refuse),
            ("an older one at the end", chain(), presented(1), TimeDelta::days(30), Exchange::Refuse),
            ("the newest, revoked", Chain { is_revoked: true, ..chain() }, presented(5), after(1), Exchange::Refuse),
            ("an older one, revoked", Chain { is_revoked: true, ..chain() }, presented(1), after(1), Exchange::Refuse),
        ];
        for (what, chain, presented, later, expected) in rows {
            assert_eq!(chain.exchange(&presented, start() + later), expected, "{what}");
        }
    }

    #[test]
    fn a_family_stands_until_it_is_revoked_or_over() {
        let revoked = Chain { is_revoked: true, ..chain() };
        let end = chain().expires_at;
        let last = end - TimeDelta::microseconds(1);
        let standing = |chain: Chain, at| chain.standing(at);
        assert_eq!([standing(chain(), last), standing(revoked, last)], [Standing::Stands, Standing::Revoked]);
        assert_eq!([standing(chain(), end), standing(revoked, end)], [Standing::Gone, Standing::Gone]);
    }

    #[test]
    fn only_the_newest_is_news_and_only_once() {
        assert_eq!([4, 5, 6].map(|generation| chain().is_news(generation)), [false, true, false]);
        assert!(!Chain { is_seen: true, ..chain() }.is_news(5));
    }
}
