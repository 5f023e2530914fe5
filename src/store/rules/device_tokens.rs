//! A device's other addresses: what registering one makes of them, and which of them work goes to. The rules, without the store.

use std::collections::HashMap;

use super::super::device_token::TokenChange;
use super::super::engine::{Answer, Ask};
use crate::domain::Timestamp;
use crate::domain::device::{Device, Environment, ProviderKind, PushToken, TokenHash};
use crate::domain::id::DevicePk;
use crate::domain::token_kind::{DeviceToken, MAX_ACTIVITY_TOKENS, TokenKind};

/// The address after the change; `held`: those that the device has.
pub(in crate::store) fn changed(
    device: &Device,
    held: &[DeviceToken],
    (kind, change): (&TokenKind, &TokenChange),
    now: Timestamp,
) -> DeviceToken {
    let token_hash = TokenHash::of(&change.token);
    // what was found out about this address is not forgotten by repeating it
    let known = held.iter().find(|old| old.kind == *kind && old.token_hash == token_hash).map(|old| old.environment);
    let environment: Environment = change.environment.or(known).unwrap_or(device.environment);
    DeviceToken { kind: kind.clone(), token_hash, environment, seen_at: now }
}

/// The kinds that have to go for a new one: the longest unseen of those like it, beyond the number that a device keeps.
pub(in crate::store) fn crowded_out(held: &[DeviceToken], new: &TokenKind) -> Vec<TokenKind> {
    let mut others: Vec<&DeviceToken> = held.iter().filter(|token| token.kind.is_like(new) && token.kind != *new).collect();
    others.sort_by(|a, b| (b.seen_at, &b.kind).cmp(&(a.seen_at, &a.kind)));
    others.into_iter().skip(MAX_ACTIVITY_TOKENS - 1).map(|token| token.kind.clone()).collect()
}

/// One of a device's other addresses.
pub(in crate::store) struct Address {
    /// The address.
    pub(in crate::store) token: PushToken,
    /// Its hash.
    pub(in crate::store) token_hash: TokenHash,
    /// Apple's service that knows it.
    pub(in crate::store) environment: Environment,
}

/// The addresses that work is for, where it is not for the ordinary ones.
pub(in crate::store) fn to_readdress(asks: &[Ask], answers: &[Answer]) -> Vec<(DevicePk, TokenKind)> {
    let asked = asks.iter().zip(answers).filter_map(|(ask, answer)| Some((ask.token_kind.as_ref()?, answer)));
    let of_answer = |(kind, answer): (&TokenKind, &Answer)| {
        let devices = answer.candidates.iter().filter_map(|candidate| candidate.recipient.as_ref());
        devices.map(|recipient| (recipient.device, kind.clone())).collect::<Vec<_>>()
    };
    let mut wanted: Vec<(DevicePk, TokenKind)> = asked.flat_map(of_answer).collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

/// Puts the addresses that work is for in the place of the ordinary ones. Only Apple has others: those that a device had before it went to
/// another provider are none.
pub(in crate::store) fn readdress(asks: &[Ask], answers: &mut [Answer], found: &HashMap<(DevicePk, TokenKind), Address>) {
    for (ask, answer) in asks.iter().zip(answers) {
        let Some(kind) = &ask.token_kind else { continue };
        for candidate in &mut answer.candidates {
            let Some(recipient) = &mut candidate.recipient else { continue };
            let address = found.get(&(recipient.device, kind.clone())).filter(|_| recipient.provider == ProviderKind::Apns);
            match address {
                Some(Address { token, token_hash, environment }) => {
                    (recipient.token, recipient.token_hash, recipient.environment) = (token.clone(), *token_hash, *environment);
                }
                None => candidate.lacks_token = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;

    fn token(kind: TokenKind, seen_at: i64) -> DeviceToken {
        let seen_at = DateTime::from_timestamp(seen_at, 0).unwrap();
        DeviceToken { kind, token_hash: TokenHash([0; 32]), environment: Environment::Production, seen_at }
    }

    fn kind() -> impl Strategy<Value = TokenKind> {
        prop_oneof![
            Just(TokenKind::Voip),
            Just(TokenKind::Location),
            (0..40_u8).prop_map(|n| TokenKind::LiveActivityStart(format!("t{n}"))),
            (0..40_u8).prop_map(|n| TokenKind::LiveActivity(format!("a{n}"))),
        ]
    }

    proptest! {
        #[test]
        fn a_device_keeps_so_many_and_the_latest(news in prop::collection::vec((kind(), 0..50_i64), 1..120)) {
            let mut held: Vec<DeviceToken> = Vec::new();
            for (kind, seen_at) in news {
                let gone: BTreeSet<TokenKind> = crowded_out(&held, &kind).into_iter().collect();
                prop_assert!(!gone.contains(&kind));
                let (out, mut kept): (Vec<_>, Vec<_>) = held.into_iter().partition(|token| gone.contains(&token.kind));
                for one in &out {
                    prop_assert!(one.kind.is_like(&kind));
                    prop_assert!(kept.iter().filter(|other| other.kind.is_like(&kind) && other.kind != kind).all(|other| other.seen_at >= one.seen_at));
                }
                kept.retain(|token| token.kind != kind);
                kept.push(token(kind.clone(), seen_at));
                let like = kept.iter().filter(|token| token.kind.is_like(&kind)).count();
                prop_assert!(like <= MAX_ACTIVITY_TOKENS);
                prop_assert!(out.is_empty() || like == MAX_ACTIVITY_TOKENS, "nobody goes without need");
                held = kept;
            }
        }
    }
}
