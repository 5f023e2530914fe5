//! What needs a key of scope `critical`, wherever a request says it: words, overrides, or the category it names.

use serde_json::Value;

use super::validate::Given;
use crate::api::Api;
use crate::api::problem::Problem;
use crate::dispatch::draft::Draft;
use crate::domain::id::AppId;
use crate::domain::notification::{Overrides, Priority};
use crate::store::key::Scope;

/// Whether overrides make an Apple critical alert, which sounds though the phone is muted.
pub(super) fn is_in(overrides: &Overrides) -> bool {
    let aps = |value: &Option<Value>, at: &str| value.as_ref().and_then(|value| value.pointer(at)).is_some_and(is_critical);
    aps(&overrides.apns, "/payload/aps") || aps(&overrides.fcm, "/apns/payload/aps")
}

fn is_critical(aps: &Value) -> bool {
    let sounds = aps.pointer("/sound/critical").is_some_and(|flag| !matches!(flag, Value::Null | Value::Bool(false)) && *flag != 0);
    sounds || aps.get("interruption-level").is_some_and(|level| level == "critical")
}

/// 403 where the draft takes the priority `critical` from its category and the key may not.
pub(super) async fn check_category(api: &Api, app: AppId, draft: &Draft, given: Given) -> Result<(), Problem> {
    let (false, None, Some(category)) = (given.may_be_critical, draft.priority, &draft.category) else { return Ok(()) };
    let categories = api.path.categories(app).await?;
    let is_critical = categories.get(category).is_some_and(|category| category.priority == Some(Priority::Critical));
    if is_critical { Err(Problem::scope_missing(Scope::Critical)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_critical_alert_is_found_in_overrides() {
        for (apns, fcm, expected) in [
            (json!({"payload": {"aps": {"interruption-level": "critical"}}}), Value::Null, true),
            (json!({"payload": {"aps": {"sound": {"critical": 1, "name": "a"}}}}), Value::Null, true),
            (Value::Null, json!({"apns": {"payload": {"aps": {"interruption-level": "critical"}}}}), true),
            (Value::Null, json!({"apns": {"payload": {"aps": {"sound": {"critical": true}}}}}), true),
            (json!({"payload": {"aps": {"interruption-level": "time-sensitive", "sound": "critical"}}}), Value::Null, false),
            (json!({"payload": {"aps": {"sound": {"critical": 0}}}}), json!({"apns": {"payload": {}}}), false),
            (Value::Null, json!({"android": {"priority": "critical"}}), false),
        ] {
            let overrides = Overrides { apns: Some(apns), fcm: Some(fcm), webpush: None };
            assert_eq!(is_in(&overrides), expected, "{overrides:?}");
        }
    }
}
