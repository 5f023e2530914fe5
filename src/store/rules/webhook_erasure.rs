//! Items that name somebody who is erased: how they are found in a list's text, and what is left of them.

use serde_json::{Map, Value};

use super::super::{Error, Result};

/// Who is to be named no more.
pub(in crate::store) struct Erased<'e> {
    pub(in crate::store) user: &'e str,
    pub(in crate::store) devices: &'e [String],
}

impl Erased<'_> {
    /// What a list's text has where it names one of them.
    pub(in crate::store) fn texts(&self) -> Vec<String> {
        let member = |name: &str, value: &str| format!("\"{name}\":{}", Value::from(value));
        let devices = self.devices.iter().map(|device| member("device_id", device));
        std::iter::once(member("user_id", self.user)).chain(devices).collect()
    }

    /// The list without them.
    pub(in crate::store) fn without(&self, list: &str) -> Result<String> {
        let refused = |error| Error::Refused(Box::new(error));
        let mut items: Vec<Map<String, Value>> = serde_json::from_str(list).map_err(refused)?;
        for item in items.iter_mut().filter(|item| self.is_named_in(item)) {
            for name in ["user_id", "device_id"] {
                if let Some(value) = item.get_mut(name) {
                    *value = Value::Null;
                }
            }
        }
        serde_json::to_string(&items).map_err(refused)
    }

    fn is_named_in(&self, item: &Map<String, Value>) -> bool {
        let text = |name| item.get(name).and_then(Value::as_str);
        text("user_id") == Some(self.user) || text("device_id").is_some_and(|device| self.devices.iter().any(|gone| gone == device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_erased_is_named_in_no_item() {
        let user = "a\"nn\\ü\u{7f}";
        let list = serde_json::json!([
            {"user_id": user, "device_id": "d1", "at": "now"},
            {"user_id": "bob", "device_id": "d2"},
            {"user_id": null, "device_id": "d3"},
            {"user_id": "bob"},
        ])
        .to_string();
        let devices = ["d3".to_owned()];
        let erased = Erased { user, devices: &devices };
        let left = erased.without(&list).unwrap();
        let expected = serde_json::json!([
            {"user_id": null, "device_id": null, "at": "now"},
            {"user_id": "bob", "device_id": "d2"},
            {"user_id": null, "device_id": null},
            {"user_id": "bob"},
        ]);
        assert_eq!(serde_json::from_str::<Value>(&left).unwrap(), expected);
        assert!(erased.texts().iter().all(|text| list.contains(text.as_str()) && !left.contains(text.as_str())), "{:?}", erased.texts());
    }

    #[test]
    fn nobody_else_is_found() {
        let texts = Erased { user: "ann", devices: &[] }.texts();
        assert_eq!(texts, [r#""user_id":"ann""#]);
        assert!(!r#"[{"user_id":"anna"},{"device_id":"ann"}]"#.contains(texts[0].as_str()));
    }
}
