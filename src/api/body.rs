//! Bodies: of the right type, within their limit, in time. The limit counts what was decompressed.

mod patience;

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body::Frame;
use http_body_util::BodyExt;

use super::Api;
use super::load::Permit;
use super::problem::{Code, Problem};

pub(super) use self::patience::Patience;

/// A body of most requests, at most, in bytes.
pub(super) const SMALL: usize = 1024 * 1024;
/// The body of a notification, whose audience may be 10 000 names, or of a batch, at most, in bytes.
pub(super) const LARGE: usize = 8 * SMALL;

/// What comes slower than this from the beginning is left, see [`Patience`].
const PATIENCE: Duration = Duration::from_secs(20);
/// Of a body that is refused, so much is still read, in bytes.
const DRAINED: usize = 64 * SMALL;
/// And for so long.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// The bytes of a JSON body. They hold their room in the load of the node until they are dropped.
pub(super) struct JsonBody<const LIMIT: usize = SMALL>(pub(super) Bytes);

impl<const LIMIT: usize> FromRequest<Api> for JsonBody<LIMIT> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let permit = Permit::of(request.extensions())?;
        let declared = declared_length(request.headers());
        if !is_of_type(request.headers(), &["application/json", "application/merge-patch+json"]) {
            return Err(Problem::new(Code::UnsupportedMediaType, "the body must be application/json, in UTF-8"));
        }
        let mut body = request.into_body();
        let time = api.settings.body_timeout();
        if declared.is_some_and(|length| length > LIMIT) {
            drain(&mut body).await;
            return Err(too_large(LIMIT));
        }
        match tokio::time::timeout(time, read(&mut body, LIMIT, &permit)).await {
            Ok(read) => read.map(Self),
            Err(_) => Err(too_slow()),
        }
    }
}

async fn read(body: &mut Body, limit: usize, permit: &Permit) -> Result<Bytes, Problem> {
    let mut whole = Bytes::new();
    let mut joined = BytesMut::new();
    let mut held = permit.hold(0)?;
    let mut patience = Patience::new(PATIENCE);
    while let Some(frame) = patience.wait(body.frame(), length).await? {
        let Ok(data) = frame.map_err(|_| unreadable())?.into_data() else { continue };
        if whole.len() + joined.len() + data.len() > limit {
            drain(body).await;
            return Err(too_large(limit));
        }
        held.grow(data.len())?;
        if whole.is_empty() && joined.is_empty() {
            // most bodies come in one piece, which need not be copied
            whole = data;
        } else {
            joined.extend_from_slice(&std::mem::take(&mut whole));
            joined.extend_from_slice(&data);
        }
    }
    Ok(held.keep(if joined.is_empty() { whole } else { joined.freeze() }))
}

fn length(frame: &Result<Frame<Bytes>, axum::Error>) -> usize {
    frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len)
}

/// Takes what still comes of a body that is refused, within reason: a caller who is cut off while writing never reads why.
async fn drain(body: &mut Body) {
    let mut left = DRAINED;
    let rest = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    drop(tokio::time::timeout(DRAIN_TIME, rest).await);
}

/// 413.
fn too_large(limit: usize) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("the body may have {limit} bytes, decompressed"))
}

/// 400 for a body that broke off, or that is not compressed as it says.
pub(super) fn unreadable() -> Problem {
    Problem::new(Code::BadRequest, "the body broke off or is not encoded as it says")
}

/// 408.
pub(super) fn too_slow() -> Problem {
    Problem::new(Code::RequestTimeout, "the body did not arrive in time")
}

/// Whether the body is of one of these types; a charset other than UTF-8 is another type.
pub(super) fn is_of_type(headers: &HeaderMap, types: &[&str]) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let is_utf8 = |charset: &str| charset.trim_matches('"').eq_ignore_ascii_case("utf-8");
    types.iter().any(|name| name.eq_ignore_ascii_case(essence))
        && parts.filter_map(|part| part.split_once('=')).all(|(name, value)| !name.eq_ignore_ascii_case("charset") || is_utf8(value))
}

fn declared_length(headers: &HeaderMap) -> Option<usize> {
    // of a compressed body it says nothing yet
    let plain = !headers.contains_key(http::header::CONTENT_ENCODING);
    plain.then(|| headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::HeaderValue;

    use super::*;
    use crate::api::load::Load;

    #[test]
    fn json_is_told_by_its_type() {
        for (value, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/json;charset=\"utf-8\"", true),
            ("application/json; charset=latin-1", false),
            ("application/jsonx", false),
            ("text/plain", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]);
            assert_eq!(is_of_type(&headers, &["application/json"]), expected, "{value}");
        }
        assert!(!is_of_type(&HeaderMap::new(), &["application/json"]));
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        let pieces = |text: &'static [&'static str]| {
            Body::from_stream(futures_util::stream::iter(text.iter().map(|piece| Ok::<_, std::io::Error>(*piece))))
        };
        let permit = Arc::new(Load::new(1, 200)).begin([192, 0, 2, 1].into()).unwrap();
        let read = async |body: &mut Body, limit| read(body, limit, &permit).await;
        assert_eq!(read(&mut Body::from("12345"), 5).await.unwrap(), "12345");
        assert_eq!(read(&mut pieces(&["12", "", "345"]), 5).await.unwrap(), "12345");
        assert_eq!(read(&mut Body::empty(), 5).await.unwrap(), "");
        assert_eq!(read(&mut Body::from("123456"), 5).await.unwrap_err().code(), Code::BodyTooLarge);
        let mut long = pieces(&["123", "456", "789"]);
        assert_eq!(read(&mut long, 5).await.unwrap_err().code(), Code::BodyTooLarge);
        assert!(long.frame().await.is_none(), "the rest was taken");
        let first = read(&mut Body::from(vec![0; 60]), 100).await.unwrap();
        assert_eq!(read(&mut Body::from(vec![0; 41]), 100).await.unwrap_err().code(), Code::Overloaded);
        drop(first);
        assert!(read(&mut Body::from(vec![0; 41]), 100).await.is_ok(), "what was dropped holds no room");
    }
}
