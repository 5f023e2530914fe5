//! Variants of a campaign: the same message in other words, by weight. A person sees the same one on every device, in every run of the campaign
//! and after every pause, since it is told from who they are and which campaign it is, and from nothing else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::content::Content;
use super::id::{CampaignId, Target};

/// Variants of one campaign, at most.
pub const MAX_VARIANTS: usize = 20;
/// The greatest weight.
pub const MAX_WEIGHT: u32 = 1_000_000;

/// One of a campaign's variants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// The caller's name for it.
    pub name: String,
    /// How many it is for, as a part of the sum of all weights.
    pub weight: u32,
    /// Words over all others.
    pub content: Content,
    /// Words over those, by locale.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub localized: BTreeMap<String, Content>,
}

/// The place in `variants` of the one that is for a person, or for a device where nobody is signed in; `None` where there are none.
pub fn assigned(variants: &[Variant], campaign: CampaignId, whom: Target) -> Option<usize> {
    let total: u64 = variants.iter().map(|variant| u64::from(variant.weight)).sum();
    // of all numbers of 64 bits the part that the weights before it leave over
    let mut place = u64::try_from((u128::from(draw(campaign, whom)) * u128::from(total)) >> 64).ok()?;
    variants.iter().position(|variant| {
        let weight = u64::from(variant.weight);
        let is_it = place < weight;
        place = place.saturating_sub(weight);
        is_it
    })
}

/// A number that depends on both and says nothing of either: the finaliser of `SplitMix64`, once for each part.
fn draw(campaign: CampaignId, whom: Target) -> u64 {
    let (high, low) = campaign.0.as_u64_pair();
    [high, low, whom.raw().cast_unsigned()].into_iter().fold(0, |seed, part| mix(seed ^ part))
}

fn mix(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::id::PersonPk;
    use super::*;

    fn variants(weights: &[u32]) -> Vec<Variant> {
        let variant = |(n, weight): (usize, &u32)| Variant {
            name: format!("v{n}"),
            weight: *weight,
            content: Content::default(),
            localized: BTreeMap::new(),
        };
        weights.iter().enumerate().map(variant).collect()
    }

    fn person(pk: i64) -> Target {
        Target::person(PersonPk(pk))
    }

    #[test]
    fn nobody_is_assigned_where_there_is_nothing() {
        assert_eq!(assigned(&[], CampaignId(Uuid::from_u128(1)), person(1)), None);
    }

    /// Who sees what must not change with a release.
    #[test]
    fn assignments_stay() {
        let campaign = CampaignId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
        let all = variants(&[1, 1, 2]);
        let seen: Vec<usize> = (1..=12).map(|pk| assigned(&all, campaign, person(pk)).unwrap()).collect();
        assert_eq!(seen, [1, 0, 2, 2, 1, 2, 2, 2, 1, 1, 0, 2]);
    }

    #[test]
    fn shares_are_within_what_chance_allows() {
        const PEOPLE: i64 = 100_000;
        for (seed, weights) in [(1_u128, vec![1, 1]), (2, vec![50, 30, 20]), (3, vec![1, 999]), (4, vec![5; 20])] {
            let campaign = CampaignId(Uuid::from_u128(seed << 64 | seed));
            let all = variants(&weights);
            let mut counts = vec![0_i64; weights.len()];
            for pk in 1..=PEOPLE {
                counts[assigned(&all, campaign, person(pk)).unwrap()] += 1;
            }
            let total: u32 = weights.iter().sum();
            for (count, weight) in counts.iter().zip(&weights) {
                let part = f64::from(*weight) / f64::from(total);
                let expected = part * 100_000.0;
                let deviation = (expected * (1.0 - part)).sqrt();
                let off = (f64::from(i32::try_from(*count).unwrap()) - expected).abs();
                assert!(off < 4.5 * deviation, "{weights:?}: {counts:?}");
            }
        }
    }

    /// Two campaigns do not have the same people together.
    #[test]
    fn campaigns_are_independent() {
        let all = variants(&[1, 1]);
        let of = |campaign: u128, pk| assigned(&all, CampaignId(Uuid::from_u128(campaign)), person(pk));
        let same = (1..=100_000).filter(|pk| of(7, *pk) == of(8, *pk)).count();
        assert!((49_000..51_000).contains(&same), "{same}");
    }

    proptest! {
        #[test]
        fn a_weight_of_nothing_is_for_nobody(campaign in any::<u128>(), whom in any::<i64>(), weight in 1_u32..=MAX_WEIGHT) {
            let place = assigned(&variants(&[0, weight, 0]), CampaignId(Uuid::from_u128(campaign)), Target::from_raw(whom));
            prop_assert_eq!(place, Some(1));
        }
    }
}
