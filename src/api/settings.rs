//! How the API is served.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use ipnet::IpNet;

/// `[server]` in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen, `address:port`.
    pub listen: String,
    /// How long a caller may take to send the head of a request, in seconds; 1 to 300.
    pub header_timeout_seconds: u64,
    /// How long a caller may take to send the body, in seconds; 1 to 3600.
    pub body_timeout_seconds: u64,
    /// How long a connection may be without a request, in seconds; 1 to 3600.
    pub idle_timeout_seconds: u64,
    /// How long a caller may take to take a piece of an answer, beside what its length needs, in seconds; 1 to 600.
    pub write_timeout_seconds: u64,
    /// Connections at once.
    pub max_connections: usize,
    /// Of them one address's, unless it is a trusted proxy's.
    pub max_connections_per_address: usize,
    /// Requests at once, from their head until their answer is there, or where that is large, was taken; one address has a quarter of them.
    pub max_requests: usize,
    /// What their bodies and answers may have together, in MiB; one address has half of it.
    pub max_in_flight_mib: usize,
    /// Whether `/metrics` is elsewhere.
    pub has_admin: bool,
    /// Networks of proxies that are believed whom they speak for.
    pub trusted_proxies: Vec<IpNet>,
    /// How often callers may call.
    pub rates: Rates,
    /// Whether webhooks may be at private addresses.
    pub private_webhooks: bool,
}

/// How often callers may call, each with a burst of twice as many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rates {
    /// By API key.
    pub per_key: Rate,
    /// By client token, or by its user and device where it is bound to one; receipt tokens beside them.
    pub per_client_token: Rate,
    /// By address, for what needs no credential, and for credentials that are new there.
    pub per_address: Rate,
}

/// So many requests in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: NonZeroU32,
    /// In what time.
    pub per: Duration,
}

impl Default for Rates {
    fn default() -> Self {
        let second = |count: u32| Rate { count: NonZeroU32::MIN.saturating_add(count - 1), per: Duration::from_secs(1) };
        Self { per_key: second(2000), per_client_token: second(20), per_address: second(20) }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            header_timeout_seconds: 15,
            body_timeout_seconds: 60,
            idle_timeout_seconds: 75,
            write_timeout_seconds: 30,
            max_connections: 10_000,
            max_connections_per_address: 5000,
            max_requests: 2000,
            max_in_flight_mib: 128,
            has_admin: false,
            trusted_proxies: Vec::new(),
            rates: Rates::default(),
            private_webhooks: false,
        }
    }
}

impl Settings {
    /// Whether others than this machine may reach it. What is no address is taken for one that they may.
    pub fn is_public(&self) -> bool {
        !self.listen.parse::<SocketAddr>().is_ok_and(|address| address.ip().to_canonical().is_loopback())
    }

    /// Whether `/metrics` needs a key.
    pub(super) fn guards_metrics(&self) -> bool {
        self.is_public() && !self.has_admin
    }

    /// [`Settings::header_timeout_seconds`] as a duration.
    pub fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.header_timeout_seconds)
    }

    /// [`Settings::body_timeout_seconds`] as a duration.
    pub fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_timeout_seconds)
    }

    /// [`Settings::idle_timeout_seconds`] as a duration.
    pub(super) fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_seconds)
    }

    /// [`Settings::write_timeout_seconds`] as a duration.
    pub(super) fn write_timeout(&self) -> Duration {
        Duration::from_secs(self.write_timeout_seconds)
    }

    /// [`Settings::max_in_flight_mib`] in bytes.
    pub(super) fn max_bytes(&self) -> usize {
        self.max_in_flight_mib.saturating_mul(1024 * 1024)
    }
}
