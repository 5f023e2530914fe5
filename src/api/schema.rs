//! The contract's fixed words and formats as OpenAPI schemas, for types of the domain, which knows no OpenAPI.

mod segment;

use utoipa::openapi::schema::{KnownFormat, Schema, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, RefOr};
use utoipa::{PartialSchema, ToSchema};

pub(crate) use self::segment::Segment;

macro_rules! word_schemas {
    ($($(#[doc = $doc:literal])* $name:ident = [$($word:literal),* $(,)?];)*) => {
        $($(#[doc = $doc])* pub(crate) enum $name {}

        impl $name {
            #[cfg(test)]
            pub(crate) const WORDS: &'static [&'static str] = &[$($word),*];
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let description = [$($doc.trim()),*].join("\n");
                let words = ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).enum_values(Some([$($word),*]));
                words.description(Some(description)).into()
            }
        }

        impl ToSchema for $name {})*
    };
}

word_schemas! {
    /// What the installation runs on.
    Platform = ["ios", "android", "web"];
    /// Who carries a push.
    Provider = ["apns", "fcm", "webpush"];
    /// Which of Apple's two services a token belongs to.
    Environment = ["production", "sandbox"];
    /// What the system lets the app show.
    Permission = ["granted", "provisional", "denied", "unknown"];
    /// Whether a device is sent to.
    DeviceStatus = ["active", "inactive"];
    /// Why a device is inactive.
    InactiveReason = ["token_dead", "token_mismatched", "token_moved", "too_many_devices", "stale"];
    /// How urgent a notification is.
    Priority = ["normal", "high", "critical"];
    /// What becomes of a push that is due in quiet hours.
    InQuietHours = ["defer", "drop", "ignore"];
    /// What becomes of devices where the local time has passed.
    IfPast = ["send", "skip"];
    /// Apple's interruption level; it also picks Android's `notification_priority`.
    Interruption = ["passive", "active", "time_sensitive", "critical"];
    /// Where a notification is.
    NotificationStatus = ["scheduled", "accepted", "sending", "paused", "done", "cancelled"];
    /// Where a delivery is.
    DeliveryStatus = ["waiting", "sent", "suppressed", "failed", "expired", "cancelled"];
    /// Where a campaign is.
    CampaignStatus = ["draft", "scheduled", "running", "paused", "done", "cancelled"];
    /// Where a run of a campaign is; `skipped`: it was missed by more than an hour.
    RunStatus = ["scheduled", "accepted", "sending", "paused", "done", "cancelled", "skipped"];
    /// A day of the week.
    Day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    /// What became of a push on the screen.
    ReceiptType = ["delivered", "opened", "dismissed"];
    /// What a provider says of a payload that it was shown.
    ValidationResult = ["valid", "invalid", "not_checked"];
    /// How long a bucket is, in UTC.
    Interval = ["minute", "hour", "day"];
    /// Who acts.
    Actor = ["key", "built_in", "local"];
    /// What an API key may do.
    Scope = ["send", "manage", "read", "critical"];
    /// What a webhook is told of.
    WebhookEvent = [
        "delivery.sent", "delivery.suppressed", "delivery.failed", "delivery.expired", "receipt.delivered", "receipt.opened", "receipt.dismissed",
        "device.registered", "device.deactivated", "preferences.changed", "campaign.started", "campaign.paused", "campaign.done", "lane.paused",
    ];
    /// Whether a webhook is sent to.
    WebhookStatus = ["enabled", "disabled"];
    /// Why a webhook is not sent to: somebody switched it off, it answered 410, or nothing but failures for three days.
    WebhookDisabledReason = ["switched", "gone", "failing"];
    /// How a webhook's message stands: it is to be tried, it was taken, or it was given up.
    WebhookMessageStatus = ["waiting", "delivered", "failed"];
}

fn text(format: SchemaFormat, description: &str) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).format(Some(format)).description(Some(description)).into()
}

/// An instant.
pub(crate) enum Instant {}

impl PartialSchema for Instant {
    fn schema() -> RefOr<Schema> {
        text(SchemaFormat::KnownFormat(KnownFormat::DateTime), "An instant: RFC 3339 with an offset, answered in UTC.")
    }
}

impl ToSchema for Instant {}

/// A wall clock.
pub(crate) enum LocalTime {}

impl PartialSchema for LocalTime {
    fn schema() -> RefOr<Schema> {
        text(SchemaFormat::Custom("local-date-time".to_owned()), "A wall clock: `YYYY-MM-DDTHH:MM:SS`, without an offset.")
    }
}

impl ToSchema for LocalTime {}

/// An object of a patch: any members.
pub(crate) enum Patch {}

impl PartialSchema for Patch {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(SchemaType::new(Type::Object)).description(Some("An RFC 7396 patch.")).into()
    }
}

impl ToSchema for Patch {}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use uuid::Uuid;

    use super::*;
    use crate::dispatch::handle::Validated;
    use crate::domain::campaign::CampaignStatus;
    use crate::domain::{delivery, device, notification, quiet_hours, webhook};
    use crate::store::analytics::Resolution;
    use crate::store::notification as view;
    use crate::store::{audit, key};

    fn words<T: Serialize>(all: &[T]) -> Vec<String> {
        all.iter().map(|one| serde_json::to_value(one).unwrap().as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_words_are_those_of_the_domain() {
        use device::{DeviceStatus as S, Environment as E, InactiveReason as R, Permission as P, Platform as F, ProviderKind as K};
        assert_eq!(words(&[F::Ios, F::Android, F::Web]), Platform::WORDS);
        assert_eq!(words(&[K::Apns, K::Fcm, K::Webpush]), Provider::WORDS);
        assert_eq!(words(&[E::Production, E::Sandbox]), Environment::WORDS);
        assert_eq!(words(&[P::Granted, P::Provisional, P::Denied, P::Unknown]), Permission::WORDS);
        assert_eq!(words(&[S::Active, S::Inactive]), DeviceStatus::WORDS);
        assert_eq!(words(&[R::TokenDead, R::TokenMismatched, R::TokenMoved, R::TooManyDevices, R::Stale]), InactiveReason::WORDS);
        let validated = [
            Validated::Valid,
            Validated::Invalid { reason: String::new(), field: None, message: String::new() },
            Validated::NotChecked { reason: String::new() },
        ];
        assert_eq!(validated.map(|one| one.as_str()), ValidationResult::WORDS);
        assert_eq!(words(view::NotificationStatus::ALL), NotificationStatus::WORDS);
        assert_eq!(words(&delivery::State::ALL), DeliveryStatus::WORDS);
        assert_eq!(words(CampaignStatus::ALL), super::CampaignStatus::WORDS);
        assert_eq!([&words(view::NotificationStatus::ALL)[..], &["skipped".to_owned()]].concat(), RunStatus::WORDS);
        assert_eq!(words(&quiet_hours::Day::ALL), Day::WORDS);
        assert_eq!(words(Resolution::ALL), Interval::WORDS);
        let key = audit::Actor::Key { id: Uuid::nil(), name: String::new() };
        assert_eq!([key, audit::Actor::BuiltIn, audit::Actor::Local].map(|actor| actor.as_str()), Actor::WORDS);
        let reasons = [webhook::Disabled::Switched, webhook::Disabled::Gone, webhook::Disabled::Failing];
        assert_eq!(words(&reasons), WebhookDisabledReason::WORDS);
        assert_eq!(words(&[key::Scope::Send, key::Scope::Manage, key::Scope::Read, key::Scope::Critical]), Scope::WORDS);
    }

    #[test]
    fn the_words_of_requests_are_taken() {
        for word in Priority::WORDS {
            assert!(serde_json::from_value::<notification::Priority>((*word).into()).is_ok(), "{word}");
        }
        for word in InQuietHours::WORDS {
            assert!(serde_json::from_value::<notification::InQuietHours>((*word).into()).is_ok(), "{word}");
        }
        for word in IfPast::WORDS {
            assert!(serde_json::from_value::<notification::IfPast>((*word).into()).is_ok(), "{word}");
        }
        for word in Interruption::WORDS {
            assert!(serde_json::from_value::<crate::domain::content::Interruption>((*word).into()).is_ok(), "{word}");
        }
        for word in WebhookEvent::WORDS {
            let event: webhook::EventType = serde_json::from_value((*word).into()).unwrap();
            assert_eq!(serde_json::to_value(event).unwrap(), *word);
        }
        for word in ReceiptType::WORDS {
            assert!(serde_json::from_value::<crate::store::receipt::ReceiptKind>((*word).into()).is_ok(), "{word}");
        }
    }
}
