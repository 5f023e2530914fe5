//! The head of a request: what a push adds to what its message shares, made once for all its repeats.

use http::header::AUTHORIZATION;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

use super::headers::{COLLAPSE_ID, EXPIRATION, ID, PUSH_TYPE, TOPIC};
use super::push_type::PushType;
use super::token::Token;
use crate::domain::Timestamp;
use crate::domain::broadcast::Channel;
use crate::providers::http2::Origin;
use crate::providers::{BroadcastPush, Handover, Push};

const APNS_ID: HeaderName = HeaderName::from_static(ID);
const APNS_EXPIRATION: HeaderName = HeaderName::from_static(EXPIRATION);
const APNS_PUSH_TYPE: HeaderName = HeaderName::from_static(PUSH_TYPE);
/// A broadcast's id goes by this name.
const APNS_REQUEST_ID: HeaderName = HeaderName::from_static("apns-request-id");
const APNS_CHANNEL_ID: HeaderName = HeaderName::from_static("apns-channel-id");
/// As many fields as a push has, with room.
const FIELDS: usize = 12;

/// See the module.
pub(super) struct Head<'a> {
    uri: Uri,
    id: (HeaderName, HeaderValue),
    /// For a broadcast.
    channel: Option<HeaderValue>,
    shared: &'a HeaderMap,
    expires_at: Option<Timestamp>,
    handover: &'a Handover,
}

impl<'a> Head<'a> {
    /// For a device. `None`: its token cannot be put into a path.
    pub(super) fn of_device(origin: &Origin, token: &str, push: &'a Push) -> Option<Self> {
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let path = PathAndQuery::try_from(format!("/3/device/{token}")).ok()?;
        Some(Self {
            uri: origin.uri(path)?,
            id: (APNS_ID, id(push.id)?),
            channel: None,
            shared: &push.rendered.headers,
            expires_at: push.expires_at,
            handover: &push.handover,
        })
    }

    /// For a channel of an app ("Sending broadcast push notification requests to APNs"). `None`: neither can be put into a request.
    pub(super) fn of_channel(origin: &Origin, (bundle_id, channel): (&str, &Channel), push: &'a BroadcastPush) -> Option<Self> {
        let path = PathAndQuery::try_from(format!("/4/broadcasts/apps/{bundle_id}")).ok()?;
        Some(Self {
            uri: origin.uri(path)?,
            id: (APNS_REQUEST_ID, id(push.id)?),
            channel: Some(HeaderValue::from_str(channel.as_str()).ok()?),
            shared: &push.rendered.headers,
            expires_at: push.expires_at,
            handover: &push.handover,
        })
    }

    /// The request, if it may still start.
    pub(super) fn start(&self, token: Option<&Token>) -> Option<Request<()>> {
        self.handover.start().then(|| self.request(token))
    }

    fn request(&self, token: Option<&Token>) -> Request<()> {
        let mut headers = HeaderMap::with_capacity(FIELDS.max(self.shared.len() + 3));
        for (name, value) in self.shared {
            headers.insert(name.clone(), value.clone());
        }
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, token.authorization.clone());
        }
        headers.insert(self.id.0.clone(), self.id.1.clone());
        if let Some(channel) = &self.channel {
            address(&mut headers, channel.clone());
        }
        if !headers.contains_key(&APNS_EXPIRATION) {
            headers.insert(APNS_EXPIRATION, self.expires_at.map_or(0, |instant| instant.timestamp().max(0)).into());
        }
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = headers;
        request
    }
}

/// A broadcast is addressed by its channel alone, and is a Live Activity's always.
fn address(headers: &mut HeaderMap, channel: HeaderValue) {
    headers.remove(TOPIC);
    headers.remove(COLLAPSE_ID);
    headers.insert(APNS_PUSH_TYPE, HeaderValue::from_static(PushType::LiveActivity.as_str()));
    headers.insert(APNS_CHANNEL_ID, channel);
}

fn id(id: uuid::Uuid) -> Option<HeaderValue> {
    let mut id = HeaderValue::from_str(id.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer())).ok()?;
    // never indexed: no two are alike
    id.set_sensitive(true);
    Some(id)
}
