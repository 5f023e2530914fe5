//! Words and tokens as every store keeps them.

use crate::domain::device::{DeviceStatus, Environment, InactiveReason, Permission, Platform, ProviderKind, PushToken};

/// A token as the store keeps it: its kind, a colon, its text; lines for the parts of a subscription.
pub(in crate::store) fn token_text(token: &PushToken) -> String {
    match token {
        PushToken::Apns(text) => format!("apns:{text}"),
        PushToken::Fcm(text) => format!("fcm:{text}"),
        PushToken::FcmFid(text) => format!("fid:{text}"),
        PushToken::Webpush { endpoint, p256dh, auth } => format!("web:{p256dh}\n{auth}\n{endpoint}"),
    }
}

/// What [`token_text`] wrote.
pub(in crate::store) fn token(text: &str) -> Option<PushToken> {
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

pub(in crate::store) fn platform(text: &str) -> Option<Platform> {
    [Platform::Ios, Platform::Android, Platform::Web].into_iter().find(|word| word.as_str() == text)
}

pub(in crate::store) fn provider(text: &str) -> Option<ProviderKind> {
    [ProviderKind::Apns, ProviderKind::Fcm, ProviderKind::Webpush].into_iter().find(|word| word.as_str() == text)
}

pub(in crate::store) fn environment(text: &str) -> Option<Environment> {
    [Environment::Production, Environment::Sandbox].into_iter().find(|word| word.as_str() == text)
}

pub(in crate::store) fn permission(text: &str) -> Option<Permission> {
    [Permission::Granted, Permission::Provisional, Permission::Denied, Permission::Unknown]
        .into_iter()
        .find(|word| permission_text(*word) == text)
}

pub(in crate::store) fn permission_text(permission: Permission) -> &'static str {
    match permission {
        Permission::Granted => "granted",
        Permission::Provisional => "provisional",
        Permission::Denied => "denied",
        Permission::Unknown => "unknown",
    }
}

pub(in crate::store) fn status(text: &str) -> Option<DeviceStatus> {
    [DeviceStatus::Active, DeviceStatus::Inactive].into_iter().find(|word| status_text(*word) == text)
}

pub(in crate::store) fn status_text(status: DeviceStatus) -> &'static str {
    match status {
        DeviceStatus::Active => "active",
        DeviceStatus::Inactive => "inactive",
    }
}

pub(in crate::store) fn inactive_reason(text: &str) -> Option<InactiveReason> {
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

pub(in crate::store) fn inactive_reason_text(reason: InactiveReason) -> &'static str {
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
