//! Where a queue's servers are, as an operator writes it.

use std::fmt;

use redis::{ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo};

/// One Redis server, or some nodes of a Redis Cluster: `redis://HOST:PORT`, with TLS `rediss://HOST:PORT`.
///
/// `Debug` and `Display` show hosts and ports, never a password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    nodes: Vec<(String, u16)>,
    tls: bool,
    database: i64,
    user: Option<String>,
    password: Option<String>,
}

/// Why it is none. It never holds what was written, which may be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Something else than a server was named.
    #[error("must be written redis://HOST:PORT, or rediss://HOST:PORT for TLS; several nodes of a cluster with commas between them")]
    Form,
    /// A part that no server is connected with.
    #[error("takes a user, a password, hosts, ports and a database only")]
    Parameters,
    /// One of several nodes is to be connected otherwise than the first.
    #[error("must name nodes of one cluster: with one scheme, user and password, which it is enough to write once, and no database")]
    Mixed,
}

impl RedisUrl {
    /// Reads one URL, with commas between several nodes. What the first says of TLS, user and password goes for all, and the
    /// others may leave it out: `redis://user:password@one:6379,two:6379`.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let mut parts = text.split(',').map(str::trim);
        let first = parts.next().unwrap_or_default();
        let (scheme, _) = first.split_once("://").ok_or(UrlError::Form)?;
        let mut url = Self::parse_one(first)?;
        for part in parts {
            let is_whole = part.contains("://");
            let other = if is_whole { Self::parse_one(part)? } else { Self::parse_one(&format!("{scheme}://{part}"))? };
            url.add(other)?;
        }
        Ok(url)
    }

    /// Reads several URLs, each of one node or more.
    pub fn parse_all<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, UrlError> {
        let mut urls = texts.into_iter().map(Self::parse);
        let mut url = urls.next().ok_or(UrlError::Form)??;
        for other in urls {
            url.add(other?)?;
        }
        Ok(url)
    }

    fn parse_one(text: &str) -> Result<Self, UrlError> {
        let rest = text.strip_prefix("redis://").or_else(|| text.strip_prefix("rediss://")).ok_or(UrlError::Form)?;
        if rest.contains(['?', '#']) {
            return Err(UrlError::Parameters);
        }
        let info = text.into_connection_info().map_err(|_| UrlError::Form)?;
        let (node, tls) = match info.addr() {
            ConnectionAddr::Tcp(host, port) => ((host.clone(), *port), false),
            ConnectionAddr::TcpTls { host, port, .. } => ((host.clone(), *port), true),
            _ => return Err(UrlError::Form),
        };
        let settings = info.redis_settings();
        Ok(Self {
            nodes: vec![node],
            tls,
            database: settings.db(),
            user: settings.username().map(str::to_owned),
            password: settings.password().map(str::to_owned),
        })
    }

    fn add(&mut self, other: Self) -> Result<(), UrlError> {
        let is_same = |mine: &Option<String>, theirs: &Option<String>| theirs.is_none() || mine == theirs;
        if other.tls != self.tls
            || (self.database, other.database) != (0, 0)
            || !is_same(&self.user, &other.user)
            || !is_same(&self.password, &other.password)
        {
            return Err(UrlError::Mixed);
        }
        self.nodes.extend(other.nodes);
        Ok(())
    }

    /// Whether several nodes are named: those of a cluster.
    pub fn is_cluster(&self) -> bool {
        self.nodes.len() > 1
    }

    /// Whether it has a password.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// The same with this password.
    #[must_use]
    pub fn with_password(self, password: &str) -> Self {
        Self { password: Some(password.to_owned()), ..self }
    }

    /// The addresses to connect to.
    pub(super) fn addresses(&self) -> Vec<ConnectionAddr> {
        let address = |(host, port): &(String, u16)| {
            if self.tls {
                ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
            } else {
                ConnectionAddr::Tcp(host.clone(), *port)
            }
        };
        self.nodes.iter().map(address).collect()
    }

    /// Whether the servers speak TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Who connects, and to which database.
    pub(super) fn login(&self) -> RedisConnectionInfo {
        let mut login = RedisConnectionInfo::default().set_db(self.database);
        if let Some(user) = &self.user {
            login = login.set_username(user);
        }
        if let Some(password) = &self.password {
            login = login.set_password(password);
        }
        login
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tls { "rediss://" } else { "redis://" })?;
        for (place, (host, port)) in self.nodes.iter().enumerate() {
            let separator = if place == 0 { "" } else { "," };
            let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
            write!(f, "{separator}{open}{host}{close}:{port}")?;
        }
        if self.database != 0 {
            write!(f, "/{}", self.database)?;
        }
        Ok(())
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_or_several_nodes_are_read() {
        let cases = [
            ("redis://redis.example", "redis://redis.example:6379"),
            ("redis://redis.example:6380/3", "redis://redis.example:6380/3"),
            ("rediss://:secret@redis.example", "rediss://redis.example:6379"),
            ("redis://[::1]:7000", "redis://[::1]:7000"),
            ("redis://ann:secret@one:1,two:2, three", "redis://one:1,two:2,three:6379"),
            ("rediss://one:1,rediss://two:2", "rediss://one:1,two:2"),
        ];
        for (text, shown) in cases {
            let url = RedisUrl::parse(text).unwrap();
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.to_owned(), format!("RedisUrl({shown})")), "{text}");
        }
        let list = RedisUrl::parse_all(["redis://ann:secret@one:1", "redis://two:2"]).unwrap();
        assert_eq!(list, RedisUrl::parse("redis://ann:secret@one:1,two:2").unwrap());
        assert!(list.is_cluster() && list.has_password());
    }

    #[test]
    fn what_is_no_server_is_refused() {
        let cases = [
            ("", UrlError::Form),
            ("redis.example:6379", UrlError::Form),
            ("http://redis.example", UrlError::Form),
            ("redis://", UrlError::Form),
            ("redis://host:port", UrlError::Form),
            ("redis+unix:///run/redis.sock", UrlError::Form),
            ("rediss://redis.example/#insecure", UrlError::Parameters),
            ("redis://redis.example?protocol=resp3", UrlError::Parameters),
            ("redis://one:1,rediss://two:2", UrlError::Mixed),
            ("redis://:a@one:1,redis://:b@two:2", UrlError::Mixed),
            ("redis://one:1/4,two:2", UrlError::Mixed),
        ];
        for (text, error) in cases {
            assert_eq!(RedisUrl::parse(text), Err(error), "{text}");
        }
        assert_eq!(RedisUrl::parse_all([]), Err(UrlError::Form));
    }
}
