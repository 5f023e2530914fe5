//! A server process that belongs to one test.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Longer than a server takes to start or to stop on a slow machine with others at work.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// From which systems give no connection its near end: Linux begins at 32 768, others later.
const PORTS: Range<u16> = 12_000..32_000;

/// A running server; killed when dropped.
pub(super) struct Server {
    child: Child,
}

impl Server {
    /// Starts it and waits until it answers.
    pub(super) fn start(command: &mut Command, log: &Path, is_ready: impl Fn() -> bool) -> Self {
        let out = File::create(log).unwrap();
        command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out);
        let child = command.spawn().unwrap_or_else(|error| {
            let program = command.get_program().display();
            panic!("{program} cannot be started: {error}; run the tests through scripts/with-services")
        });
        let mut server = Self { child };
        until(&format!("{} answers, see {}", command.get_program().display(), log.display()), || {
            assert!(server.child.try_wait().unwrap().is_none(), "{}", std::fs::read_to_string(log).unwrap_or_default());
            is_ready()
        });
        server
    }

    /// Sends it a signal, by name.
    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "signal {name}");
    }

    /// Asks it to stop and waits until it has.
    pub(super) fn stop(mut self) {
        self.signal("INT");
        until("a server has stopped", || self.child.try_wait().unwrap().is_some());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Looks until it is so.
pub(super) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain until {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A port that nobody listened on a moment ago, and that no other call of this process answers.
///
/// It is below those that a system gives away by itself: one of these can be the near end of somebody's connection before
/// its server has begun to listen, or while it is stopped.
pub(crate) fn free_port() -> u16 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(101);
    loop {
        let place = first.wrapping_add(CALLS.fetch_add(1, Ordering::Relaxed)) % u32::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(place).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
