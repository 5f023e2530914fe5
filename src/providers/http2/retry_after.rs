//! The `Retry-After` header (RFC 9110, section 10.2.3).

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime};
use http::HeaderMap;
use http::header::RETRY_AFTER;

use crate::domain::Timestamp;

/// A peer that asks for more is taken at this: a day.
const LONGEST: Duration = Duration::from_hours(24);

/// How long the peer asks to wait, given as seconds or as an HTTP date; at most a day. `None` for none, or for nonsense.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => (http_date(text)? - now).to_std().unwrap_or_default(),
    };
    Some(wait.min(LONGEST))
}

/// The three forms of RFC 9110, section 5.6.7.
fn http_date(text: &str) -> Option<Timestamp> {
    if let Ok(date) = DateTime::parse_from_rfc2822(text) {
        return Some(date.to_utc());
    }
    ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .map(|date| date.and_utc())
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    fn parse(value: &str) -> Option<Duration> {
        let now = chrono::Utc.with_ymd_and_hms(1994, 11, 6, 8, 49, 7).unwrap();
        let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
        retry_after(&headers, now)
    }

    #[test]
    fn seconds_and_dates_are_read() {
        for (value, seconds) in [
            ("0", Some(0)),
            ("120", Some(120)),
            ("99999999", Some(86_400)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(30)),
            ("Sun Nov  6 08:49:37 1994", Some(30)),
            ("Sun, 06 Nov 1994 08:48:37 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(parse(value), seconds.map(Duration::from_secs), "{value}");
        }
    }
}
