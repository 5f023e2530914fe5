//! What an app tells its phones: which of its versions are too old, where a newer one is had, and how often to ask.

use serde::Deserialize;

use super::device::Platform;
use super::version::Version;

/// A text for each platform that has one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ByPlatform {
    /// iOS, iPadOS and Apple's other systems.
    pub ios: Option<String>,
    /// Android.
    pub android: Option<String>,
    /// Browsers.
    pub web: Option<String>,
}

impl ByPlatform {
    /// That of a platform.
    pub fn get(&self, platform: Platform) -> Option<&str> {
        match platform {
            Platform::Ios => self.ios.as_deref(),
            Platform::Android => self.android.as_deref(),
            Platform::Web => self.web.as_deref(),
        }
    }

    /// All there are.
    pub fn all(&self) -> impl Iterator<Item = (Platform, &str)> {
        [Platform::Ios, Platform::Android, Platform::Web].into_iter().filter_map(|platform| Some((platform, self.get(platform)?)))
    }
}

/// How often a phone is asked to look for what is new, at most; in seconds, 10 to 86 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Poll {
    /// For its inbox.
    pub inbox_seconds: u32,
    /// For preferences, and for these settings.
    pub preferences_seconds: u32,
}

impl Default for Poll {
    fn default() -> Self {
        Self { inbox_seconds: 60, preferences_seconds: 3600 }
    }
}

/// What an app tells its phones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhoneSettings {
    /// The oldest versions that are served.
    pub min_app_version: ByPlatform,
    /// Where newer ones are had.
    pub upgrade_url: ByPlatform,
    /// How often to ask.
    pub poll: Poll,
}

/// What is asked of one installation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Required {
    /// The oldest version that is served.
    pub minimum: Option<String>,
    /// Where a newer one is had.
    pub upgrade_url: Option<String>,
}

impl PhoneSettings {
    /// What is asked of an installation. Where it is not known what it runs on, what is asked of all of them: the lowest minimum of those that
    /// have one, and the link if there is only one.
    pub fn required(&self, platform: Option<Platform>) -> Required {
        let (minima, links) = (&self.min_app_version, &self.upgrade_url);
        let (minimum, link) = match platform {
            Some(platform) => (minima.get(platform), links.get(platform)),
            None => (minima.all().map(|(_, version)| version).min_by_key(|version| Version::parse(version)), only(links)),
        };
        Required { minimum: minimum.map(str::to_owned), upgrade_url: link.map(str::to_owned) }
    }
}

/// The one text that all platforms that have one have.
fn only(texts: &ByPlatform) -> Option<&str> {
    let mut all = texts.all().map(|(_, text)| text);
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

impl Required {
    /// Whether a version is too old.
    pub fn refuses(&self, version: &Version) -> bool {
        self.minimum.as_deref().is_some_and(|minimum| *version < Version::parse(minimum))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLATFORMS: [Platform; 3] = [Platform::Ios, Platform::Android, Platform::Web];

    fn by_platform(ios: Option<&str>, android: Option<&str>) -> ByPlatform {
        ByPlatform { ios: ios.map(str::to_owned), android: android.map(str::to_owned), web: None }
    }

    #[test]
    fn a_platform_has_its_own_minimum_and_who_is_not_known_the_lowest() {
        let settings = PhoneSettings {
            min_app_version: by_platform(Some("3.10"), Some("3.9")),
            upgrade_url: by_platform(Some("https://a"), Some("https://b")),
            poll: Poll::default(),
        };
        for (platform, version, refused) in [
            (Some(Platform::Ios), "3.9.9", true),
            (Some(Platform::Ios), "3.10-beta", true),
            (Some(Platform::Ios), "3.10.0", false),
            (Some(Platform::Android), "3.8", true),
            (Some(Platform::Android), "3.9", false),
            (Some(Platform::Web), "0.1", false),
            (None, "3.8", true),
            (None, "3.9", false),
        ] {
            assert_eq!(settings.required(platform).refuses(&Version::parse(version)), refused, "{platform:?} {version}");
        }
        let required = |platform| settings.required(platform);
        assert_eq!(required(Some(Platform::Android)).upgrade_url.as_deref(), Some("https://b"));
        assert_eq!(required(None), Required { minimum: Some("3.9".to_owned()), upgrade_url: None });
        assert_eq!(required(Some(Platform::Web)), Required::default());
    }

    #[test]
    fn one_link_for_all_is_for_whoever_is_not_known() {
        for (links, expected) in [
            (by_platform(None, None), None),
            (by_platform(Some("https://a"), None), Some("https://a")),
            (by_platform(Some("https://a"), Some("https://a")), Some("https://a")),
            (by_platform(Some("https://a"), Some("https://b")), None),
        ] {
            let settings = PhoneSettings { upgrade_url: links, ..PhoneSettings::default() };
            assert_eq!(settings.required(None).upgrade_url.as_deref(), expected);
        }
    }

    proptest! {
        /// Whoever is not known is refused exactly where every platform with a minimum would refuse.
        #[test]
        fn nobody_is_refused_whom_a_minimum_lets_in(minima in proptest::array::uniform3(proptest::option::of("[0-9]\\.[0-9]{1,2}")), version in "[0-9]\\.[0-9]{1,2}") {
            let [ios, android, web] = minima;
            let settings = PhoneSettings { min_app_version: ByPlatform { ios, android, web }, ..PhoneSettings::default() };
            let version = Version::parse(&version);
            let with_minimum: Vec<_> = PLATFORMS.into_iter().filter(|one| settings.min_app_version.get(*one).is_some()).collect();
            let all = !with_minimum.is_empty() && with_minimum.iter().all(|one| settings.required(Some(*one)).refuses(&version));
            prop_assert_eq!(settings.required(None).refuses(&version), all);
        }
    }
}
