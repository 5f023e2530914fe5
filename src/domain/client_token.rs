//! Client tokens: how long they hold, and which of several keys signs them.

use std::time::Duration;

use chrono::TimeDelta;
use serde::Deserialize;

use super::Timestamp;

const DAY: Duration = Duration::from_hours(24);

/// A new key is known for so long before it signs, so that whoever keeps the published keys for a while has it by then.
pub const KEY_LEAD: TimeDelta = TimeDelta::minutes(10);
/// A node that was cut off from the store may go on signing with the key before for as long, and its clock may be wrong.
const KEY_MARGIN: TimeDelta = TimeDelta::hours(1);

/// What the tokens of phones are like, `[client_tokens]` in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientTokenSettings {
    /// The claim `iss` of every token; 1 to 256 characters.
    pub issuer: String,
    /// How long an access token holds, in seconds; 1 to 86 400.
    pub access_seconds: u32,
    /// How long a refresh token holds, in days, counted anew with each refresh; 1 to 365.
    pub refresh_days: u32,
    /// After how many days another key signs; 1 to 365.
    pub key_days: u32,
}

impl Default for ClientTokenSettings {
    fn default() -> Self {
        Self { issuer: "herald".to_owned(), access_seconds: 1800, refresh_days: 60, key_days: 90 }
    }
}

impl ClientTokenSettings {
    /// How long a receipt token holds. Long, since an extension that has one cannot ask for another, and short enough that keys can be
    /// forgotten.
    pub const RECEIPT: Duration = Duration::from_hours(24 * 365);

    /// [`Self::access_seconds`] as a duration.
    pub fn access(&self) -> Duration {
        Duration::from_secs(self.access_seconds.into())
    }

    /// [`Self::refresh_days`] as a duration.
    pub fn refresh(&self) -> Duration {
        DAY * self.refresh_days
    }

    /// What is to be done with keys that were made at these instants, oldest first.
    pub fn plan(&self, made: &[Timestamp], now: Timestamp) -> KeyPlan {
        let begins = |place: usize| match made.get(place) {
            // the first signs at once: there is no other
            Some(at) if place > 0 => at.checked_add_signed(KEY_LEAD).unwrap_or(Timestamp::MAX_UTC),
            _ => Timestamp::MIN_UTC,
        };
        let signing = (0..made.len()).rev().find(|place| begins(*place) <= now);
        let age = TimeDelta::days(self.key_days.into());
        let is_due = made.last().is_none_or(|at| now.signed_duration_since(at) >= age);
        let longest = TimeDelta::from_std(self.access().max(Self::RECEIPT)).unwrap_or(TimeDelta::MAX);
        let is_over = |successor: usize| now.signed_duration_since(begins(successor)) > longest + KEY_MARGIN;
        let spent = (1..made.len()).take_while(|successor| is_over(*successor)).count();
        KeyPlan { signing, is_due, spent }
    }
}

/// What is to be done with the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPlan {
    /// The place of the one that signs; `None`: there is none at all.
    pub signing: Option<usize>,
    /// Another one is to be made.
    pub is_due: bool,
    /// So many of the oldest have signed nothing that still holds.
    pub spent: usize,
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_timestamp(1_800_000_000 + minutes * 60, 0).unwrap()
    }

    const MINUTES_A_DAY: i64 = 24 * 60;

    #[test]
    fn a_key_signs_when_it_is_known() {
        let settings = ClientTokenSettings::default();
        let day = |days: i64| days * MINUTES_A_DAY;
        for (made, now, signing, is_due, spent) in [
            (vec![], 0, None, true, 0),
            (vec![0], 0, Some(0), false, 0),
            (vec![0], day(90) - 1, Some(0), false, 0),
            (vec![0], day(90), Some(0), true, 0),
            (vec![0, day(90)], day(90), Some(0), false, 0),
            (vec![0, day(90)], day(90) + 9, Some(0), false, 0),
            (vec![0, day(90)], day(90) + 10, Some(1), false, 0),
            (vec![0, day(90)], day(179), Some(1), false, 0),
            (vec![0, day(90)], day(180), Some(1), true, 0),
            // nobody asked for anything for years
            (vec![0, day(90)], day(1000), Some(1), true, 1),
            (vec![0, day(90), day(180)], day(90 + 365) + 10 + 60, Some(2), true, 0),
            (vec![0, day(90), day(180)], day(90 + 365) + 10 + 61, Some(2), true, 1),
            // a clock that was set back
            (vec![0, day(90)], -day(1), Some(0), false, 0),
        ] {
            let instants: Vec<_> = made.iter().map(|minutes| at(*minutes)).collect();
            assert_eq!(settings.plan(&instants, at(now)), KeyPlan { signing, is_due, spent }, "{made:?} at {now}");
        }
    }

    proptest! {
        /// As time goes on keys are made and forgotten as the plan says: no token outlives the key that signed it, and no key signs before it
        /// was known for long enough.
        #[test]
        fn no_token_outlives_its_key(
            steps in vec(1_i64..60 * MINUTES_A_DAY, 1..60),
            access_seconds in 1_u32..=86_400,
            key_days in 1_u32..=365,
        ) {
            let settings = ClientTokenSettings { access_seconds, key_days, ..ClientTokenSettings::default() };
            let longest = TimeDelta::from_std(ClientTokenSettings::RECEIPT).unwrap();
            let (mut made, mut signed, mut now): (Vec<Timestamp>, Vec<(Timestamp, Timestamp)>, i64) = (Vec::new(), Vec::new(), 0);
            for step in steps {
                now += step;
                let plan = settings.plan(&made, at(now));
                if plan.is_due {
                    made.push(at(now));
                }
                made.drain(..plan.spent);
                let signing = settings.plan(&made, at(now)).signing.unwrap();
                let key = made[signing];
                prop_assert!(made.len() == 1 || signing == 0 || key + KEY_LEAD <= at(now));
                signed.push((at(now), key));
                for (when, by) in &signed {
                    prop_assert!(at(now) - when > longest || made.contains(by), "signed at {} by {}", when, by);
                }
            }
        }
    }
}
