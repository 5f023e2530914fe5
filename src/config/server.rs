//! `[server]`: the HTTP side.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

/// `[server]`: the HTTP side.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Where to listen.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// How long a caller may take for a request's head, in seconds; 1 to 300.
    pub header_timeout_seconds: u64,
    /// How long a caller may take for a request's body, in seconds; 1 to 3600.
    pub body_timeout_seconds: u64,
    /// How long a connection may be without a request, in seconds; 1 to 3600.
    pub idle_timeout_seconds: u64,
    /// How long a caller may take to take an answer, beside what its length needs, in seconds; 1 to 600.
    pub write_timeout_seconds: u64,
    /// Connections at once; 10 to 1 000 000.
    pub max_connections: usize,
    /// Of them one address's; half of them where absent.
    pub max_connections_per_address: Option<usize>,
    /// Requests at once; 10 to 100 000.
    pub max_requests: usize,
    /// What their bodies and answers may have together, in MiB; 16 to 65 536.
    pub max_in_flight_mib: usize,
    /// Networks whose proxies are believed whom they speak for.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Where `/metrics` is in the place of `listen`.
    #[serde(deserialize_with = "optional_address")]
    pub admin_listen: Option<SocketAddr>,
    /// With it callers speak TLS.
    pub tls: Option<Tls>,
}

/// `[server.tls]`: what is shown to callers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate and those that lead to its root, PEM.
    pub cert_file: PathBuf,
    /// Its private key, PEM.
    pub key_file: PathBuf,
}

fn address<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    String::deserialize(from)?.parse().map_err(|_| D::Error::custom("must be an address and a port, as 127.0.0.1:8080 or [::1]:8080"))
}

/// None is written as nothing, too.
fn optional_address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = Option::<String>::deserialize(from)?.filter(|text| !text.is_empty());
    let address = text.map(|text| text.parse()).transpose();
    address.map_err(|_| D::Error::custom("must be an address and a port, as 127.0.0.1:9090 or [::1]:9090"))
}

/// A single address is a network of one.
fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    let network = |text: &String| text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let named = Vec::<String>::deserialize(from)?;
    named.iter().map(network).collect::<Option<_>>().ok_or_else(|| D::Error::custom("must be networks or addresses, as 10.0.0.0/8 or ::1"))
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            header_timeout_seconds: 15,
            body_timeout_seconds: 60,
            idle_timeout_seconds: 75,
            write_timeout_seconds: 30,
            max_connections: 10_000,
            max_connections_per_address: None,
            max_requests: 2000,
            max_in_flight_mib: 128,
            trusted_proxies: Vec::new(),
            admin_listen: None,
            tls: None,
        }
    }
}
