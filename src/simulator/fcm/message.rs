//! The body of a send, in one typed pass that borrows. Unknown fields are refused; fields may be
//! written in snake case or in camel case, as protocol buffers' JSON has it.
//!
//! Most fields are only there to be known and to have a type.
#![expect(dead_code, reason = "fields are read by the parser to check their presence and type")]

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::value::{Color, Data, Label, Link, NotificationPriority, Object, Priority, Proxy, Strings, Text, Ttl, Visibility};

/// The whole body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SendRequest<'a> {
    #[serde(default, alias = "validateOnly")]
    pub(super) validate_only: bool,
    #[serde(borrow)]
    pub(super) message: Message<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message<'a> {
    name: Option<IgnoredAny>,
    #[serde(borrow)]
    pub(super) token: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) fid: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) topic: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) condition: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) data: Option<Data<'a>>,
    #[serde(borrow)]
    pub(super) notification: Option<Notification<'a>>,
    #[serde(borrow)]
    pub(super) android: Option<Android<'a>>,
    webpush: Option<Webpush>,
    apns: Option<Apns>,
    #[serde(alias = "fcmOptions")]
    fcm_options: Option<Options>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Notification<'a> {
    #[serde(borrow)]
    pub(super) title: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) body: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) image: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    #[serde(alias = "analyticsLabel")]
    analytics_label: Option<Label>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Android<'a> {
    #[serde(borrow, alias = "collapseKey")]
    collapse_key: Option<Text<'a>>,
    priority: Option<Priority>,
    ttl: Option<Ttl>,
    #[serde(borrow, alias = "restrictedPackageName")]
    restricted_package_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) data: Option<Data<'a>>,
    #[serde(borrow)]
    pub(super) notification: Option<AndroidNotification<'a>>,
    #[serde(alias = "fcmOptions")]
    fcm_options: Option<Options>,
    #[serde(alias = "directBootOk")]
    direct_boot_ok: Option<bool>,
    #[serde(alias = "bandwidthConstrainedOk")]
    bandwidth_constrained_ok: Option<bool>,
    #[serde(alias = "restrictedSatelliteOk")]
    restricted_satellite_ok: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AndroidNotification<'a> {
    #[serde(borrow)]
    pub(super) title: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) body: Option<Text<'a>>,
    #[serde(borrow)]
    icon: Option<Text<'a>>,
    color: Option<Color>,
    #[serde(borrow)]
    sound: Option<Text<'a>>,
    #[serde(borrow)]
    tag: Option<Text<'a>>,
    #[serde(borrow, alias = "clickAction")]
    click_action: Option<Text<'a>>,
    #[serde(borrow, alias = "bodyLocKey")]
    pub(super) body_loc_key: Option<Text<'a>>,
    #[serde(borrow, alias = "bodyLocArgs")]
    pub(super) body_loc_args: Option<Vec<Text<'a>>>,
    #[serde(borrow, alias = "titleLocKey")]
    pub(super) title_loc_key: Option<Text<'a>>,
    #[serde(borrow, alias = "titleLocArgs")]
    pub(super) title_loc_args: Option<Vec<Text<'a>>>,
    #[serde(borrow, alias = "channelId")]
    channel_id: Option<Text<'a>>,
    #[serde(borrow)]
    ticker: Option<Text<'a>>,
    sticky: Option<bool>,
    #[serde(borrow, alias = "eventTime")]
    event_time: Option<Text<'a>>,
    #[serde(alias = "localOnly")]
    local_only: Option<bool>,
    #[serde(alias = "notificationPriority")]
    notification_priority: Option<NotificationPriority>,
    #[serde(alias = "defaultSound")]
    default_sound: Option<bool>,
    #[serde(alias = "defaultVibrateTimings")]
    default_vibrate_timings: Option<bool>,
    #[serde(alias = "defaultLightSettings")]
    default_light_settings: Option<bool>,
    #[serde(alias = "vibrateTimings")]
    vibrate_timings: Option<Vec<Ttl>>,
    visibility: Option<Visibility>,
    #[serde(alias = "notificationCount")]
    notification_count: Option<i32>,
    #[serde(alias = "lightSettings")]
    light_settings: Option<Object>,
    #[serde(borrow)]
    image: Option<Text<'a>>,
    proxy: Option<Proxy>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Apns {
    headers: Option<Strings>,
    payload: Option<Object>,
    #[serde(alias = "fcmOptions")]
    fcm_options: Option<ApnsOptions>,
    #[serde(alias = "liveActivityToken")]
    live_activity_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApnsOptions {
    #[serde(alias = "analyticsLabel")]
    analytics_label: Option<Label>,
    image: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Webpush {
    headers: Option<Strings>,
    data: Option<Strings>,
    notification: Option<Object>,
    #[serde(alias = "fcmOptions")]
    fcm_options: Option<WebpushOptions>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebpushOptions {
    link: Option<Link>,
    #[serde(alias = "analyticsLabel")]
    analytics_label: Option<Label>,
}
