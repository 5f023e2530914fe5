//! The process's environment: the only place that reads it.

use std::ffi::OsString;

/// What variables of settings begin with.
pub(super) const PREFIX: &str = "HERALD__";

/// The variables that matter to the configuration: `HERALD__…` and `RUST_LOG`.
pub(super) fn variables() -> Vec<(String, OsString)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with(PREFIX) || name == "RUST_LOG")
        .collect()
}

/// The daemon that commands speak to. `Debug` is not derived: it holds a key.
pub struct Remote {
    /// `HERALD_URL`.
    pub url: String,
    /// `HERALD_API_KEY`; `None` where it is not set, or empty.
    pub api_key: Option<String>,
}

impl Remote {
    /// As the environment has it.
    #[expect(clippy::disallowed_methods, reason = "this module reads the environment")]
    pub fn from_environment() -> Self {
        let read = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        Self { url: read("HERALD_URL").unwrap_or_else(|| "http://127.0.0.1:8080".to_owned()), api_key: read("HERALD_API_KEY") }
    }
}
