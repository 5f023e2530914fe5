//! What a simulator can be told before it starts. Every field has a default that plays the real
//! service; only the clock and the task set must be given, because both belong to the caller.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The clock: the simulator never asks the system for the time.
pub type Now = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// How a simulator is started.
#[derive(Clone)]
pub struct Options {
    /// Where the production look-alike of APNs listens; port 0 takes a free one.
    pub apns_listen: SocketAddr,
    /// Where the sandbox look-alike of APNs listens.
    pub apns_sandbox_listen: SocketAddr,
    /// Where the look-alike of FCM and of its token endpoint listens.
    pub fcm_listen: SocketAddr,
    /// Where the web push service listens.
    pub webpush_listen: SocketAddr,
    /// The name under which other machines reach the look-alikes; `None`: only this machine does,
    /// by its loopback address.
    pub host: Option<String>,
    /// The one bundle id that the APNs key may send to.
    pub bundle_id: String,
    /// The APNs key's id: 10 characters.
    pub key_id: String,
    /// The APNs team's id: 10 characters.
    pub team_id: String,
    /// The FCM project.
    pub project_id: String,
    /// Streams that APNs allows on a connection before its first valid token. The real one
    /// allows 1.
    pub first_streams: u32,
    /// Streams that APNs allows on a connection afterwards.
    pub apns_streams: u32,
    /// Streams that FCM allows on a connection.
    pub fcm_streams: u32,
    /// Streams that the web push service allows on a connection.
    pub webpush_streams: u32,
    /// The life of an access token in seconds, as its answer says. Google's is 3599.
    pub access_token_seconds: u32,
    /// The newest pushes that are kept whole for the view, as long as they have 2 KiB on
    /// average; counters cover all of them.
    pub kept_pushes: usize,
    /// Accepted pushes remembered for telling repeats, at 9 to 18 bytes each. Beyond twice as
    /// many the oldest are forgotten.
    pub remembered_pushes: usize,
    /// The clock.
    pub now: Now,
    /// The task set in which every task of the simulator runs.
    pub tasks: TaskTracker,
    /// Ends every task of the simulator.
    pub cancel: CancellationToken,
}

impl Options {
    /// Listens on free ports of every address, and is known by this name.
    #[must_use]
    pub fn reachable_as(mut self, host: String) -> Self {
        let anywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        (self.apns_listen, self.apns_sandbox_listen, self.fcm_listen, self.webpush_listen) = (anywhere, anywhere, anywhere, anywhere);
        self.host = Some(host);
        self
    }

    /// The URL of a listener at this address.
    pub(super) fn origin(&self, bound: SocketAddr) -> String {
        match &self.host {
            Some(host) => format!("https://{host}:{}", bound.port()),
            None => format!("https://{bound}"),
        }
    }

    /// The name and the port of the web push service at this address: endpoints are at names, never at addresses.
    pub(super) fn authority(&self, bound: SocketAddr) -> String {
        format!("{}:{}", self.host.as_deref().unwrap_or("localhost"), bound.port())
    }

    /// The defaults: free loopback ports, the limits of the real services.
    pub fn new(now: Now, tasks: TaskTracker, cancel: CancellationToken) -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            apns_listen: loopback,
            apns_sandbox_listen: loopback,
            fcm_listen: loopback,
            webpush_listen: loopback,
            host: None,
            bundle_id: "com.example.demo".to_owned(),
            key_id: "HERALDKEY1".to_owned(),
            team_id: "HERALDTEAM".to_owned(),
            project_id: "herald-demo".to_owned(),
            first_streams: 1,
            apns_streams: 1000,
            fcm_streams: 100,
            webpush_streams: 100,
            access_token_seconds: 3599,
            kept_pushes: 50_000,
            remembered_pushes: 8_000_000,
            now,
            tasks,
            cancel,
        }
    }
}
