//! Who asks for something that is somebody's: the app's backend, or a phone.

use super::device::Device;

/// Who asks, as far as it matters whose a device is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Principal {
    /// The app's backend, with an API key: every device of its app is its own.
    #[default]
    Backend,
    /// A phone on which somebody is signed in, with a client token.
    User {
        /// Who it is.
        user: String,
        /// The installation that the token is bound to, if it is to one.
        device: Option<String>,
    },
    /// An installation on which nobody is signed in, with a client token for it alone.
    Installation {
        /// Which one.
        device: String,
    },
}

impl Principal {
    /// The installation that its token is bound to, if it is to one.
    pub fn bound_to(&self) -> Option<&str> {
        match self {
            Self::Backend => None,
            Self::User { device, .. } => device.as_deref(),
            Self::Installation { device } => Some(device),
        }
    }

    /// Whether its token is bound to another installation than this.
    pub fn is_bound_elsewhere(&self, device: &str) -> bool {
        self.bound_to().is_some_and(|bound| bound != device)
    }

    /// Whether a device is its own: it may read it, change it and delete it. A device on which somebody is signed in is not that of a mere
    /// installation, though it be the same one.
    pub fn owns(&self, device: &Device) -> bool {
        let is_theirs = match self {
            Self::Backend => true,
            Self::User { user, .. } => device.user.as_ref() == Some(user),
            Self::Installation { .. } => device.person.is_none(),
        };
        is_theirs && !self.is_bound_elsewhere(&device.name)
    }

    /// Whether it may delete a device: its own, and the one that its token alone is for, which is a way to sign out.
    pub fn may_delete(&self, device: &Device) -> bool {
        self.owns(device) || matches!(self, Self::Installation { device: bound } if *bound == device.name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::Timestamp;
    use crate::domain::device::{DeviceStatus, Environment, Permission, Platform, ProviderKind, PushToken, TokenHash};
    use crate::domain::id::{DevicePk, PersonPk};

    fn phone(user: Option<&str>) -> Device {
        Device {
            pk: DevicePk(1),
            name: "phone".to_owned(),
            person: user.map(|_| PersonPk(1)),
            user: user.map(str::to_owned),
            platform: Platform::Ios,
            provider: ProviderKind::Apns,
            environment: Environment::Production,
            token: PushToken::Apns("aa".to_owned()),
            token_hash: TokenHash([0; 32]),
            token_seen_at: Timestamp::UNIX_EPOCH,
            permission: Permission::Unknown,
            timezone: None,
            locale: None,
            app_version: None,
            os_version: None,
            model: None,
            tags: BTreeMap::new(),
            status: DeviceStatus::Active,
            inactive_reason: None,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            last_seen_at: Timestamp::UNIX_EPOCH,
            version: 1,
        }
    }

    fn user(user: &str, device: Option<&str>) -> Principal {
        Principal::User { user: user.to_owned(), device: device.map(str::to_owned) }
    }

    #[test]
    fn a_device_is_its_users_and_a_token_reaches_no_further_than_it_is_bound() {
        let installation = |device: &str| Principal::Installation { device: device.to_owned() };
        for (who, anns, nobodys) in [
            (Principal::Backend, [true, true], [true, true]),
            (user("ann", None), [true, true], [false, false]),
            (user("ann", Some("phone")), [true, true], [false, false]),
            (user("ann", Some("pad")), [false, false], [false, false]),
            (user("bob", None), [false, false], [false, false]),
            (user("bob", Some("phone")), [false, false], [false, false]),
            (installation("phone"), [false, true], [true, true]),
            (installation("pad"), [false, false], [false, false]),
        ] {
            let may = |device: &Device| [who.owns(device), who.may_delete(device)];
            assert_eq!([may(&phone(Some("ann"))), may(&phone(None))], [anns, nobodys], "{who:?}");
        }
    }
}
