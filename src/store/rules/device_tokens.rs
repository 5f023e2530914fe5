//! What registering one of a device's other addresses makes of them: the rules, without the store.

use super::super::device_token::TokenChange;
use super::words::hash;
use crate::domain::Timestamp;
use crate::domain::device::{Device, Environment};
use crate::domain::token_kind::{DeviceToken, MAX_ACTIVITY_TOKENS, TokenKind};

/// The address after the change; `held`: those that the device has.
pub(in crate::store) fn changed(
    device: &Device,
    held: &[DeviceToken],
    (kind, change): (&TokenKind, &TokenChange),
    now: Timestamp,
) -> DeviceToken {
    let token_hash = hash(&change.token);
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
