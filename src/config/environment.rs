//! The process's environment: the only place that reads it.

use std::ffi::OsString;
use std::path::PathBuf;

/// What variables of settings begin with.
pub(super) const PREFIX: &str = "HERALD__";

/// The variables that matter to the configuration: `HERALD__…` and `RUST_LOG`.
pub(super) fn variables() -> Vec<(String, OsString)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with(PREFIX) || name == "RUST_LOG")
        .collect()
}

/// Where the system keeps what need not last.
pub fn temporary_folder() -> PathBuf {
    std::env::temp_dir()
}
