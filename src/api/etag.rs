//! Versions of resources: `ETag`, `If-None-Match`, `If-Match`.

use axum::response::{IntoResponse, Response};
use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use super::problem::Problem;
use crate::domain::hash::sha256;

/// A resource's present version, as an entity tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    version: String,
    /// Of what the answer shows beside it.
    shown: Option<String>,
}

impl Tag {
    /// The tag of this text, which has no quotes.
    pub(super) fn new(text: impl std::fmt::Display) -> Self {
        Self { version: text.to_string(), shown: None }
    }

    /// The tag of an answer that shows more than the version is of. Who has it reads again when any of that changed, and still changes what is of
    /// that version.
    pub(super) fn showing(self, more: &str) -> Self {
        let hash = sha256(more.as_bytes());
        Self { shown: Some(hex::encode(hash.get(..8).unwrap_or_default())), ..self }
    }

    /// With its quotes.
    fn text(&self) -> String {
        match &self.shown {
            None => format!("\"{}\"", self.version),
            Some(shown) => format!("\"{}.{shown}\"", self.version),
        }
    }

    /// Whether a tag that was answered is of this version, whatever was shown with it.
    fn is_version_of(&self, named: &str) -> bool {
        let bare = named.strip_prefix('"').and_then(|named| named.strip_suffix('"'));
        let version = bare.map(|bare| bare.split_once('.').map_or(bare, |(version, _)| version));
        version.is_some_and(|version| version == self.version)
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
    let holds = !has_condition(headers) || present.is_some_and(|tag| names(headers, &IF_MATCH, |named| tag.is_version_of(named)));
    if holds { Ok(()) } else { Err(Problem::stale()) }
}

/// The answer to a read: 304 where the caller has this version already.
pub(super) fn answer<T: Serialize>(headers: &HeaderMap, tag: &Tag, body: &T) -> Response {
    let present = tag.text();
    if names(headers, &IF_NONE_MATCH, |named| named == present) {
        return tagged(StatusCode::NOT_MODIFIED.into_response(), tag);
    }
    tagged(axum::Json(body).into_response(), tag)
}

/// An answer with its tag.
pub(super) fn tagged(mut response: Response, tag: &Tag) -> Response {
    if let Ok(value) = HeaderValue::from_str(&tag.text()) {
        response.headers_mut().insert(ETAG, value);
    }
    response
}

/// Whether a header lists such a tag, or `*`. A proxy that compresses may have made it weak; it still means the same version.
fn names(headers: &HeaderMap, header: &HeaderName, is_it: impl Fn(&str) -> bool) -> bool {
    let values = headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).any(|one| one == "*" || is_it(one.strip_prefix("W/").unwrap_or(one)))
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

    /// What is shown beside a version is reason to read it again, and none not to change it.
    #[test]
    fn a_version_is_one_whatever_is_shown_with_it() {
        let (one, other) = (Tag::new("7-a").showing("Lima"), Tag::new("7-a").showing("Paris"));
        let value: &'static str = one.text().leak();
        for (tag, is_version, is_known) in
            [(&one, true, true), (&other, true, false), (&Tag::new("7-a"), true, false), (&Tag::new("8-a").showing("Lima"), false, false)]
        {
            assert_eq!(check(&with(IF_MATCH, value), Some(tag)).is_ok(), is_version, "{tag:?}");
            let status = answer(&with(IF_NONE_MATCH, value), tag, &"x").status();
            assert_eq!(status == StatusCode::NOT_MODIFIED, is_known, "{tag:?}");
        }
        assert!(check(&with(IF_MATCH, "\"7-a\""), Some(&one)).is_ok());
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
