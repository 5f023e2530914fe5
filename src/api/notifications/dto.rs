//! A notification as callers write it.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::instant::{Instant, LocalTime};
use crate::api::json::{AnyValue, UniqueMap, objects};
use crate::api::{schema, ttl};
use crate::domain::content::Interruption;
use crate::domain::device::Environment;
use crate::domain::notification::{IfPast, InQuietHours, Priority};

/// One message and its audience.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = NotificationRequest)]
pub(in crate::api) struct NotificationRequest {
    /// Whom for.
    #[schema(required = true, nullable = false)]
    pub(super) to: Option<ToRequest>,
    /// A declared category; without one only the channels' switches decide.
    #[schema(max_length = 64)]
    pub(super) category: Option<String>,
    /// The category's, else `high`, where absent. `critical` needs the scope of that name, also as the category's.
    #[schema(value_type = Option<schema::Priority>)]
    pub(super) priority: Option<Priority>,
    /// The words.
    pub(super) content: Option<ContentRequest>,
    /// Words over all others, by platform.
    pub(super) platforms: Option<PlatformsRequest>,
    /// Words over `content`, by locale: the longest tag that fits a device's goes first.
    #[schema(value_type = Option<BTreeMap<String, ContentRequest>>)]
    pub(super) localized: Option<UniqueMap<ContentRequest>>,
    /// Words under all others, from a template that was stored. Beside it there is no `localized`, `silent`, `push_type`, `live_activity` or broadcast.
    pub(super) template: Option<TemplateUseRequest>,
    /// The caller's own, at most 8, for lists and analytics.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub(super) labels: Option<UniqueMap<String>>,
    /// A data-only background push: no words, sound or badge.
    pub(super) silent: Option<bool>,
    /// Where it goes to another address than a device's ordinary one: `voip` to that for calls (APNs 10, 5 120 bytes, 30 seconds to live unless
    /// something else is said), `location` to that for location queries. The app's data says what it is about: no words, sound or badge.
    #[schema(value_type = Option<PushTypeSchema>)]
    pub(super) push_type: Option<PushTypeWord>,
    /// A push to a Live Activity. `content`, if any, is its alert; without one, in the overrides either, it is treated as silent.
    pub(super) live_activity: Option<LiveActivityRequest>,
    /// How long it may live from the instant it is due at a device; 0 is now or never. The category's, else a day, where absent.
    #[serde(default, deserialize_with = "ttl::read")]
    #[schema(maximum = 2_419_200)]
    pub(super) ttl_seconds: Option<u32>,
    /// Until when it may live, instead of `ttl_seconds`.
    #[schema(value_type = Option<schema::Instant>)]
    pub(super) expires_at: Option<Instant>,
    /// When it is due, at most 90 days ahead; in the past is now.
    #[schema(value_type = Option<schema::Instant>)]
    pub(super) send_at: Option<Instant>,
    /// When it is due by each device's own wall clock, instead of `send_at`.
    #[schema(value_type = Option<schema::LocalTime>)]
    pub(super) send_at_local: Option<LocalTime>,
    /// With `send_at_local`: what becomes of devices where that time has passed; `skip` where absent.
    #[schema(value_type = Option<schema::IfPast>)]
    pub(super) if_past: Option<IfPast>,
    /// What becomes of it in quiet hours; `defer` where absent. `ignore` needs the scope `critical`.
    #[schema(value_type = Option<schema::InQuietHours>)]
    pub(super) in_quiet_hours: Option<InQuietHours>,
    /// Of the same key the newest accepted notification wins at each device; at most 64 bytes.
    #[schema(min_length = 1, max_length = 64)]
    pub(super) collapse_key: Option<String>,
    /// Over what was rendered for APNs: `{"headers": {…}, "payload": {…}}`.
    #[schema(value_type = Option<schema::Patch>)]
    pub(super) apns: Option<AnyValue>,
    /// Over what was rendered for FCM: a patch of `message`.
    #[schema(value_type = Option<schema::Patch>)]
    pub(super) fcm: Option<AnyValue>,
    /// Over what was rendered for browsers.
    #[schema(value_type = Option<schema::Patch>)]
    pub(super) webpush: Option<AnyValue>,
    /// A test send to at most 20 names: counted nowhere.
    pub(super) test: Option<bool>,
    /// In a batch only: the item's own key. Elsewhere it is the header `Idempotency-Key`, and this is refused.
    #[schema(min_length = 1, max_length = 255)]
    pub(super) idempotency_key: Option<String>,
}

/// A template and what fills its blanks.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = TemplateUse)]
pub(super) struct TemplateUseRequest {
    /// Which; its words are those of the moment of acceptance.
    #[schema(value_type = String, required = true, max_length = 64)]
    pub(super) id: Option<String>,
    /// By name, for everybody: any JSON, at most 8192 bytes with a user's own; null is as if absent. `user_id`, `user`, `device`, `locale`,
    /// `platform`, `variables`, `loop` and `range` are no names.
    #[schema(value_type = Option<Object>)]
    pub(super) variables: Option<AnyValue>,
    /// Over those, by `user_id`, at most 10 000.
    #[schema(value_type = Option<BTreeMap<String, Object>>)]
    pub(super) per_user: Option<UniqueMap<AnyValue>>,
}

/// Whom for: exactly one of `user_id`, `user_ids`, `device_ids`, `topic`, `segment`, `all`, `broadcast`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = To)]
pub(super) struct ToRequest {
    /// One user's active devices.
    #[schema(max_length = 256)]
    pub(super) user_id: Option<String>,
    /// The active devices of these users.
    #[schema(min_items = 1, max_items = 10_000)]
    pub(super) user_ids: Option<Vec<String>>,
    /// These devices.
    #[schema(min_items = 1, max_items = 10_000)]
    pub(super) device_ids: Option<Vec<String>>,
    /// The active devices that follow a topic, themselves or through their user. One that nobody follows reaches nobody.
    #[schema(max_length = 64)]
    pub(super) topic: Option<String>,
    /// The active devices that a segment means when the notification begins.
    #[schema(value_type = Option<schema::Segment>)]
    pub(super) segment: Option<AnyValue>,
    /// Every active device of the app; only `true`.
    pub(super) all: Option<bool>,
    /// Whoever subscribed with the provider, which fans it out: one delivery without a device. Only with `in_quiet_hours: "ignore"`, and
    /// without `where`, `except_device_ids`, `devices`, `send_at_local`, `localized` and `test`.
    pub(super) broadcast: Option<BroadcastRequest>,
    /// Of those devices, only active ones that a segment means when the notification begins; who has none of them is no target.
    #[schema(value_type = Option<schema::Segment>)]
    #[serde(rename = "where")]
    pub(super) only: Option<AnyValue>,
    /// Devices that are left out.
    #[schema(max_items = 10_000)]
    pub(super) except_device_ids: Option<Vec<String>>,
    /// With users: all of a user's devices (default), or the latest seen one only.
    #[schema(value_type = Option<DevicesWord>)]
    pub(super) devices: Option<Which>,
}

/// Where a broadcast goes: exactly one of `fcm_topic`, `fcm_condition`, `apns_channel`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = Broadcast)]
pub(super) struct BroadcastRequest {
    /// An FCM topic, without `/topics/`.
    #[schema(min_length = 1, max_length = 900, pattern = "^[A-Za-z0-9._~%-]+$")]
    pub(super) fcm_topic: Option<String>,
    /// FCM topics joined by `&&`, `||` and `!(…)`, at most five: `'a' in topics && 'b' in topics`.
    #[schema(min_length = 1, max_length = 8192)]
    pub(super) fcm_condition: Option<String>,
    /// The id of an APNs broadcast channel, as Apple gave it. Channels carry updates of Live Activities and nothing else.
    #[schema(min_length = 1, max_length = 512)]
    pub(super) apns_channel: Option<String>,
    /// With `apns_channel`: the service that made the channel; `production` where absent.
    #[schema(value_type = Option<schema::Environment>)]
    pub(super) environment: Option<Environment>,
}

/// Which of a user's devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Which {
    All,
    Latest,
}

/// Which of a user's devices.
#[derive(ToSchema)]
#[schema(as = WhichDevices, rename_all = "snake_case")]
#[expect(dead_code, reason = "a schema only")]
pub(super) enum DevicesWord {
    All,
    Latest,
}

/// Pushes to another address than a device's ordinary one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PushTypeWord {
    Voip,
    Location,
}

/// Which of a device's other addresses a push goes to.
#[derive(ToSchema)]
#[schema(as = PushType, rename_all = "snake_case")]
#[expect(dead_code, reason = "a schema only")]
pub(super) enum PushTypeSchema {
    Voip,
    Location,
}

/// What becomes of a Live Activity and what it shows. It goes to the address of the activity, or, where one starts, of its attributes' type;
/// devices that have none are left out (`unsupported`).
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = LiveActivity)]
pub(super) struct LiveActivityRequest {
    /// What becomes of it.
    #[schema(value_type = ActivityEventSchema, required = true, nullable = false)]
    pub(super) event: Option<EventWord>,
    /// With `update` and `end`: which one.
    #[schema(min_length = 1, max_length = 64)]
    pub(super) activity_id: Option<String>,
    /// With `start`: the name of the app's attributes type.
    #[schema(min_length = 1, max_length = 64)]
    pub(super) attributes_type: Option<String>,
    /// With `start`: what of it never changes.
    #[schema(value_type = Option<Object>)]
    pub(super) attributes: Option<AnyValue>,
    /// What it shows from now on.
    #[schema(value_type = Option<Object>)]
    pub(super) content_state: Option<AnyValue>,
    /// From when on that is out of date.
    #[schema(value_type = Option<schema::Instant>)]
    pub(super) stale_at: Option<Instant>,
    /// With `end`: when it goes from the screen; within four hours where absent, at once where it has passed.
    #[schema(value_type = Option<schema::Instant>)]
    pub(super) dismiss_at: Option<Instant>,
}

/// What becomes of a Live Activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EventWord {
    Start,
    Update,
    End,
}

/// What becomes of a Live Activity.
#[derive(ToSchema)]
#[schema(as = ActivityEvent, rename_all = "snake_case")]
#[expect(dead_code, reason = "a schema only")]
pub(super) enum ActivityEventSchema {
    Start,
    Update,
    End,
}

/// What a person sees and what the app gets.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = Content)]
pub(in crate::api) struct ContentRequest {
    /// First line.
    pub(super) title: Option<String>,
    /// Second line, on Apple's systems.
    pub(super) subtitle: Option<String>,
    /// The text.
    pub(super) body: Option<String>,
    /// An https address.
    #[schema(max_length = 2048)]
    pub(super) image_url: Option<String>,
    /// `default` or the name of a sound in the app; absent is silence.
    #[schema(max_length = 256)]
    pub(super) sound: Option<String>,
    /// The number on the app's icon; 0 removes it.
    #[schema(maximum = 2_147_483_647)]
    pub(super) badge: Option<u32>,
    /// Groups notifications on Apple's systems.
    #[schema(max_length = 256)]
    pub(super) thread_id: Option<String>,
    /// Where a tap leads; arrives as `herald_link`.
    #[schema(max_length = 2048)]
    pub(super) link: Option<String>,
    /// How much it may interrupt; `critical` needs the scope of that name.
    #[schema(value_type = Option<schema::Interruption>)]
    pub(super) interruption: Option<Interruption>,
    /// For Apple's summary.
    #[schema(minimum = 0, maximum = 1)]
    pub(super) relevance: Option<f64>,
    /// The Android channel; the category's where absent.
    #[schema(max_length = 256)]
    pub(super) android_channel: Option<String>,
    /// The set of actions that the app registered.
    #[schema(max_length = 256)]
    pub(super) action_set: Option<String>,
    /// Buttons that browsers show.
    #[schema(max_items = 8)]
    pub(super) actions: Option<Vec<ActionRequest>>,
    /// The app's own data: strings by name.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub(super) data: Option<UniqueMap<String>>,
}

/// A button.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = Action)]
pub(super) struct ActionRequest {
    /// What the receipt names.
    #[schema(min_length = 1, max_length = 64)]
    pub(super) id: String,
    /// What the button says.
    #[schema(min_length = 1, max_length = 256)]
    pub(super) title: String,
}

/// Words by platform.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = Platforms)]
pub(super) struct PlatformsRequest {
    /// Apple's systems.
    pub(super) ios: Option<ContentRequest>,
    /// Android.
    pub(super) android: Option<ContentRequest>,
    /// Browsers.
    pub(super) web: Option<ContentRequest>,
}

impl NotificationRequest {
    /// Which of the fields are given that a campaign has its own for.
    pub(in crate::api) fn left_to_the_campaign(&self) -> impl Iterator<Item = &'static str> {
        let fields = [
            ("to", self.to.is_some()),
            ("send_at", self.send_at.is_some()),
            ("send_at_local", self.send_at_local.is_some()),
            ("if_past", self.if_past.is_some()),
            ("test", self.test.is_some()),
            ("idempotency_key", self.idempotency_key.is_some()),
        ];
        fields.into_iter().filter(|(_, is_given)| *is_given).map(|(field, _)| field)
    }

    /// Whether it names no category.
    pub(in crate::api) fn has_no_category(&self) -> bool {
        self.category.is_none()
    }

    /// Whether it says until when it lives.
    pub(in crate::api) fn has_end(&self) -> bool {
        self.expires_at.is_some()
    }
}

objects!(
    NotificationRequest,
    TemplateUseRequest,
    ToRequest,
    BroadcastRequest,
    LiveActivityRequest,
    ContentRequest,
    ActionRequest,
    PlatformsRequest
);
