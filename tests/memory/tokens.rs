//! Devices' other addresses.

use async_trait::async_trait;
use herald::domain::Timestamp;
use herald::domain::device::{Device, Environment, ProviderKind, PushToken, TokenHash};
use herald::domain::id::{AppId, DevicePk};
use herald::domain::principal::Principal;
use herald::domain::token_kind::{DeviceToken, MAX_ACTIVITY_TOKENS, TokenKind};
use herald::store::Result;
use herald::store::device_token::{Addressed, DeviceTokens, TokenChange};
use herald::store::engine::{Ask, Candidate};

use super::MemoryStore;
use super::devices::owns;
use super::state::State;

/// An address.
#[derive(Clone, Debug)]
pub struct TokenRow {
    pub token: PushToken,
    pub environment: Environment,
    pub seen_at: Timestamp,
}

impl TokenRow {
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.token)
    }
}

impl State {
    fn registered(&mut self, app: AppId, name: &str) -> Option<&mut Device> {
        let pk = self.device_names.get(&(app, name.to_owned()))?;
        self.devices.get_mut(pk)?.device.as_mut()
    }

    fn is_own(&self, app: AppId, name: &str, by: &Principal) -> bool {
        let pk = self.device_names.get(&(app, name.to_owned())).filter(|pk| self.device(**pk).is_some());
        pk.is_some_and(|pk| owns(by, &self.told(*pk)))
    }

    fn put_token(
        &mut self,
        (app, name): (AppId, &str),
        kind: &TokenKind,
        change: TokenChange,
        if_match: Option<i64>,
        now: Timestamp,
    ) -> Addressed {
        if !self.is_own(app, name, &change.by) {
            return Addressed::NoDevice;
        }
        let Some(device) = self.registered(app, name) else { return Addressed::NoDevice };
        if if_match.is_some() && if_match != Some(device.version) {
            return Addressed::Stale;
        }
        if device.provider != change.token.provider() {
            return Addressed::TokenOfOtherProvider;
        }
        device.last_seen_at = device.last_seen_at.max(now);
        let (pk, usual) = (device.pk, device.environment);
        self.change(pk, now);
        let key = (pk, kind.clone());
        let before = self.tokens.get(&key).cloned();
        let known = before.as_ref().filter(|old| old.token == change.token).map(|old| old.environment);
        let row = TokenRow { environment: change.environment.or(known).unwrap_or(usual), token: change.token, seen_at: now };
        self.take_token((app, pk), &row.hash(), now);
        let answer = DeviceToken { kind: kind.clone(), token_hash: row.hash(), environment: row.environment, seen_at: now };
        self.tokens.insert(key, row);
        self.keep_few(pk, kind);
        let device = Box::new(self.told(pk));
        if before.is_some() { Addressed::Updated(device, answer) } else { Addressed::Created(device, answer) }
    }

    /// From every other device that has it.
    fn take_token(&mut self, (app, pk): (AppId, DevicePk), hash: &TokenHash, now: Timestamp) {
        let of_app = |device: &DevicePk| self.devices.get(device).is_some_and(|row| row.app == app);
        let held = self.tokens.iter().filter(|((device, _), row)| *device != pk && of_app(device) && row.hash() == *hash);
        let lost: Vec<(DevicePk, TokenKind)> = held.map(|(key, _)| key.clone()).collect();
        for key in lost {
            self.change(key.0, now);
            self.tokens.remove(&key);
        }
    }

    fn keep_few(&mut self, pk: DevicePk, newest: &TokenKind) {
        let like = |kind: &TokenKind| std::mem::discriminant(kind) == std::mem::discriminant(newest) && kind != newest;
        let mut others: Vec<(Timestamp, TokenKind)> = self
            .tokens
            .iter()
            .filter(|((device, kind), _)| *device == pk && like(kind))
            .map(|((_, kind), row)| (row.seen_at, kind.clone()))
            .collect();
        others.sort();
        while others.len() >= MAX_ACTIVITY_TOKENS {
            let (_, longest_unseen) = others.remove(0);
            self.tokens.remove(&(pk, longest_unseen));
        }
    }

    fn change(&mut self, pk: DevicePk, now: Timestamp) {
        if let Some(device) = self.devices.get_mut(&pk).and_then(|row| row.device.as_mut()) {
            device.updated_at = now;
            device.version += 1;
        }
    }

    fn drop_token(&mut self, (app, name): (AppId, &str), kind: &TokenKind, by: &Principal, now: Timestamp) -> bool {
        let pk = if self.is_own(app, name, by) { self.registered(app, name).map(|device| device.pk) } else { None };
        let Some(pk) = pk else { return false };
        let dropped = self.tokens.remove(&(pk, kind.clone())).is_some();
        if dropped {
            self.change(pk, now);
        }
        dropped
    }

    fn tokens_of(&mut self, app: AppId, name: &str) -> Vec<DeviceToken> {
        let Some(pk) = self.registered(app, name).map(|device| device.pk) else { return Vec::new() };
        let told = |(kind, row): (&TokenKind, &TokenRow)| DeviceToken {
            kind: kind.clone(),
            token_hash: row.hash(),
            environment: row.environment,
            seen_at: row.seen_at,
        };
        let mut tokens: Vec<DeviceToken> =
            self.tokens.iter().filter(|((device, _), _)| *device == pk).map(|((_, kind), row)| told((kind, row))).collect();
        tokens.sort_by_key(|token| token.kind.to_string());
        tokens
    }

    pub fn forget_tokens(&mut self, pk: DevicePk) {
        self.tokens.retain(|(device, _), _| *device != pk);
    }

    /// A verdict over an address of which it is known that the device has it, if it has one.
    pub fn bury_token(&mut self, (pk, kind): (DevicePk, &TokenKind), (hash, since): (TokenHash, Timestamp), now: Timestamp) {
        let key = (pk, kind.clone());
        if self.tokens.get(&key).is_some_and(|row| row.hash() == hash && row.seen_at <= since) {
            self.tokens.remove(&key);
            self.change(pk, now);
        }
    }

    pub fn correct_token(&mut self, (pk, kind): (DevicePk, &TokenKind), (hash, to): (TokenHash, Environment), now: Timestamp) {
        let row = self.tokens.get_mut(&(pk, kind.clone())).filter(|row| row.hash() == hash && row.environment != to);
        if let Some(row) = row {
            row.environment = to;
            self.change(pk, now);
        }
    }

    /// The address that a notification goes to, in the place of the ordinary one.
    pub fn readdress(&self, ask: &Ask, candidate: &mut Candidate) {
        let (Some(kind), Some(recipient)) = (&ask.token_kind, &mut candidate.recipient) else { return };
        let row = self.tokens.get(&(recipient.device, kind.clone()));
        match row.filter(|_| recipient.provider == ProviderKind::Apns) {
            Some(row) => {
                (recipient.token, recipient.token_hash, recipient.environment) = (row.token.clone(), row.hash(), row.environment);
            }
            None => candidate.lacks_token = true,
        }
    }
}

#[async_trait]
impl DeviceTokens for MemoryStore {
    async fn put_token(&self, app: AppId, device: &str, kind: &TokenKind, change: TokenChange, if_match: Option<i64>) -> Result<Addressed> {
        Ok(self.commit(|state, now| state.put_token((app, device), kind, change, if_match, now)))
    }

    async fn delete_token(&self, app: AppId, device: &str, kind: &TokenKind, by: &Principal) -> Result<bool> {
        Ok(self.commit(|state, now| state.drop_token((app, device), kind, by, now)))
    }

    async fn tokens(&self, app: AppId, device: &str) -> Result<Vec<DeviceToken>> {
        Ok(self.commit(|state, _| state.tokens_of(app, device)))
    }
}
