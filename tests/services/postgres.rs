//! A `postgres` of a test's own, which keeps what it says it keeps.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::child::{Server, free_port};

/// One server on a port of its own, which it and its data keep over restarts. Commits are durable.
pub(crate) struct Postgres {
    port: u16,
    folder: TempDir,
    environment: Vec<(String, String)>,
    server: Option<Server>,
}

impl Postgres {
    /// Makes a cluster and starts it.
    pub(crate) fn start() -> Self {
        Self::start_in(Vec::new())
    }

    /// The same, its server with more in its environment.
    pub(crate) fn start_in(environment: Vec<(String, String)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if let Some((user, group)) = server_user() {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let mut postgres = Self { port: free_port(), folder, environment, server: None };
        let mut make = postgres.command("initdb");
        let made = make.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]).output();
        let made = made.unwrap_or_else(|error| panic!("initdb cannot be started: {error}; run the tests through scripts/with-services"));
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        postgres.start_again();
        postgres
    }

    /// Where it listens, as Herald is told.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts what was stopped or killed, on the same port and data.
    pub(crate) fn start_again(&mut self) {
        let mut command = self.command("postgres");
        command.args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        // what it shares is in its folder, so that nothing stays when it is killed
        command.args(["-c", "max_connections=100", "-c", "dynamic_shared_memory_type=mmap"]).envs(self.environment.iter().cloned());
        let port = self.port.to_string();
        let is_ready = || {
            let mut look = Command::new("pg_isready");
            look.args(["-q", "-h", "127.0.0.1", "-p", &port, "-U", "postgres"]);
            look.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
        };
        let log = self.folder.path().join("log");
        self.server = Some(Server::start(&mut command, &log, is_ready));
    }

    /// A program of the server's on its data, as a user that it agrees to run as.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-D").arg(self.folder.path().join("data")).current_dir(self.folder.path());
        if let Some((user, group)) = server_user() {
            command.uid(user).gid(group);
        }
        command
    }

    /// Asks it to stop at once, in order, and waits until it has.
    pub(crate) fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }

    /// Ends it without a warning; its children notice and end too.
    pub(crate) fn kill(&mut self) {
        self.server = None;
    }

    /// Freezes what accepts connections. Those that are open have processes of their own and go on.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        self.server.as_ref().unwrap().signal(name);
    }
}

/// Who runs it where we are root, which it refuses to run as: the user that its package made.
fn server_user() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| {
        let told = Command::new("id").args(arguments).output().unwrap();
        String::from_utf8_lossy(&told.stdout).trim().parse().ok()
    };
    (id(&["-u"])? == 0).then_some((id(&["-u", "postgres"])?, id(&["-g", "postgres"])?))
}
