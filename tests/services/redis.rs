//! A `redis-server` of a test's own.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

pub(crate) use super::child::free_port;
use super::child::{Server, until};

/// One server on a port of its own, which it keeps over restarts. It forgets everything with a restart, unless it is told to
/// append to a file.
pub(crate) struct Redis {
    port: u16,
    folder: TempDir,
    settings: Vec<String>,
    environment: Vec<(String, String)>,
    server: Option<Server>,
}

impl Redis {
    /// Starts one.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with settings as on its command line: `&["--appendonly", "yes"]`.
    pub(crate) fn start_with(settings: &[&str]) -> Self {
        Self::start_in(settings, Vec::new())
    }

    /// The same with more in its environment.
    pub(crate) fn start_in(settings: &[&str], environment: Vec<(String, String)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut redis = Self { port: free_port(), folder, settings, environment, server: None };
        redis.start_again();
        redis
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens, as Herald is told.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts what was stopped or killed, on the same port and with what it kept.
    pub(crate) fn start_again(&mut self) {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", "", "--maxmemory-policy", "noeviction"]);
        command.arg("--dir").arg(self.folder.path()).args(&self.settings).envs(self.environment.iter().cloned());
        let port = self.port;
        self.server = Some(Server::start(&mut command, &self.folder.path().join("log"), || answers(port)));
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }

    /// Ends it without a warning.
    pub(crate) fn kill(&mut self) {
        self.server = None;
    }

    /// Freezes it: connections stay, and nothing is answered.
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

    /// Runs one command and answers what came back, as it came.
    pub(crate) fn run(&self, words: &[&str]) -> String {
        say(self.port, words).unwrap()
    }
}

/// Three servers that are one cluster, each with a third of the keys and nobody to take its place.
pub(crate) struct Cluster {
    /// The servers.
    pub(crate) nodes: Vec<Redis>,
}

impl Cluster {
    /// Starts one.
    pub(crate) fn start() -> Self {
        let bus: Vec<String> = (0..3).map(|_| free_port().to_string()).collect();
        let start =
            |bus: &String| Redis::start_with(&["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", bus]);
        let nodes: Vec<Redis> = bus.iter().map(start).collect();
        for (node, range) in nodes.iter().zip([["0", "5460"], ["5461", "10922"], ["10923", "16383"]]) {
            assert_eq!(node.run(&["CLUSTER", "ADDSLOTSRANGE", range[0], range[1]]), "+OK\r\n");
        }
        for (node, bus) in nodes.iter().zip(&bus).skip(1) {
            assert_eq!(nodes[0].run(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string(), bus]), "+OK\r\n");
        }
        let cluster = Self { nodes };
        cluster.until_whole();
        cluster
    }

    /// Waits until every node knows every other.
    pub(crate) fn until_whole(&self) {
        for node in &self.nodes {
            until("the cluster is whole", || {
                let info = node.run(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            });
        }
    }

    /// Its nodes, as Herald is told.
    pub(crate) fn url(&self) -> String {
        self.nodes.iter().map(Redis::url).collect::<Vec<_>>().join(",")
    }
}

/// Any answer: one that is still loading, or wants a password, is not away.
fn answers(port: u16) -> bool {
    say(port, &["PING"]).is_ok_and(|answer| !answer.is_empty() && !answer.starts_with("-LOADING"))
}

/// The first part of what it answers, which is all of it for what tests ask.
fn say(port: u16, words: &[&str]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut question = format!("*{}\r\n", words.len());
    for word in words {
        write!(question, "${}\r\n{word}\r\n", word.len()).unwrap();
    }
    stream.write_all(question.as_bytes())?;
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(answer.get(..length).unwrap_or_default()).into_owned())
}
