//! Lists: limits, cursors, and the choice of fields.

use aws_lc_rs::digest;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use http::{HeaderMap, Uri};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use super::etag::{self, Tag};
use super::problem::{Code, Problem};
use super::query::Params;
use crate::domain::Timestamp;
use crate::domain::id::AppId;
use crate::store::{Page, PageRequest};

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;
/// How long a cursor lives, in hours.
const CURSOR_HOURS: i64 = 24;

/// A page of a list, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct List<T> {
    /// What the list holds.
    items: Vec<T>,
    /// Where to go on; null at the end.
    next_cursor: Option<String>,
    /// Whether there is more.
    has_more: bool,
}

/// An item as it is answered.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Told<T> {
    Whole(T),
    /// The fields that were chosen.
    Chosen(Value),
}

/// Which list a cursor belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed<'a> {
    /// Whose.
    pub(super) app: AppId,
    /// A fixed word for the route.
    pub(super) route: &'static str,
    /// What the path names: a user, a notification; else empty.
    pub(super) subject: &'a str,
    /// The present.
    pub(super) now: Timestamp,
}

/// What a request for a list says beside its filters.
#[derive(Debug)]
pub(super) struct Listing<'a> {
    list: Listed<'a>,
    limit: usize,
    after: Option<String>,
    fields: Option<Vec<String>>,
    filters: Vec<(String, String)>,
}

/// Reads `limit`, `cursor` and `fields`; what is left in the parameters are the filters, those that the cursor carries included.
pub(super) fn listing<'a, T: ToSchema>(uri: &Uri, list: Listed<'a>) -> Result<(Params, Listing<'a>), Problem> {
    let mut params = Params::of(uri);
    let limit = params.text("limit").map_or(Some(DEFAULT_LIMIT), |text| text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit)));
    if limit.is_none() {
        params.invalid("limit", format!("must be a whole number from 1 to {MAX_LIMIT}"));
    }
    let fields = params.text("fields").map(|text| text.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>());
    let known = if fields.is_some() { names_of::<T>() } else { Vec::new() };
    for unknown in fields.iter().flatten().filter(|name| !known.contains(name)) {
        params.invalid("fields", format!("there is no field {unknown:?}; there are {}", known.join(", ")));
    }
    let cursor = params.text("cursor");
    let mut after = None;
    if let Some(cursor) = cursor {
        let (filters, inner) = list.open(&cursor)?;
        // a cursor carries its filters, so they may be left out; others beside it would be another list
        if !params.rest().is_empty() && params.rest() != filters.as_slice() {
            return Err(mismatch());
        }
        params.replace(filters);
        after = Some(inner);
    }
    let filters = params.rest().to_vec();
    Ok((params, Listing { list, limit: limit.unwrap_or(DEFAULT_LIMIT), after, fields, filters }))
}

impl Listing<'_> {
    /// As the store takes it.
    pub(super) fn request(&self) -> PageRequest {
        PageRequest { limit: self.limit, after: self.after.clone() }
    }

    /// The fields that were chosen; `None`: all.
    pub(super) fn fields(&self) -> Option<&[String]> {
        self.fields.as_deref()
    }

    /// A page of a list that the store answers whole, in the order of `key`; `past` tells whether one key comes after another.
    pub(super) fn cut<T>(&self, all: Vec<T>, key: fn(&T) -> String, past: fn(&str, &str) -> bool) -> Page<T> {
        let mut rest = all.into_iter().filter(|item| self.after.as_deref().is_none_or(|after| past(&key(item), after)));
        let items: Vec<T> = rest.by_ref().take(self.limit).collect();
        let next = rest.next().and_then(|_| items.last().map(key));
        Page { items, next }
    }

    /// The answer.
    pub(super) fn answer<T: Serialize>(&self, items: Vec<T>, next: Option<String>) -> Result<Response, Problem> {
        Ok(axum::Json(self.page(items, next)?).into_response())
    }

    /// The answer to a phone, which repeats its reads: 304 where it has this page already. One that goes on has a cursor of its own each time.
    pub(super) fn answer_phone<T: Serialize>(&self, headers: &HeaderMap, items: Vec<T>, next: Option<String>) -> Result<Response, Problem> {
        let page = self.page(items, next)?;
        Ok(etag::answer(headers, &Tag::of_content(&page)?, &page))
    }

    fn page<T: Serialize>(&self, items: Vec<T>, next: Option<String>) -> Result<List<Told<T>>, Problem> {
        let next_cursor = next.map(|inner| self.list.seal(&self.filters, &inner));
        let has_more = next_cursor.is_some();
        let told = |item: T| match &self.fields {
            None => Ok(Told::Whole(item)),
            Some(fields) => chosen(&item, fields).map(Told::Chosen),
        };
        let items = items.into_iter().map(told).collect::<Result<_, _>>().map_err(|error| Problem::internal(&error))?;
        Ok(List { items, next_cursor, has_more })
    }
}

fn chosen<T: Serialize>(item: &T, fields: &[String]) -> Result<Value, serde_json::Error> {
    let mut item = serde_json::to_value(item)?;
    if let Some(members) = item.as_object_mut() {
        members.retain(|name, _| fields.contains(name));
    }
    Ok(item)
}

/// The top-level fields of an item, from its schema, which is what callers know.
fn names_of<T: ToSchema>() -> Vec<String> {
    match T::schema() {
        RefOr::T(Schema::Object(object)) => object.properties.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

impl Listed<'_> {
    /// A cursor of this list, from the store's own.
    pub(super) fn seal(&self, filters: &[(String, String)], inner: &str) -> String {
        let issued = self.now.timestamp();
        let sum = self.sum(issued, filters, inner);
        URL_SAFE_NO_PAD.encode(serde_json::json!([issued, sum, filters, inner]).to_string())
    }

    /// The filters and the store's own cursor.
    fn open(&self, cursor: &str) -> Result<(Vec<(String, String)>, String), Problem> {
        let unreadable = Problem::foreign_cursor;
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| unreadable())?;
        let (issued, sum, filters, inner): (i64, String, Vec<(String, String)>, String) =
            serde_json::from_slice(&bytes).map_err(|_| unreadable())?;
        if sum != self.sum(issued, &filters, &inner) {
            return Err(mismatch());
        }
        if self.now.timestamp().saturating_sub(issued) > TimeDelta::hours(CURSOR_HOURS).num_seconds() {
            return Err(Problem::about(Code::CursorExpired, "cursor", "is older than 24 hours; begin again without it"));
        }
        Ok((filters, inner))
    }

    /// Binds a cursor to its list. It is no secret: what a caller makes up, the store refuses or takes for a place in their own list.
    fn sum(&self, issued: i64, filters: &[(String, String)], inner: &str) -> String {
        let text = serde_json::json!([self.app.0, self.route, self.subject, issued, filters, inner]).to_string();
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        hash.as_ref().iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }
}

fn mismatch() -> Problem {
    Problem::about(Code::CursorMismatch, "cursor", "belongs to another list or to other filters")
}

#[cfg(feature = "fuzzing")]
pub(super) mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, ToSchema)]
    struct Thing {
        id: u32,
        name: &'static str,
    }

    fn list(subject: &str) -> Listed<'_> {
        Listed { app: AppId(1), route: "things", subject, now: Timestamp::from_timestamp(1_000_000, 0).unwrap() }
    }

    fn open<'a>(query: &str, list: Listed<'a>) -> Result<(Params, Listing<'a>), Problem> {
        listing::<Thing>(&format!("/things?{query}").parse().unwrap(), list)
    }

    fn errors(query: &str) -> Vec<String> {
        let problem = open(query, list("")).and_then(|(params, _)| params.finish()).unwrap_err();
        problem.errors().iter().map(|error| error.field.clone()).collect()
    }

    #[test]
    fn limits_and_fields_are_checked() {
        assert_eq!(open("", list("")).unwrap().1.request(), PageRequest { limit: 50, after: None });
        assert_eq!(open("limit=500", list("")).unwrap().1.limit, 500);
        for query in ["limit=0", "limit=501", "limit=-1", "limit=x", "limit="] {
            assert_eq!(errors(query), ["limit"], "{query}");
        }
        assert_eq!(errors("fields=id,nme"), ["fields"]);
        assert_eq!(errors("fields="), ["fields"]);
        assert_eq!(errors("cursor=abc"), ["cursor"]);
    }

    #[test]
    fn a_cursor_carries_its_filters() {
        let (_, first) = open("b=2&a=1&limit=10", list("")).unwrap();
        let cursor = first.list.seal(&first.filters, "inner");
        for query in [format!("cursor={cursor}"), format!("a=1&cursor={cursor}&b=2"), format!("cursor={cursor}&limit=3&fields=id")] {
            let (mut params, next) = open(&query, list("")).unwrap();
            assert_eq!(next.after.as_deref(), Some("inner"), "{query}");
            assert_eq!((params.text("a").as_deref(), params.text("b").as_deref()), (Some("1"), Some("2")), "{query}");
        }
        for query in [format!("a=2&b=2&cursor={cursor}"), format!("a=1&cursor={cursor}")] {
            assert_eq!(open(&query, list("")).unwrap_err().code(), Code::CursorMismatch, "{query}");
        }
        assert_eq!(open(&format!("cursor={cursor}"), list("other")).unwrap_err().code(), Code::CursorMismatch);
        let foreign = Listed { app: AppId(2), ..list("") };
        assert_eq!(open(&format!("cursor={cursor}"), foreign).unwrap_err().code(), Code::CursorMismatch);
        let late = Listed { now: list("").now + TimeDelta::hours(25), ..list("") };
        assert_eq!(open(&format!("cursor={cursor}"), late).unwrap_err().code(), Code::CursorExpired);
    }

    #[test]
    fn chosen_fields_are_all_there_is() {
        let item = chosen(&Thing { id: 1, name: "a" }, &["name".to_owned()]).unwrap();
        assert_eq!(item, serde_json::json!({"name": "a"}));
    }
}
