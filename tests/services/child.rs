//! A server process that belongs to one test.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

/// Longer than a server takes to start or to stop on a slow machine with others at work.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A running server; killed when dropped.
pub(super) struct Server {
    child: Child,
    log: PathBuf,
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
        let mut server = Self { child, log: log.to_owned() };
        server.until("it answers", |child| {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it answered");
            is_ready()
        });
        server
    }

    fn until(&mut self, what: &str, mut look: impl FnMut(&mut Child) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !look(&mut self.child) {
            let told = || std::fs::read_to_string(&self.log).unwrap_or_default();
            assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain until {what}:\n{}", told());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Sends it a signal, by name.
    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "signal {name}");
    }

    /// Asks it to stop and waits until it has.
    pub(super) fn stop(mut self) {
        self.signal("INT");
        self.until("it has stopped", |child| child.try_wait().unwrap().is_some());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A port that nobody listened on a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
