//! A device's row: its columns, its words and its token as stored.

use aws_lc_rs::digest::{SHA256, digest};
use sqlx::sqlite::SqliteRow;

use super::super::Result;
use super::row::Cells;
use crate::domain::device::{Device, DeviceStatus, Environment, InactiveReason, Permission, Platform, ProviderKind, PushToken, TokenHash};
use crate::domain::id::{DevicePk, PersonPk};

/// The columns of a device `d` and its person `p`, in the order of [`read`].
macro_rules! device_columns {
    () => {
        "d.pk, d.name, d.person_pk, p.name, d.platform, d.provider, d.environment, d.token, d.token_hash, d.token_seen_at, \
         d.permission, d.timezone, d.locale, d.app_version, d.os_version, d.model, d.tags, d.status, d.inactive_reason, \
         d.created_at, d.updated_at, d.last_seen_at, d.version"
    };
}
pub(super) use device_columns;

/// A row as [`device_columns`] lists it; `None` where it has no token and so is a mere name.
pub(super) fn read(row: &SqliteRow) -> Result<Option<Device>> {
    let cells = Cells::new(row, "device", 0);
    if cells.is_null(7) {
        return Ok(None);
    }
    Ok(Some(Device {
        pk: DevicePk(cells.get(0, "pk")?),
        name: cells.get(1, "name")?,
        person: cells.get::<Option<i64>>(2, "person_pk")?.map(PersonPk),
        user: cells.get(3, "person_pk")?,
        platform: cells.word(4, "platform", platform)?,
        provider: cells.word(5, "provider", provider)?,
        environment: cells.word(6, "environment", environment)?,
        token: cells.word(7, "token", token)?,
        token_hash: TokenHash(cells.hash(8, "token_hash")?),
        token_seen_at: cells.instant(9, "token_seen_at")?,
        permission: cells.word(10, "permission", permission)?,
        timezone: cells.get(11, "timezone")?,
        locale: cells.get(12, "locale")?,
        app_version: cells.get(13, "app_version")?,
        os_version: cells.get(14, "os_version")?,
        model: cells.get(15, "model")?,
        tags: cells.document(16, "tags")?,
        status: cells.word(17, "status", status)?,
        inactive_reason: cells.maybe_word(18, "inactive_reason", inactive_reason)?,
        created_at: cells.instant(19, "created_at")?,
        updated_at: cells.instant(20, "updated_at")?,
        last_seen_at: cells.instant(21, "last_seen_at")?,
        version: cells.get(22, "version")?,
    }))
}

/// The hash by which tokens are compared.
pub(super) fn hash(token: &PushToken) -> TokenHash {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, token.identity().as_bytes()).as_ref());
    TokenHash(bytes)
}

/// Who could carry pushes to this address.
pub(super) fn provider_of(token: &PushToken) -> ProviderKind {
    match token {
        PushToken::Apns(_) => ProviderKind::Apns,
        PushToken::Fcm(_) | PushToken::FcmFid(_) => ProviderKind::Fcm,
        PushToken::Webpush { .. } => ProviderKind::Webpush,
    }
}

/// A token as the store keeps it: its kind, a colon, its text; lines for the parts of a subscription.
pub(super) fn token_text(token: &PushToken) -> String {
    match token {
        PushToken::Apns(text) => format!("apns:{text}"),
        PushToken::Fcm(text) => format!("fcm:{text}"),
        PushToken::FcmFid(text) => format!("fid:{text}"),
        PushToken::Webpush { endpoint, p256dh, auth } => format!("web:{p256dh}\n{auth}\n{endpoint}"),
    }
}

/// What [`token_text`] wrote.
pub(super) fn token(text: &str) -> Option<PushToken> {
    let (kind, rest) = text.split_once(':')?;
    match kind {
        "apns" => Some(PushToken::Apns(rest.to_owned())),
        "fcm" => Some(PushToken::Fcm(rest.to_owned())),
        "fid" => Some(PushToken::FcmFid(rest.to_owned())),
        "web" => {
            let (p256dh, rest) = rest.split_once('\n')?;
            let (auth, endpoint) = rest.split_once('\n')?;
            Some(PushToken::Webpush { endpoint: endpoint.to_owned(), p256dh: p256dh.to_owned(), auth: auth.to_owned() })
        }
        _ => None,
    }
}

pub(super) fn platform(text: &str) -> Option<Platform> {
    [Platform::Ios, Platform::Android, Platform::Web].into_iter().find(|word| word.as_str() == text)
}

pub(super) fn provider(text: &str) -> Option<ProviderKind> {
    [ProviderKind::Apns, ProviderKind::Fcm, ProviderKind::Webpush].into_iter().find(|word| word.as_str() == text)
}

pub(super) fn environment(text: &str) -> Option<Environment> {
    [Environment::Production, Environment::Sandbox].into_iter().find(|word| word.as_str() == text)
}

pub(super) fn permission(text: &str) -> Option<Permission> {
    [Permission::Granted, Permission::Provisional, Permission::Denied, Permission::Unknown]
        .into_iter()
        .find(|word| permission_text(*word) == text)
}

pub(super) fn permission_text(permission: Permission) -> &'static str {
    match permission {
        Permission::Granted => "granted",
        Permission::Provisional => "provisional",
        Permission::Denied => "denied",
        Permission::Unknown => "unknown",
    }
}

pub(super) fn status(text: &str) -> Option<DeviceStatus> {
    [DeviceStatus::Active, DeviceStatus::Inactive].into_iter().find(|word| status_text(*word) == text)
}

pub(super) fn status_text(status: DeviceStatus) -> &'static str {
    match status {
        DeviceStatus::Active => "active",
        DeviceStatus::Inactive => "inactive",
    }
}

pub(super) fn inactive_reason(text: &str) -> Option<InactiveReason> {
    [
        InactiveReason::TokenDead,
        InactiveReason::TokenMismatched,
        InactiveReason::TokenMoved,
        InactiveReason::TooManyDevices,
        InactiveReason::Stale,
    ]
    .into_iter()
    .find(|word| inactive_reason_text(*word) == text)
}

pub(super) fn inactive_reason_text(reason: InactiveReason) -> &'static str {
    match reason {
        InactiveReason::TokenDead => "token_dead",
        InactiveReason::TokenMismatched => "token_mismatched",
        InactiveReason::TokenMoved => "token_moved",
        InactiveReason::TooManyDevices => "too_many_devices",
        InactiveReason::Stale => "stale",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_is_read_as_it_was_written() {
        let web = PushToken::Webpush { endpoint: "https://push.example/a:b".into(), p256dh: "p".into(), auth: "a".into() };
        for written in [PushToken::Apns("ab:cd".into()), PushToken::Fcm("x:y".into()), PushToken::FcmFid("z".into()), web] {
            assert_eq!(token(&token_text(&written)), Some(written));
        }
        assert_eq!(token("smoke:signal"), None);
    }
}
