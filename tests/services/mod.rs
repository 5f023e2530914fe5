//! Servers for tests: those that `scripts/with-services` gives, and children of a test's own that it may stop, kill and freeze.
//!
//! Each test binary that needs them includes this folder by its path, and uses what it needs.

mod child;
pub(crate) mod clock;
pub(crate) mod postgres;
pub(crate) mod redis;

/// The shared server of this variable.
pub(crate) fn shared(variable: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "where the servers are is the test's own setting")]
    let value = std::env::var(variable);
    value.unwrap_or_else(|_| panic!("{variable} is not set: run the tests through scripts/with-services"))
}
