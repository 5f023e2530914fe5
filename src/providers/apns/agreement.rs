//! What Apple refuses, delays or drops: header fields and a payload that do not go together.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::headers::{Fields, PUSH_TYPE};
use super::push_type::PushType;
use crate::providers::fields::invalid;
use crate::providers::{Message, RenderError};

/// The form in which FCM passes a push on to Apple, patched. `at`: where it is in the caller's body; `texts`: the header fields by
/// lower-case name.
pub(in crate::providers) fn check_carried(
    at: &str,
    message: &Message<'_>,
    texts: BTreeMap<String, String>,
    payload: &Map<String, Value>,
) -> Result<(), RenderError> {
    let fields = Fields::checked(at, message, texts)?;
    agree(at, fields.push_type, payload)
}

/// Whether a payload is what its push type says.
pub(super) fn agree(at: &str, push_type: PushType, payload: &Map<String, Value>) -> Result<(), RenderError> {
    let has = |name: &str| payload.get("aps").and_then(|aps| aps.get(name)).is_some();
    let visible = has("alert") || has("badge") || has("sound");
    match push_type {
        PushType::Background if visible => Err(invalid(at, PUSH_TYPE, "background goes without alert, badge and sound")),
        PushType::Background if !has("content-available") => Err(invalid(at, PUSH_TYPE, "background needs aps.content-available")),
        PushType::Alert if !visible => Err(invalid(at, PUSH_TYPE, "alert needs an alert, a badge or a sound")),
        PushType::Alert
        | PushType::Background
        | PushType::Complication
        | PushType::Controls
        | PushType::FileProvider
        | PushType::LiveActivity
        | PushType::Location
        | PushType::Mdm
        | PushType::PushToTalk
        | PushType::Voip
        | PushType::Widgets => Ok(()),
    }
}
