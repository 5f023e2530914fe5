//! Whom a push goes to: a device, or whoever the provider fans a broadcast out to.

use uuid::Uuid;

use super::lane::{Destination, Service};
use crate::domain::broadcast::Broadcast;
use crate::domain::collapse;
use crate::domain::device::{Environment, Platform, ProviderKind};
use crate::domain::id::{NotificationId, PersonPk, Target};
use crate::domain::work::Pair;
use crate::store::engine::Recipient;

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub enum Receiver {
    /// A device.
    Device(Recipient),
    /// Whoever subscribed with the provider.
    Broadcast(Broadcast),
}

impl Receiver {
    /// Who carries it.
    pub fn provider(&self) -> ProviderKind {
        match self {
            Self::Device(recipient) => recipient.provider,
            Self::Broadcast(broadcast) => broadcast.provider(),
        }
    }

    /// What it runs on; `None`: on whatever the broadcast's subscribers have.
    pub fn platform(&self) -> Option<Platform> {
        match self {
            Self::Device(recipient) => Some(recipient.platform),
            Self::Broadcast(_) => None,
        }
    }

    /// Apple's service; `Production` elsewhere.
    pub fn environment(&self) -> Environment {
        match self {
            Self::Device(recipient) => recipient.environment,
            Self::Broadcast(broadcast) => broadcast.environment(),
        }
    }

    /// Where in its lane it goes; of a broadcast, to every platform that the provider carries to.
    pub fn destination(&self) -> Destination {
        match self {
            Self::Device(recipient) => Destination { platform: Some(recipient.platform), service: Service::of(&recipient.token) },
            Self::Broadcast(_) => Destination { platform: None, service: Service::default() },
        }
    }

    /// Whose it is.
    pub fn person(&self) -> Option<PersonPk> {
        match self {
            Self::Device(recipient) => recipient.person,
            Self::Broadcast(_) => None,
        }
    }

    /// What is recorded of it.
    pub fn target(&self) -> Target {
        match self {
            Self::Device(recipient) => Target::device(recipient.device),
            Self::Broadcast(_) => Target::BROADCAST,
        }
    }

    /// What names it in a row that follows.
    pub fn pair(&self) -> Pair {
        match self {
            Self::Device(recipient) => Pair { device: recipient.device, person: recipient.person },
            Self::Broadcast(_) => Pair::BROADCAST,
        }
    }

    /// The push's id: the same for every repeat.
    pub fn push_id(&self, notification: NotificationId) -> Uuid {
        match self {
            Self::Device(recipient) => collapse::apns_id(notification, recipient.device),
            Self::Broadcast(_) => collapse::broadcast_id(notification),
        }
    }
}
