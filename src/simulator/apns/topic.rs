//! `apns-push-type` and the topic that belongs to it.

/// The push types that APNs knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum PushType {
    Alert,
    Background,
    Complication,
    Controls,
    FileProvider,
    LiveActivity,
    Location,
    Mdm,
    PushToTalk,
    Voip,
    Widgets,
}

impl PushType {
    const ALL: [Self; 11] = [
        Self::Alert,
        Self::Background,
        Self::Complication,
        Self::Controls,
        Self::FileProvider,
        Self::LiveActivity,
        Self::Location,
        Self::Mdm,
        Self::PushToTalk,
        Self::Voip,
        Self::Widgets,
    ];

    /// The type that a header names.
    pub(super) fn from_header(value: &[u8]) -> Option<Self> {
        Some(match value {
            b"alert" => Self::Alert,
            b"background" => Self::Background,
            b"complication" => Self::Complication,
            b"controls" => Self::Controls,
            b"fileprovider" => Self::FileProvider,
            b"liveactivity" => Self::LiveActivity,
            b"location" => Self::Location,
            b"mdm" => Self::Mdm,
            b"pushtotalk" => Self::PushToTalk,
            b"voip" => Self::Voip,
            b"widgets" => Self::Widgets,
            _ => return None,
        })
    }

    /// What its topic adds to the bundle id. A topic for `mdm` is the UID in a certificate's
    /// subject, which a token can never send to.
    fn suffix(self) -> Option<&'static str> {
        Some(match self {
            Self::Alert | Self::Background => "",
            Self::Complication => ".complication",
            Self::Controls => ".push-type.controls",
            Self::FileProvider => ".pushkit.fileprovider",
            Self::LiveActivity => ".push-type.liveactivity",
            Self::Location => ".location-query",
            Self::Mdm => return None,
            Self::PushToTalk => ".voip-ptt",
            Self::Voip => ".voip",
            Self::Widgets => ".push-type.widgets",
        })
    }

    /// The largest payload in bytes.
    pub(super) fn max_payload(self) -> usize {
        if self == Self::Voip { 5120 } else { 4096 }
    }
}

/// Whether a topic is the one for this app and push type; without a type, any of the app's.
pub(super) fn is_allowed(topic: &str, bundle_id: &str, push_type: Option<PushType>) -> bool {
    let Some(suffix) = topic.strip_prefix(bundle_id) else {
        return false;
    };
    let fits = |push_type: PushType| push_type.suffix() == Some(suffix);
    push_type.map_or_else(|| PushType::ALL.into_iter().any(fits), fits)
}

/// Whether a topic looks like one: dotted names of letters, digits and hyphens.
pub(super) fn is_well_formed(topic: &str) -> bool {
    topic.len() <= 255
        && topic.split('.').all(|part| {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            !part.is_empty() && part.bytes().all(is_name)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_push_type_has_its_topic() {
        for (name, topic) in [
            ("alert", "com.a"),
            ("background", "com.a"),
            ("complication", "com.a.complication"),
            ("controls", "com.a.push-type.controls"),
            ("fileprovider", "com.a.pushkit.fileprovider"),
            ("liveactivity", "com.a.push-type.liveactivity"),
            ("location", "com.a.location-query"),
            ("pushtotalk", "com.a.voip-ptt"),
            ("voip", "com.a.voip"),
            ("widgets", "com.a.push-type.widgets"),
        ] {
            let push_type = PushType::from_header(name.as_bytes());
            assert!(push_type.is_some(), "{name}");
            assert!(is_allowed(topic, "com.a", push_type), "{name}");
            assert!(is_allowed(topic, "com.a", None), "{name}");
            assert!(!is_allowed("com.a.other", "com.a", push_type), "{name}");
            assert!(!is_allowed(topic, "com.b", push_type), "{name}");
        }
        assert!(!is_allowed("com.a", "com.a", Some(PushType::Mdm)));
        assert!(!is_allowed("com.a", "com.a", Some(PushType::Voip)));
        assert!(!is_allowed("com.ab", "com.a", None));
        assert_eq!(PushType::from_header(b"Alert"), None);
    }

    #[test]
    fn topics_have_a_form() {
        for good in ["com.example.demo", "a", "com.x-y.z_1"] {
            assert!(is_well_formed(good), "{good}");
        }
        let long = "a".repeat(256);
        for bad in ["", "com..x", ".com", "com.x ", "com/x", long.as_str()] {
            assert!(!is_well_formed(bad), "{bad}");
        }
    }
}
