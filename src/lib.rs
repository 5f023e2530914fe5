//! Herald, a unified push-notification dispatch daemon.
