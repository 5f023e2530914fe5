//! Versions of resources: `ETag`, `If-None-Match`, `If-Match`.

use axum::response::{IntoResponse, Response};
use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use super::problem::Problem;
use crate::domain::hash::sha256;

/// A resource's present version, as an entity tag with its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag(String);

impl Tag {
    /// The tag of this text, which has no quotes.
    pub(super) fn new(text: impl std::fmt::Display) -> Self {
        Self(format!("\"{text}\""))
    }

    /// The tag of what has no version: only its content tells whether it changed.
    pub(super) fn of_content(content: &impl Serialize) -> Result<Self, Problem> {
        let bytes = serde_json::to_vec(content).map_err(|error| Problem::internal(&error))?;
        let hash = sha256(&bytes);
        Ok(Self::new(hex::encode(hash.get(..16).unwrap_or(&hash))))
    }

    /// The tag of a version of what is one user's. Versions begin alike for all, and at `/v1/me` all have one path: without the user in it, what
    /// one user's phone keeps would be the present version of the next one's.
    pub(super) fn of_user(user: &str, version: i64) -> Self {
        let hash = sha256(user.as_bytes());
        Self::new(format_args!("{version}-{}", hex::encode(hash.get(..8).unwrap_or_default())))
    }
}

/// Whether the request makes a condition of the present version.
pub(super) fn has_condition(headers: &HeaderMap) -> bool {
    headers.contains_key(IF_MATCH)
}

/// `If-Match`: 412 unless the present version is named; `None`: there is no such resource yet.
pub(super) fn check(headers: &HeaderMap, present: Option<&Tag>) -> Result<(), Problem> {
    let holds = !has_condition(headers) || present.is_some_and(|tag| names(headers, &IF_MATCH, tag));
    if holds { Ok(()) } else { Err(Problem::stale()) }
}

/// The answer to a read: 304 where the caller has this version already.
pub(super) fn answer<T: Serialize>(headers: &HeaderMap, tag: &Tag, body: &T) -> Response {
    if names(headers, &IF_NONE_MATCH, tag) {
        return tagged(StatusCode::NOT_MODIFIED.into_response(), tag);
    }
    tagged(axum::Json(body).into_response(), tag)
}

/// An answer with its tag.
pub(super) fn tagged(mut response: Response, tag: &Tag) -> Response {
    if let Ok(value) = HeaderValue::from_str(&tag.0) {
        response.headers_mut().insert(ETAG, value);
    }
    response
}

/// Whether a header lists the tag, or `*`. A proxy that compresses may have made it weak; it still means the same version.
fn names(headers: &HeaderMap, header: &HeaderName, tag: &Tag) -> bool {
    let values = headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(header: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_condition_holds_for_the_present_version() {
        let tag = Tag::new("7-a");
        for (value, holds) in
            [("\"7-a\"", true), ("W/\"7-a\"", true), ("\"6-a\", \"7-a\"", true), ("*", true), ("\"6-a\"", false), ("7-a", false)]
        {
            assert_eq!(check(&with(IF_MATCH, value), Some(&tag)).is_ok(), holds, "{value}");
            assert!(check(&with(IF_MATCH, value), None).is_err(), "{value}");
        }
        assert!(check(&HeaderMap::new(), None).is_ok());
    }

    #[test]
    fn a_tag_of_one_user_is_no_others() {
        let tag = Tag::of_user("ann", 1);
        assert_eq!(tag, Tag::of_user("ann", 1));
        for other in [Tag::of_user("bob", 1), Tag::of_user("ann", 2), Tag::new(1)] {
            assert_ne!(tag, other);
        }
    }

    #[test]
    fn a_reader_with_the_present_version_gets_no_body() {
        let tag = Tag::new(1);
        assert_eq!(answer(&with(IF_NONE_MATCH, "\"1\""), &tag, &"x").status(), StatusCode::NOT_MODIFIED);
        let fresh = answer(&with(IF_NONE_MATCH, "\"0\""), &tag, &"x");
        assert_eq!((fresh.status(), fresh.headers()[ETAG].to_str().unwrap()), (StatusCode::OK, "\"1\""));
    }
}
