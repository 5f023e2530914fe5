//! The payload, read only as far as the checks need: one pass that borrows and keeps nothing.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::reason::Reason;
use super::topic::PushType;

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    aps: Option<Aps<'a>>,
    #[serde(borrow)]
    herald_id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Aps<'a> {
    #[serde(borrow)]
    alert: Option<&'a RawValue>,
    #[serde(borrow)]
    badge: Option<&'a RawValue>,
    #[serde(borrow)]
    sound: Option<&'a RawValue>,
    #[serde(borrow, rename = "content-available")]
    content_available: Option<&'a RawValue>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, rename = "content-state")]
    content_state: Option<&'a RawValue>,
    #[serde(borrow, rename = "attributes-type")]
    attributes_type: Option<&'a RawValue>,
    #[serde(borrow)]
    attributes: Option<&'a RawValue>,
    #[serde(borrow, rename = "stale-date")]
    stale_date: Option<&'a RawValue>,
    #[serde(borrow, rename = "dismissal-date")]
    dismissal_date: Option<&'a RawValue>,
}

impl Aps<'_> {
    fn is_visible(&self) -> bool {
        self.alert.is_some() || self.badge.is_some() || self.sound.is_some()
    }

    fn is_silent(&self) -> bool {
        let wakes = self.content_available.is_some_and(|raw| raw.get() == "1");
        wakes && !self.is_visible()
    }

    /// What phones would make something of: a start has its alert, and all but an end say what is shown.
    fn is_live_activity(&self) -> bool {
        let event = match self.event.map_or("", RawValue::get) {
            r#""start""# => self.starts_activity() && self.content_state.is_some_and(is_object),
            r#""update""# => self.content_state.is_some_and(is_object),
            r#""end""# => self.content_state.is_none_or(is_object),
            _ => false,
        };
        let dates = self.stale_date.is_none_or(is_number) && self.dismissal_date.is_none_or(is_number);
        event && dates && self.timestamp.is_some_and(is_number)
    }

    fn starts_activity(&self) -> bool {
        let is_name = |raw: &RawValue| serde_json::from_str::<&str>(raw.get()).is_ok_and(|name| !name.is_empty());
        self.attributes_type.is_some_and(is_name) && self.attributes.is_some_and(is_object) && self.alert.is_some()
    }
}

fn is_number(raw: &RawValue) -> bool {
    serde_json::from_str::<f64>(raw.get()).is_ok()
}

fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

/// Checks a payload against its push type; answers its `herald_id`, empty without one.
///
/// APNs has no reason for a body that is not JSON; the table offers nothing nearer than
/// `PayloadEmpty`. A payload that does not suit its push type is `InvalidPushType` here, where
/// the real service also delays or drops some.
pub(super) fn check(body: &[u8], push_type: Option<PushType>) -> Result<&str, Reason> {
    let limit = push_type.unwrap_or(PushType::Alert).max_payload();
    if body.len() > limit {
        return Err(Reason::PayloadTooLarge);
    }
    let payload: Payload<'_> = serde_json::from_slice(body).map_err(|_| Reason::PayloadEmpty)?;
    let aps = payload.aps.as_ref();
    let fits = match push_type {
        Some(PushType::Alert) => aps.ok_or(Reason::PayloadEmpty)?.is_visible(),
        Some(PushType::Background) => aps.ok_or(Reason::PayloadEmpty)?.is_silent(),
        Some(PushType::LiveActivity) => aps.ok_or(Reason::PayloadEmpty)?.is_live_activity(),
        Some(_) => true,
        None => aps.is_some(),
    };
    if !fits {
        return Err(Reason::InvalidPushType);
    }
    let herald_id = payload.herald_id.map_or("", RawValue::get);
    Ok(herald_id.trim_matches('"'))
}

/// Whether a payload that passed is one that starts a Live Activity.
pub(super) fn starts_activity(body: &[u8]) -> bool {
    let payload: Option<Payload<'_>> = serde_json::from_slice(body).ok();
    payload.and_then(|payload| payload.aps?.event).is_some_and(|event| event.get() == r#""start""#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_must_suit_their_push_type() {
        use PushType::{Alert, Background, LiveActivity, Voip};
        let wrong = Err(Reason::InvalidPushType);
        let empty = Err(Reason::PayloadEmpty);
        for (push_type, body, expected) in [
            (Alert, r#"{"aps":{"alert":"x"},"herald_id":"7"}"#, Ok("7")),
            (Alert, r#"{"aps":{"alert":{"title":"x"}},"x":[1]}"#, Ok("")),
            (Alert, r#"{"aps":{"badge":0}}"#, Ok("")),
            (Alert, r#"{"aps":{"sound":"default","content-available":1}}"#, Ok("")),
            (Alert, r#"{"aps":{"content-available":1}}"#, wrong),
            (Alert, r#"{"aps":{"alert":null}}"#, wrong),
            (Alert, r#"{"herald_id":"7"}"#, empty),
            (Alert, "{}", empty),
            (Alert, "", empty),
            (Alert, "{", empty),
            (Alert, "[]", empty),
            (Background, r#"{"aps":{"content-available":1}}"#, Ok("")),
            (Background, r#"{"aps":{"content-available":0}}"#, wrong),
            (Background, r#"{"aps":{}}"#, wrong),
            (Background, r#"{"aps":{"content-available":1,"alert":"x"}}"#, wrong),
            (Background, r#"{"aps":{"content-available":1,"badge":1}}"#, wrong),
            (Background, r#"{"aps":{"content-available":1,"sound":"x"}}"#, wrong),
            (LiveActivity, r#"{"aps":{"event":"end","timestamp":1}}"#, Ok("")),
            (LiveActivity, r#"{"aps":{"event":"stop","timestamp":1}}"#, wrong),
            (LiveActivity, r#"{"aps":{"event":"end","timestamp":1,"content-state":{},"dismissal-date":2}}"#, Ok("")),
            (LiveActivity, r#"{"aps":{"event":"end","timestamp":1,"dismissal-date":"soon"}}"#, wrong),
            (LiveActivity, r#"{"aps":{"event":"update","timestamp":1,"content-state":{}}}"#, Ok("")),
            (LiveActivity, r#"{"aps":{"event":"update","timestamp":1,"content-state":[]}}"#, wrong),
            (LiveActivity, r#"{"aps":{"event":"update","timestamp":1}}"#, wrong),
            (LiveActivity, r#"{"aps":{"event":"update","timestamp":1,"content-state":{},"stale-date":{}}}"#, wrong),
            (LiveActivity, r#"{"aps":{"event":"end"}}"#, wrong),
            (Voip, r#"{"anything":1}"#, Ok("")),
        ] {
            assert_eq!(check(body.as_bytes(), Some(push_type)), expected, "{body}");
        }
        assert_eq!(check(b"{}", None), wrong);
        assert_eq!(check(br#"{"aps":{}}"#, None), Ok(""));
    }

    #[test]
    fn a_live_activity_starts_with_all_it_needs() {
        let start = |members: &str| format!(r#"{{"aps":{{"event":"start","timestamp":1,{members}}}}}"#);
        for (members, is_good) in [
            (r#""content-state":{},"attributes":{},"attributes-type":"Ride","alert":{"title":"x"}"#, true),
            (r#""attributes":{},"attributes-type":"Ride","alert":{"title":"x"}"#, false),
            (r#""content-state":{},"attributes-type":"Ride","alert":{"title":"x"}"#, false),
            (r#""content-state":{},"attributes":[],"attributes-type":"Ride","alert":{"title":"x"}"#, false),
            (r#""content-state":{},"attributes":{},"alert":{"title":"x"}"#, false),
            (r#""content-state":{},"attributes":{},"attributes-type":"","alert":{"title":"x"}"#, false),
            (r#""content-state":{},"attributes":{},"attributes-type":"Ride""#, false),
        ] {
            let expected = if is_good { Ok("") } else { Err(Reason::InvalidPushType) };
            assert_eq!(check(start(members).as_bytes(), Some(PushType::LiveActivity)), expected, "{members}");
        }
    }

    #[test]
    fn payloads_have_a_size() {
        let body = |size: usize| {
            let frame = r#"{"aps":{"alert":""}}"#.len();
            format!(r#"{{"aps":{{"alert":"{}"}}}}"#, "x".repeat(size - frame))
        };
        let large = Err(Reason::PayloadTooLarge);
        for (push_type, size, expected) in [
            (None, 4096, Ok("")),
            (None, 4097, large),
            (Some(PushType::Alert), 4096, Ok("")),
            (Some(PushType::Alert), 4097, large),
            (Some(PushType::Voip), 5120, Ok("")),
            (Some(PushType::Voip), 5121, large),
        ] {
            let checked = check(body(size).as_bytes(), push_type).map(|_| "");
            assert_eq!(checked, expected, "{push_type:?} {size}");
        }
    }
}
