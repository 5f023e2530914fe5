//! Operations that are on their way out: one table, told in the description and with every answer of theirs, so that callers who do not read
//! the changelog notice.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use chrono::DateTime;
use http::header::LINK;
use http::{HeaderName, HeaderValue, Method};
use utoipa::openapi::{Deprecated, OpenApi};

use super::openapi;

/// RFC 9745
const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
/// RFC 8594
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// One of them. Instants are in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Departure {
    /// Its `operationId`.
    pub(super) operation: &'static str,
    /// Since when, or from when on, it is better not called.
    pub(super) deprecated_at: i64,
    /// From when on it may be gone; not before it is deprecated.
    pub(super) sunset_at: Option<i64>,
    /// A page that tells more, and what to do instead.
    pub(super) page: Option<&'static str>,
}

/// All of them.
pub(super) const DEPARTURES: &[Departure] = &[];

/// The header fields of each, by method and path.
#[derive(Debug, Default)]
pub(super) struct Told(HashMap<(Method, String), Vec<(HeaderName, HeaderValue)>>);

impl Told {
    /// Those of a document's operations.
    pub(super) fn of(document: &OpenApi, departures: &[Departure]) -> Self {
        let told = openapi::all(document).filter_map(|(path, method, operation)| {
            let departure = find(departures, operation.operation_id.as_deref()?)?;
            Some(((method, path.to_owned()), departure.fields()))
        });
        Self(told.collect())
    }

    fn find(&self, method: &Method, path: &str) -> &[(HeaderName, HeaderValue)] {
        // axum answers HEAD as GET
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.0.get(&(method.clone(), path.to_owned())).map_or(&[], Vec::as_slice)
    }
}

impl Departure {
    fn fields(&self) -> Vec<(HeaderName, HeaderValue)> {
        let deprecation = Some((DEPRECATION, format!("@{}", self.deprecated_at)));
        let sunset = self.sunset_at.and_then(|at| DateTime::from_timestamp(at, 0));
        let sunset = sunset.map(|at| (SUNSET, at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()));
        let link = self.page.map(|page| (LINK, format!("<{page}>; rel=\"deprecation\"; type=\"text/html\"")));
        let fields = [deprecation, sunset, link].into_iter().flatten();
        fields.filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?))).collect()
    }
}

/// Whether an operation is on its way out, as its description says it.
pub(super) fn described(departures: &[Departure], operation: &str) -> Option<Deprecated> {
    find(departures, operation).map(|_| Deprecated::True)
}

fn find<'d>(departures: &'d [Departure], operation: &str) -> Option<&'d Departure> {
    departures.iter().find(|departure| departure.operation == operation)
}

/// The layer.
pub(super) async fn around(State(told): State<Arc<Told>>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>();
    let fields = path.map(|path| told.find(request.method(), path.as_str()).to_vec());
    let mut response = next.run(request).await;
    for (name, value) in fields.unwrap_or_default() {
        response.headers_mut().append(name, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_800_000_000;

    /// What is wrong with a table.
    fn fault(departures: &[Departure]) -> Option<&'static str> {
        let document = crate::api::document();
        let is_operation = |name: &str| openapi::all(&document).any(|(_, _, one)| one.operation_id.as_deref() == Some(name));
        departures.iter().find_map(|one| {
            let faults = [
                (is_operation(one.operation), "no such operation"),
                (one.sunset_at.is_none_or(|at| at >= one.deprecated_at), "gone before it is deprecated (RFC 9745, 4)"),
                (one.page.is_none_or(|page| page.starts_with("https://")), "a page that is no page"),
                (one.fields().len() == 1 + usize::from(one.sunset_at.is_some()) + usize::from(one.page.is_some()), "a field is lost"),
            ];
            faults.into_iter().find(|(holds, _)| !holds).map(|(_, fault)| fault)
        })
    }

    #[test]
    fn the_table_is_of_operations_that_there_are() {
        assert_eq!(fault(DEPARTURES), None);
        let good = Departure { operation: "get_device", deprecated_at: AT, sunset_at: Some(AT), page: Some("https://example.com/a") };
        for (departure, expected) in [
            (good, None),
            (Departure { operation: "get_devise", ..good }, Some("no such operation")),
            (Departure { sunset_at: Some(AT - 1), ..good }, Some("gone before it is deprecated (RFC 9745, 4)")),
            (Departure { page: Some("soon"), ..good }, Some("a page that is no page")),
            (Departure { page: Some("https://example.com/\n"), ..good }, Some("a field is lost")),
        ] {
            assert_eq!(fault(&[departure]), expected, "{departure:?}");
        }
    }

    #[test]
    fn instants_are_written_as_the_standards_have_them() {
        // RFC 9745, 2.1, and RFC 9110, 5.6.7
        let departure = Departure { operation: "x", deprecated_at: 1_688_169_599, sunset_at: Some(784_111_777), page: None };
        let fields = departure.fields();
        let text = |place: usize| fields[place].1.to_str().unwrap();
        assert_eq!((text(0), text(1)), ("@1688169599", "Sun, 06 Nov 1994 08:49:37 GMT"));
    }
}
