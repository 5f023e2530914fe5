//! The floors, the fences, and what the domain may not know.

use crate::source::Source;

/// The floors, lowest first. A module uses what lies below its floor; the modules of the highest also use each other.
const FLOORS: [&[&str]; 5] = [
    &["domain"],
    &["providers", "store", "queue"],
    &["dispatch"],
    &["api", "console", "config"],
    &["main", "lib", "cli", "app", "lifecycle", "system", "telemetry", "simulator", "bench"],
];

/// What the floors would allow and the design refuses: providers are the dispatch path's.
const REFUSED: [(&str, &str); 2] = [("api", "providers"), ("console", "providers")];

/// A library, and the files and folders that may name it.
const FENCES: &[(&str, &[&str])] = &[
    ("sqlx", &["store/"]),
    ("redis", &["queue/"]),
    ("hyper", &["providers/", "simulator/", "bench/", "cli/", "api/serve"]),
    ("hyper_util", &["providers/", "simulator/", "bench/", "cli/", "api/serve"]),
    ("h2", &["providers/", "simulator/", "bench/", "cli/", "api/serve"]),
    ("reqwest", &["cli/", "bench/"]),
    ("axum", &["api/", "console/", "app.rs", "simulator/"]),
    ("minijinja", &["dispatch/template/"]),
    ("clap", &["cli/"]),
    ("clap_complete", &["cli/"]),
    ("std::env", &["config/"]),
];

/// Adapters behind the traits of floor 2.
const ADAPTERS: &[&str] = &[
    "crate::store::sqlite",
    "crate::store::postgres",
    "crate::queue::in_process",
    "crate::queue::redis",
    "crate::providers::apns",
    "crate::providers::fcm",
    "crate::providers::webhook::client",
    "crate::providers::webpush",
    "crate::providers::email",
    "crate::providers::sms",
    "crate::providers::http2",
];

/// What would make a rule depend on more than its arguments.
const IMPURE_PATHS: &[&str] =
    &["tokio", "rand", "std::fs", "std::net", "std::io", "std::process", "std::time::SystemTime", "std::time::Instant"];
const IMPURE_WORDS: &[&str] = &["async", "await", "SystemTime", "Instant", "now_v4", "now_v7", "println"];

fn is_at(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The module of the crate's root that a file belongs to.
fn home(name: &str) -> &str {
    name.split(['/', '.']).next().unwrap_or_default()
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// Uses of a module that is not below.
pub(crate) fn broken_floors(name: &str, source: &Source) -> Vec<String> {
    let from = home(name);
    let Some(own) = floor(from) else { return vec![format!("{name} is on no floor")] };
    let used = source.paths.iter().filter_map(|path| path.strip_prefix("crate::")).map(|path| path.split("::").next().unwrap_or_default());
    used.filter(|to| *to != from)
        .filter_map(|to| Some((to, floor(to)?)))
        .filter(|(to, theirs)| !(*theirs < own || own == FLOORS.len() - 1) || REFUSED.contains(&(from, to)))
        .map(|(to, theirs)| format!("{name} (floor {}) uses {to} (floor {})", own + 1, theirs + 1))
        .collect()
}

/// Libraries that are named outside their fence.
pub(crate) fn broken_fences(name: &str, source: &Source) -> Vec<String> {
    // Where this program is says nothing of its settings.
    let is_harmless = |path: &str| is_at(path, "std::env::current_exe");
    let is_fenced = |library: &str| source.paths.iter().any(|path| is_at(path, library) && !is_harmless(path));
    FENCES
        .iter()
        .filter(|(library, allowed)| !allowed.iter().any(|place| name.starts_with(place)) && is_fenced(library))
        .map(|(library, allowed)| format!("{name} names {library}, which belongs to {}", allowed.join(", ")))
        .collect()
}

/// Adapters that are named outside their own folder: by `app.rs` alone, and by `config` for the settings that providers own.
pub(crate) fn named_adapters(name: &str, source: &Source) -> Vec<String> {
    let is_allowed = |adapter: &str| match (home(name), adapter.split("::").nth(1)) {
        ("app", _) | ("config", Some("providers")) => true,
        (own, Some(folder)) => own == folder,
        (_, None) => false,
    };
    ADAPTERS
        .iter()
        .filter(|adapter| !is_allowed(adapter) && source.paths.iter().any(|path| is_at(path, adapter)))
        .map(|adapter| format!("{name} names the adapter {adapter}"))
        .collect()
}

/// What in the domain would depend on more than its arguments.
pub(crate) fn impurities(name: &str, source: &Source) -> Vec<String> {
    if home(name) != "domain" {
        return Vec::new();
    }
    let paths = IMPURE_PATHS.iter().filter(|place| source.paths.iter().any(|path| is_at(path, place)));
    let words = IMPURE_WORDS.iter().filter(|word| source.words.iter().any(|other| other == *word));
    paths.chain(words).map(|thing| format!("{name} names {thing}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_that_is_broken_is_found() {
        let broken = |name: &str, text: &str| broken_floors(name, &Source::read(name, text)).len();
        assert_eq!(broken("domain/gate.rs", "use crate::store::Error;"), 1);
        assert_eq!(broken("store/key.rs", "use crate::queue::Entry;"), 1, "never each other");
        assert_eq!(broken("providers/mod.rs", "use super::store::Store;"), 1);
        assert_eq!(broken("dispatch/worker.rs", "fn f(x: crate::api::Problem) {}"), 1);
        assert_eq!(broken("api/send.rs", "use crate::{config::Settings, domain::Timestamp};"), 1, "not on the same floor");
        assert_eq!(broken("api/send.rs", "use crate::providers::Provider;"), 1);
        assert_eq!(broken("somewhere.rs", ""), 1, "a module on no floor");
        assert_eq!(broken("dispatch/worker.rs", "use crate::store::Store;\nuse crate::dispatch::lane::Lane;"), 0);
        assert_eq!(broken("cli/dev.rs", "use crate::app::Daemon;"), 0);
    }

    #[test]
    fn a_fence_that_is_climbed_is_found() {
        let broken = |name: &str, text: &str| broken_fences(name, &Source::read(name, text)).len();
        assert_eq!(broken("dispatch/worker.rs", "fn f() -> sqlx::Result<()> {}"), 1);
        assert_eq!(broken("cli/dev.rs", "use std::{env, fs};"), 1);
        assert_eq!(broken("cli/dev.rs", "use axum::Router;"), 1);
        assert_eq!(broken("api/limits.rs", "use hyper_util::rt::TokioIo;"), 1);
        assert_eq!(broken("api/serve", "use hyper_util::rt::TokioIo;"), 0);
        assert_eq!(broken("cli/client.rs", "const VERSION: &str = env!(\"CARGO_PKG_VERSION\");"), 0);
        assert_eq!(broken("store/sqlite/row.rs", "use sqlx::Row;"), 0);
    }

    #[test]
    fn an_adapter_that_is_named_is_found() {
        let named = |name: &str, text: &str| named_adapters(name, &Source::read(name, text)).len();
        assert_eq!(named("cli/migrate.rs", "use crate::store::sqlite::SqliteStore;"), 1);
        assert_eq!(named("dispatch/lane.rs", "use crate::providers::{self};\nfn f(x: providers::apns::Apns) {}"), 1);
        assert_eq!(named("app.rs", "use crate::store::sqlite::SqliteStore;"), 0);
        assert_eq!(named("config/sections.rs", "use crate::providers::{apns, fcm};"), 0);
        assert_eq!(named("config/sections.rs", "use crate::store::sqlite::Settings;"), 1);
    }

    #[test]
    fn a_rule_that_looks_at_the_clock_is_found() {
        let impure = |text: &str| impurities("domain/gate.rs", &Source::read("domain/gate.rs", text)).len();
        assert_eq!(impure("async fn decide() {}"), 1);
        assert_eq!(impure("fn decide() { let x = rand::random(); }"), 1);
        assert!(impure("use std::time::Instant;") > 0);
        assert_eq!(impure("use std::time::Duration;\n/// No async here.\nfn decide(now: Timestamp) {}"), 0);
    }
}
