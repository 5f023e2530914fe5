//! One push as it arrived, in one allocation: tens of thousands of them are kept.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use http::HeaderMap;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The listener that a push came to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Source {
    /// APNs for apps from the store.
    ApnsProduction,
    /// APNs for apps under development.
    ApnsSandbox,
    /// FCM HTTP v1.
    Fcm,
    /// The web push service.
    Webpush,
}

impl Source {
    /// The provider's name in views.
    pub(super) fn provider(self) -> &'static str {
        match self {
            Self::ApnsProduction | Self::ApnsSandbox => "apns",
            Self::Fcm => "fcm",
            Self::Webpush => "webpush",
        }
    }

    /// The environment's name in views; only APNs has any.
    pub(super) fn environment(self) -> Option<&'static str> {
        match self {
            Self::ApnsProduction => Some("production"),
            Self::ApnsSandbox => Some("sandbox"),
            Self::Fcm | Self::Webpush => None,
        }
    }
}

/// A push in compact form: token, headers and body one after another in `bytes`.
#[derive(Debug)]
pub(super) struct Record {
    source: Source,
    received_ms: i64,
    status: Option<u16>,
    /// Its address is not a device's but where it is fanned out to: `topic:…`, `condition:…`, `channel:…`.
    is_broadcast: bool,
    token_end: usize,
    headers_end: usize,
    bytes: Box<[u8]>,
}

impl Record {
    /// Copies what arrived, so that no read buffer is kept alive by it. Until it is told
    /// otherwise, it was never answered.
    pub(super) fn new(source: Source, token: &str, headers: &HeaderMap, body: &Bytes) -> Self {
        let headers_length: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 2).sum();
        let mut bytes = Vec::with_capacity(token.len() + headers_length + body.len());
        bytes.extend_from_slice(token.as_bytes());
        for (name, value) in headers {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.push(b':');
            bytes.extend_from_slice(value.as_bytes());
            bytes.push(b'\n');
        }
        let headers_end = bytes.len();
        bytes.extend_from_slice(body);
        let bytes = bytes.into_boxed_slice();
        Self { source, received_ms: 0, status: None, is_broadcast: false, token_end: token.len(), headers_end, bytes }
    }

    /// Says whether its address is where it is fanned out to.
    pub(super) fn fanned_out(mut self, is_broadcast: bool) -> Self {
        self.is_broadcast = is_broadcast;
        self
    }

    /// Adds when it had been read, in milliseconds since the epoch.
    pub(super) fn received(mut self, at_ms: i64) -> Self {
        self.received_ms = at_ms;
        self
    }

    /// Adds the status it was answered with.
    pub(super) fn answered(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The bytes it takes, roughly.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.bytes.len()
    }

    /// The listener it came to.
    pub(super) fn source(&self) -> Source {
        self.source
    }

    /// When it had been read, in milliseconds since the epoch.
    pub(super) fn received_ms(&self) -> i64 {
        self.received_ms
    }

    /// The status it was answered with, if it was.
    pub(super) fn status(&self) -> Option<u16> {
        self.status
    }

    /// The address it was for.
    pub(super) fn token(&self) -> &[u8] {
        self.bytes.get(..self.token_end).unwrap_or_default()
    }

    /// The push as the control view shows it.
    pub(super) fn view(&self) -> Push {
        let body = self.bytes.get(self.headers_end..).unwrap_or_default();
        Push {
            provider: self.source.provider(),
            environment: self.source.environment(),
            device_token: (!self.is_broadcast).then(|| String::from_utf8_lossy(self.token()).into_owned()),
            topic: self.destination("topic:"),
            condition: self.destination("condition:"),
            channel: self.destination("channel:"),
            received_at: DateTime::<Utc>::from_timestamp_millis(self.received_ms)
                .unwrap_or_default()
                .to_rfc3339_opts(SecondsFormat::Millis, true),
            status: self.status,
            headers: self.headers(),
            body: body_view(body),
        }
    }

    /// Where it is fanned out to, if that is of this kind.
    fn destination(&self, kind: &str) -> Option<String> {
        let name = self.token().strip_prefix(kind.as_bytes()).filter(|_| self.is_broadcast);
        name.map(|name| String::from_utf8_lossy(name).into_owned())
    }

    fn headers(&self) -> Map<String, Value> {
        let bytes = self.bytes.get(self.token_end..self.headers_end);
        let mut headers = Map::new();
        for line in bytes.unwrap_or_default().split(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(line);
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let value = match headers.get(name).and_then(Value::as_str) {
                Some(earlier) => format!("{earlier}, {value}"),
                None => value.to_owned(),
            };
            headers.insert(name.to_owned(), Value::String(value));
        }
        headers
    }
}

/// JSON as it was sent; what is not JSON becomes a string.
fn body_view(body: &[u8]) -> Box<RawValue> {
    serde_json::from_slice(body)
        .or_else(|_| serde_json::value::to_raw_value(&String::from_utf8_lossy(body)))
        .unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// A push as `GET /simulator/pushes` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Push {
    /// `apns`, `fcm` or `webpush`.
    pub provider: &'static str,
    /// `production` or `sandbox` for APNs, nothing for others.
    pub environment: Option<&'static str>,
    /// The token it was for; of FCM also an installation id; of Web Push the end of the endpoint. Nothing for what is fanned out.
    pub device_token: Option<String>,
    /// FCM's topic that it is fanned out to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// FCM's condition that it is fanned out to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// APNs' channel that it is fanned out to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The instant its request had been read, RFC 3339 with milliseconds.
    pub received_at: String,
    /// The status of the answer; `None` for one that is never answered.
    pub status: Option<u16>,
    /// The request's headers; repeated ones are joined with a comma.
    pub headers: Map<String, Value>,
    /// The request's body as it was sent; of Web Push decrypted where the subscription was made here, else in base64url.
    pub body: Box<RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_shows_what_arrived() {
        let mut headers = HeaderMap::new();
        headers.append("apns-topic", "a:b".parse().unwrap());
        headers.append("x", "1".parse().unwrap());
        headers.append("x", "2".parse().unwrap());
        let body = Bytes::from_static(br#"{"b": 1.50, "a":2}"#);
        let push = Record::new(Source::ApnsSandbox, "beef", &headers, &body).received(1_700_000_000_007).answered(410).view();
        assert_eq!(push.provider, "apns");
        assert_eq!(push.environment, Some("sandbox"));
        assert_eq!(push.device_token.as_deref(), Some("beef"));
        assert_eq!(push.received_at, "2023-11-14T22:13:20.007Z");
        assert_eq!(push.status, Some(410));
        assert_eq!(push.headers["apns-topic"], "a:b");
        assert_eq!(push.headers["x"], "1, 2");
        assert_eq!(push.body.get(), r#"{"b": 1.50, "a":2}"#);
    }

    #[test]
    fn a_body_that_is_no_json_is_shown_as_text() {
        let body = Bytes::from_static(b"{oops");
        let push = Record::new(Source::Fcm, "", &HeaderMap::new(), &body).view();
        assert_eq!(push.body.get(), r#""{oops""#);
        assert_eq!(push.status, None);
        assert!(push.headers.is_empty());
    }
}
