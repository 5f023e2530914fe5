//! What requests say of a webhook.

use std::collections::BTreeSet;

use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::api::checks::Checks;
use crate::api::json::{Given, Reading, objects};
use crate::api::problem::Problem;
use crate::api::schema;
use crate::domain::webhook::EventType;
use crate::domain::webhook::address::{AddressError, check_url};
use crate::domain::webhook::signature::SECRET_BYTES;
use crate::store::webhook::{WebhookChange, WebhookSecret};

/// A new webhook.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub(super) struct WebhookRequest {
    /// Where messages are posted: https, at a public host by name; elsewhere is `address_forbidden`.
    #[schema(required = true, nullable = false, max_length = 2048)]
    url: Option<String>,
    /// What it is told of.
    #[schema(value_type = Vec<schema::WebhookEvent>, required = true, min_items = 1)]
    events: Option<Vec<EventType>>,
}

/// What is to be changed of a webhook.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub(super) struct WebhookPatch {
    /// Where messages are posted, those that wait as well.
    #[schema(value_type = Option<String>, nullable = false, max_length = 2048)]
    #[serde(default)]
    url: Given<String>,
    /// What it is told of from now on.
    #[schema(value_type = Option<Vec<schema::WebhookEvent>>, nullable = false, min_items = 1)]
    #[serde(default)]
    events: Given<Vec<EventType>>,
    /// Whether it is sent to.
    #[schema(value_type = Option<bool>, nullable = false)]
    #[serde(default)]
    enabled: Given<bool>,
}

objects!(WebhookRequest, WebhookPatch);

/// A new secret.
pub(super) fn fresh_secret() -> WebhookSecret {
    let bytes = Zeroizing::new(rand::random::<[u8; SECRET_BYTES]>());
    Zeroizing::new(bytes.to_vec())
}

/// Checks a new webhook; `private`: whether it may be at a private address.
pub(super) fn new(reading: Reading<WebhookRequest>, private: bool) -> Result<(String, BTreeSet<EventType>), Problem> {
    let mut checks = Checks::with(reading.errors);
    let WebhookRequest { url, events } = reading.value;
    match &url {
        None => checks.required("url"),
        Some(url) => check_place(&mut checks, url, private),
    }
    match &events {
        None => checks.required("events"),
        Some(events) => check_events(&mut checks, events),
    }
    checks.done((url.unwrap_or_default(), events.unwrap_or_default().into_iter().collect()))
}

/// Checks a change, likewise.
pub(super) fn change(reading: Reading<WebhookPatch>, private: bool) -> Result<WebhookChange, Problem> {
    let mut checks = Checks::with(reading.errors);
    let WebhookPatch { url, events, enabled } = reading.value;
    let nulls = [("url", url == Given::Null), ("events", events == Given::Null), ("enabled", enabled == Given::Null)];
    for (field, _) in nulls.iter().filter(|(_, is_null)| *is_null) {
        checks.invalid(field, "must not be null; leave it out to keep it");
    }
    if let Some(url) = url.as_value() {
        check_place(&mut checks, url, private);
    }
    if let Some(events) = events.as_value() {
        check_events(&mut checks, events);
    }
    checks.done(WebhookChange {
        url: url.over(None),
        events: events.over(None).map(|events| events.into_iter().collect()),
        enabled: enabled.over(None),
    })
}

fn check_place(checks: &mut Checks, url: &str, private: bool) {
    match check_url(url, private) {
        Ok(()) => {}
        Err(error @ AddressError::Forbidden) => checks.refuse("url", "address_forbidden", error),
        Err(error @ (AddressError::TooLong | AddressError::Form)) => checks.invalid("url", error),
    }
}

fn check_events(checks: &mut Checks, events: &[EventType]) {
    if events.is_empty() {
        checks.invalid("events", "must not be empty");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::json;

    #[test]
    fn a_webhook_needs_a_place_and_an_event() {
        for (body, field, code) in [
            ("{}", "url", "required"),
            (r#"{"url": null, "events": ["lane.paused"]}"#, "url", "required"),
            (r#"{"url": "http://example.com", "events": ["lane.paused"]}"#, "url", "invalid"),
            (r#"{"url": "https://10.0.0.1/", "events": ["lane.paused"]}"#, "url", "address_forbidden"),
            (r#"{"url": "https://me@example.com/", "events": ["lane.paused"]}"#, "url", "address_forbidden"),
            (r#"{"url": "https://example.com/"}"#, "events", "required"),
            (r#"{"url": "https://example.com/", "events": []}"#, "events", "invalid"),
            (r#"{"url": "https://example.com/", "events": ["lane.paused", "webhook.test"]}"#, "events[1]", "invalid"),
            (r#"{"url": "https://example.com/", "events": ["lane.paused"], "secret": "x"}"#, "secret", "unknown_field"),
        ] {
            let problem = json::read(body.as_bytes()).and_then(|reading| new(reading, false)).unwrap_err();
            assert_eq!((problem.errors()[0].field.as_str(), problem.errors()[0].code), (field, code), "{body}");
        }
        let body = br#"{"url": "https://example.com/x", "events": ["lane.paused", "delivery.sent", "lane.paused"]}"#;
        let (url, events) = new(json::read(body).unwrap(), false).unwrap();
        assert_eq!((url.as_str(), events), ("https://example.com/x", BTreeSet::from([EventType::DeliverySent, EventType::LanePaused])));
        let body = br#"{"url": "https://10.0.0.1/", "events": ["lane.paused"]}"#;
        assert!(new(json::read(body).unwrap(), true).is_ok());
    }

    #[test]
    fn a_change_says_what_it_changes() {
        let read = |body: &str| json::read(body.as_bytes()).and_then(|reading| change(reading, false));
        assert_eq!(read("{}").unwrap(), WebhookChange::default());
        assert_eq!(read(r#"{"enabled": false}"#).unwrap(), WebhookChange { enabled: Some(false), ..WebhookChange::default() });
        let whole = read(r#"{"url": "https://example.com/", "events": ["receipt.opened"], "enabled": true}"#).unwrap();
        assert_eq!(whole.events, Some(BTreeSet::from([EventType::ReceiptOpened])));
        for (body, field) in [
            (r#"{"url": null}"#, "url"),
            (r#"{"events": null}"#, "events"),
            (r#"{"enabled": null}"#, "enabled"),
            (r#"{"enabled": "yes"}"#, "enabled"),
            (r#"{"events": []}"#, "events"),
            (r#"{"url": "https://localhost/"}"#, "url"),
        ] {
            assert_eq!(read(body).unwrap_err().errors()[0].field, field, "{body}");
        }
    }

    #[test]
    fn no_two_secrets_are_alike() {
        assert_eq!(fresh_secret().len(), SECRET_BYTES);
        assert_ne!(fresh_secret(), fresh_secret());
    }
}
