//! Values with rules of their own. They are checked while they are read and keep nothing but
//! what later checks need.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Text, borrowed where it holds no escapes.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl Text<'_> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// `data`: strings under keys that are not reserved.
#[derive(Debug, Default)]
pub(super) struct Data<'a> {
    /// Bytes of all keys and values.
    pub(super) bytes: usize,
    /// The value of `herald_id`.
    pub(super) herald_id: Cow<'a, str>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Data<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Data<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut data = Data::default();
                while let Some(Text(key)) = map.next_key()? {
                    let Text(value) = map.next_value()?;
                    if is_reserved(&key) {
                        return Err(Error::custom(format_args!("Invalid data payload key: {key}")));
                    }
                    data.bytes += key.len() + value.len();
                    if key == "herald_id" {
                        data.herald_id = value;
                    }
                }
                Ok(data)
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

fn is_reserved(key: &str) -> bool {
    matches!(key, "from" | "message_type") || key.starts_with("google") || key.starts_with("gcm")
}

/// A map of strings, such as headers.
#[derive(Debug)]
pub(super) struct Strings;

impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Strings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Strings, A::Error> {
                while map.next_entry::<IgnoredAny, Text<'de>>()?.is_some() {}
                Ok(Strings)
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// Any object.
#[derive(Debug)]
pub(super) struct Object;

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Object)
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// Text that must pass a check.
macro_rules! checked {
    ($(#[$doc:meta])* $name:ident, $check:expr, $description:literal) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name;

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let Text(text) = Text::deserialize(deserializer)?;
                let check: fn(&str) -> bool = $check;
                if check(&text) {
                    return Ok(Self);
                }
                Err(D::Error::custom(format_args!($description)))
            }
        }
    };
}

checked!(
    /// A time to live: seconds with `s`, at most four weeks.
    Ttl,
    is_ttl,
    "Invalid value: a duration like \"3.5s\" from 0 to 2419200 seconds is needed"
);
checked!(
    /// `android.priority`.
    Priority,
    |text| matches!(text, "NORMAL" | "HIGH" | "normal" | "high"),
    "Invalid value: one of NORMAL, HIGH is needed"
);
checked!(
    /// `android.notification.notification_priority`.
    NotificationPriority,
    |text| matches!(
        text.strip_prefix("PRIORITY_"),
        Some("UNSPECIFIED" | "MIN" | "LOW" | "DEFAULT" | "HIGH" | "MAX")
    ),
    "Invalid value: one of PRIORITY_MIN, _LOW, _DEFAULT, _HIGH, _MAX is needed"
);
checked!(
    /// `android.notification.visibility`.
    Visibility,
    |text| matches!(text, "VISIBILITY_UNSPECIFIED" | "PRIVATE" | "PUBLIC" | "SECRET"),
    "Invalid value: one of PRIVATE, PUBLIC, SECRET is needed"
);
checked!(
    /// `android.notification.proxy`.
    Proxy,
    |text| matches!(
        text,
        "PROXY_UNSPECIFIED" | "ALLOW" | "DENY" | "IF_PRIORITY_LOWERED"
    ),
    "Invalid value: one of ALLOW, DENY, IF_PRIORITY_LOWERED is needed"
);
checked!(
    /// `#rrggbb`.
    Color,
    |text| text.strip_prefix('#').is_some_and(|digits| {
        digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    }),
    "Invalid value: a colour like \"#rrggbb\" is needed"
);
checked!(
    /// An analytics label: 1 to 50 characters.
    Label,
    |text| (1..=50).contains(&text.len()) && is_name(text),
    "Invalid value: a label must match ^[a-zA-Z0-9-_.~%]{{1,50}}$"
);
checked!(
    /// A link that a browser opens.
    Link,
    |text| text.starts_with("https://"),
    "Invalid value: a link must begin with https://"
);

/// The characters of topics and labels.
pub(super) fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

fn is_ttl(text: &str) -> bool {
    let Some(number) = text.strip_suffix('s') else {
        return false;
    };
    let (seconds, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    is_number(seconds)
        && is_number(fraction)
        && fraction.len() <= 9
        && seconds.parse().is_ok_and(|seconds: u32| {
            let is_whole = fraction.bytes().all(|digit| digit == b'0');
            seconds < 2_419_200 || (seconds == 2_419_200 && is_whole)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_live() {
        for good in ["0s", "3.5s", "86400s", "2419200s", "2419200.000s", "0.000000001s"] {
            assert!(is_ttl(good), "{good}");
        }
        for bad in ["", "s", "1", "-1s", "1.s", ".5s", "2419201s", "2419200.1s", "1m", "1 s", "1e3s", "0.0000000001s", "+1s"] {
            assert!(!is_ttl(bad), "{bad}");
        }
    }

    #[test]
    fn data_is_measured_and_its_id_is_found() {
        let data: Data<'_> = serde_json::from_str(r#"{"ab":"cde","herald_id":"7"}"#).unwrap();
        assert_eq!(data.bytes, 5 + 10);
        assert_eq!(data.herald_id, "7");
        for bad in [
            r#"{"a":1}"#,
            r#"{"a":{}}"#,
            r#"{"a":null}"#,
            r#"{"from":"x"}"#,
            r#"{"message_type":"x"}"#,
            r#"{"google.x":"x"}"#,
            r#"{"gcm_x":"x"}"#,
            "[]",
        ] {
            assert!(serde_json::from_str::<Data<'_>>(bad).is_err(), "{bad}");
        }
    }
}
