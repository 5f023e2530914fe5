//! Timezones by name, and which of several counts for a device.

use chrono_tz::Tz;

/// The zone of this IANA name.
///
/// Names are taken exactly as IANA writes them, links and old names (`Asia/Calcutta`, `GMT+0`) included: that is what iOS, Android and browsers
/// report. What else a phone may say (`GMT+02:00`, `Etc/Unknown`, a zone younger than our tables) is unknown here.
pub fn parse_zone(name: &str) -> Option<Tz> {
    name.parse().ok()
}

/// The zone that counts for a device: its own, else its person's, else the app's default.
///
/// A name that is not known is passed over as if it were absent: it costs neither a registration nor a push.
pub fn effective_zone(device: Option<&str>, person: Option<&str>, app: Tz) -> Tz {
    device.and_then(parse_zone).or_else(|| person.and_then(parse_zone)).unwrap_or(app)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::TZ_VARIANTS;

    #[test]
    fn the_nearest_known_zone_counts() {
        let app = Tz::America__Lima;
        for (device, person, expected) in [
            (Some("Europe/Paris"), Some("Asia/Tokyo"), Tz::Europe__Paris),
            (None, Some("Asia/Tokyo"), Tz::Asia__Tokyo),
            (Some("Mars/Olympus"), Some("Asia/Tokyo"), Tz::Asia__Tokyo),
            (Some("GMT+02:00"), None, app),
            (Some(""), Some("Mars/Olympus"), app),
            (None, None, app),
        ] {
            assert_eq!(effective_zone(device, person, app), expected, "{device:?} {person:?}");
        }
        assert_eq!(effective_zone(None, None, Tz::default()), Tz::UTC);
    }

    #[test]
    fn names_are_exact() {
        for name in
            ["UTC", "GMT", "Etc/GMT-14", "Asia/Calcutta", "Europe/Kyiv", "Europe/Kiev", "US/Pacific", "America/Argentina/Buenos_Aires"]
        {
            assert!(parse_zone(name).is_some(), "{name}");
        }
        for name in
            ["europe/paris", " Europe/Paris", "Europe/Paris ", "Europe", "CEST", "+02:00", "GMT+0200", "Etc/Unknown", "\0", "localtime"]
        {
            assert!(parse_zone(name).is_none(), "{name}");
        }
    }

    #[test]
    fn every_zone_is_found_by_its_own_name() {
        for zone in TZ_VARIANTS {
            assert_eq!(parse_zone(zone.name()), Some(zone));
        }
    }
}
