//! Which pages of other origins may call (the Fetch standard, 3.2): those of an app's `allowed_origins`, and only what a client token may.
//!
//! What needs an API key is never shown to a page, even on a route that both may call: a key does not belong into a browser. Credentials are
//! header fields that the page sets itself, so that nothing is sent that the page does not have.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use parking_lot::RwLock;
use utoipa::openapi::OpenApi;

use super::openapi;

const MAY_SEND: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, idempotency-key, if-match, if-none-match, last-event-id, traceparent, x-app-version, x-request-id",
);
const MAY_READ: HeaderValue = HeaderValue::from_static(
    "deprecation, etag, idempotency-replayed, link, ratelimit, ratelimit-policy, retry-after, sunset, traceparent, x-request-id",
);
/// For how long a browser need not ask again, in seconds: as long as any of them remembers it.
const REMEMBERED: HeaderValue = HeaderValue::from_static("7200");

/// The origins of all apps. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Origins(Arc<RwLock<HashSet<String>>>);

impl Origins {
    /// Allows these from now on, and no others.
    pub fn replace(&self, origins: impl IntoIterator<Item = String>) {
        *self.0.write() = origins.into_iter().collect();
    }

    fn allowed<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        self.0.read().contains(origin.to_str().ok()?).then_some(origin)
    }
}

/// What pages may call.
#[derive(Debug, Default)]
pub(super) struct Callable(HashMap<String, Vec<Method>>);

impl Callable {
    /// What the document says a client token may, and what leads to one.
    pub(super) fn of(document: &OpenApi) -> Self {
        let mut callable = HashMap::<String, Vec<Method>>::new();
        for (route, method) in openapi::of_phones(document) {
            callable.entry(route.to_owned()).or_default().push(method);
        }
        Self(callable)
    }

    /// What a request from a page is told.
    pub(super) fn asked(&self, origins: &Origins, route: &str, method: &Method, headers: &HeaderMap) -> Asked {
        let Some(methods) = self.0.get(route) else { return Asked::Elsewhere };
        let Some(origin) = origins.allowed(headers) else { return Asked::Nothing };
        let wanted = headers.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|_| method == Method::OPTIONS);
        let is_callable = |name: &[u8]| methods.iter().any(|method| method.as_str().as_bytes() == name);
        match wanted {
            Some(wanted) if is_callable(wanted.as_bytes()) => Asked::First { origin: origin.clone(), methods: listed(methods) },
            None if is_callable(method.as_str().as_bytes()) => Asked::Call(origin.clone()),
            _ => Asked::Nothing,
        }
    }
}

fn listed(methods: &[Method]) -> HeaderValue {
    let names: Vec<_> = methods.iter().map(Method::as_str).collect();
    HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static(""))
}

/// How a request stands to pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// No page may call this at all.
    Elsewhere,
    /// This page may not, or no page asks.
    Nothing,
    /// A browser asks whether its page may call.
    First {
        /// Which page.
        origin: HeaderValue,
        /// What it may call here.
        methods: HeaderValue,
    },
    /// A page calls.
    Call(HeaderValue),
}

impl Asked {
    /// The answer to a browser that asks first.
    pub(super) fn permission(&self) -> Option<Response> {
        let Self::First { origin, methods } = self else { return None };
        let mut response = StatusCode::NO_CONTENT.into_response();
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, MAY_SEND);
        headers.insert(ACCESS_CONTROL_MAX_AGE, REMEMBERED);
        Some(response)
    }

    /// Lets the page read an answer, unless it was given to an API key.
    pub(super) fn write(self, headers: &mut HeaderMap, has_key: bool) {
        if self != Self::Elsewhere {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        if let (Self::Call(origin), false) = (self, has_key) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, MAY_READ);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    const ROUTE: &str = "/v1/me/preferences";

    fn ask(route: &str, method: &Method, fields: &[(HeaderName, &'static str)]) -> Asked {
        let origins = Origins::default();
        origins.replace(["https://app.example.com".to_owned()]);
        let callable = Callable(HashMap::from([(ROUTE.to_owned(), vec![Method::GET, Method::PUT])]));
        let headers = fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        callable.asked(&origins, route, method, &headers)
    }

    #[test]
    fn only_allowed_origins_call_and_only_what_phones_may() {
        let (ours, theirs) = ((ORIGIN, "https://app.example.com"), (ORIGIN, "https://evil.example"));
        let wants = |method| (ACCESS_CONTROL_REQUEST_METHOD, method);
        let (get, options) = (Method::GET, Method::OPTIONS);
        assert!(matches!(ask(ROUTE, &get, std::slice::from_ref(&ours)), Asked::Call(_)));
        assert!(matches!(ask(ROUTE, &options, &[ours.clone(), wants("PUT")]), Asked::First { .. }));
        for (route, method, fields, expected) in [
            (ROUTE, &get, vec![], Asked::Nothing),
            (ROUTE, &get, vec![theirs.clone()], Asked::Nothing),
            (ROUTE, &get, vec![(ORIGIN, "null")], Asked::Nothing),
            (ROUTE, &get, vec![(ORIGIN, "https://app.example.com.evil.example")], Asked::Nothing),
            (ROUTE, &Method::DELETE, vec![ours.clone()], Asked::Nothing),
            (ROUTE, &options, vec![ours.clone(), wants("DELETE")], Asked::Nothing),
            (ROUTE, &options, vec![theirs, wants("GET")], Asked::Nothing),
            (ROUTE, &options, vec![ours.clone()], Asked::Nothing),
            ("/v1/keys", &get, vec![ours.clone()], Asked::Elsewhere),
            ("/v1/keys", &options, vec![ours, wants("GET")], Asked::Elsewhere),
        ] {
            assert_eq!(ask(route, method, &fields), expected, "{route} {method} {fields:?}");
        }
    }

    #[test]
    fn a_page_reads_no_answer_to_an_api_key() {
        let call = || ask(ROUTE, &Method::GET, &[(ORIGIN, "https://app.example.com")]);
        for (asked, has_key, origin, varies) in [
            (call(), false, true, true),
            (call(), true, false, true),
            (Asked::Nothing, false, false, true),
            (Asked::Elsewhere, false, false, false),
        ] {
            let mut headers = HeaderMap::new();
            asked.clone().write(&mut headers, has_key);
            assert_eq!((headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), headers.contains_key(VARY)), (origin, varies), "{asked:?}");
            assert!(!headers.contains_key("access-control-allow-credentials"));
        }
    }

    #[test]
    fn a_browser_is_told_what_its_page_may() {
        let fields = [(ORIGIN, "https://app.example.com"), (ACCESS_CONTROL_REQUEST_METHOD, "PUT")];
        let permission = ask(ROUTE, &Method::OPTIONS, &fields).permission().unwrap();
        assert_eq!(permission.status(), StatusCode::NO_CONTENT);
        assert_eq!(permission.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example.com");
        assert_eq!(permission.headers()[ACCESS_CONTROL_ALLOW_METHODS], "GET, PUT");
        assert!(ask(ROUTE, &Method::GET, &fields).permission().is_none());
    }
}
