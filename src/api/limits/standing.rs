//! How a caller stands, as it is told: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10), `Retry-After`.

use std::cell::Cell;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue};

static POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
static LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The limit of those who brought no credential, or none that was found good.
pub(super) const PER_ADDRESS: &str = "per_address";

/// The limit of API keys.
pub(super) const PER_KEY: &str = "per_key";

tokio::task_local! {
    static CURRENT: Cell<Option<Standing>>;
}

/// After a request was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) struct Standing {
    /// Of which limit, as the configuration has it.
    pub(super) name: &'static str,
    /// Requests that may come at once.
    pub(super) burst: u32,
    /// In how many seconds so many come again.
    pub(super) window: u64,
    /// Of them those that may come now.
    pub(super) remaining: u32,
    /// In how many seconds the burst is whole again; where a request was refused, the next may come.
    pub(super) reset: u64,
    /// Whether it was one too many.
    pub(super) is_refused: bool,
}

impl Standing {
    /// Whether it is of an API key.
    pub(in crate::api) fn is_of_key(self) -> bool {
        self.name == PER_KEY
    }

    /// Writes it into an answer.
    pub(in crate::api) fn write(self, headers: &mut HeaderMap) {
        let Self { name, burst, window, remaining, reset, is_refused } = self;
        let policy = HeaderValue::try_from(format!("\"{name}\";q={burst};w={window}"));
        let limit = HeaderValue::try_from(format!("\"{name}\";r={remaining};t={reset}"));
        if let (Ok(policy), Ok(limit)) = (policy, limit) {
            headers.insert(POLICY.clone(), policy);
            headers.insert(LIMIT.clone(), limit);
        }
        if is_refused {
            headers.insert(RETRY_AFTER, HeaderValue::from(reset));
        }
    }
}

/// Notes how the caller of the request that is being handled stands.
pub(super) fn note(standing: Standing) {
    // outside of a request nobody asks
    _ = CURRENT.try_with(|current| current.set(Some(standing)));
}

/// Handles a request; what was noted last while it was.
pub(in crate::api) async fn noting<T>(handled: impl Future<Output = T>) -> (T, Option<Standing>) {
    let noted = async {
        let answer = handled.await;
        (answer, CURRENT.with(Cell::take))
    };
    CURRENT.scope(Cell::new(None), noted).await
}
