//! The specification as seen from outside: the real binary, real sockets, a real store, and the simulator's look-alikes.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_collect,
    reason = "a test says what went wrong by panicking, and builds its bodies plainly"
)]

mod addresses;
mod app_versions;
mod audience;
mod audit;
mod bad_day;
mod batch;
mod bodies;
mod broadcast;
mod campaign_cli;
mod campaigns;
mod cancel;
mod caps;
mod cast;
mod categories;
mod cli;
mod cli_operations;
mod client;
mod clock;
mod crash;
mod cross_app;
mod daemon;
mod devices;
mod edge;
mod explain;
mod gate;
mod hostile;
mod idempotency;
mod import;
mod import_resumed;
mod keys;
mod leaks;
mod lists;
mod logs;
mod main_job;
mod notifications_invalid;
mod operations;
mod outcomes;
mod payload_apns;
mod payload_fcm;
mod phones;
mod preferences;
mod preview;
mod provider_forms;
mod provider_outcomes_apns;
mod provider_outcomes_fcm;
mod quiet_hours;
mod receipts;
mod reload;
mod retention;
mod rollups;
mod schedule;
mod secrets;
mod segments;
mod sign_in;
mod simulator;
mod slow;
mod stale;
mod store_away;
#[path = "../services/clock.rs"]
#[expect(dead_code, reason = "the tests of servers need more of it")]
mod system_clock;
mod targets;
mod templates;
mod test_sends;
mod tokens;
mod verdicts;
mod walks;
mod webhooks;
mod webpush;
mod words;
