//! The connections that there are. Their number is bounded, and so is what one address has of them; where there is no place, those that are
//! idle for longest give theirs.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::link::{Link, Timeouts};
use crate::api::peer::{is_in, network};

/// Where places are needed, so many are made at once, as a part of all: to look for them costs time.
const MADE_AT_ONCE: usize = 256;

/// All connections of a listener.
#[derive(Debug)]
pub(super) struct Links {
    most: usize,
    most_of_one: usize,
    /// Proxies: their connections are many people's.
    trusted: Vec<IpNet>,
    epoch: Instant,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    last: u64,
    links: HashMap<u64, Arc<Link>>,
    by_network: HashMap<IpAddr, usize>,
}

impl Links {
    /// At most so many, and so many of one address that is not trusted.
    pub(super) fn new(most: usize, most_of_one: usize, trusted: Vec<IpNet>) -> Self {
        Self { most, most_of_one, trusted, epoch: Instant::now(), taken: Mutex::default() }
    }

    /// A place for a connection from there; `None` where nobody gives theirs.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let of = network(address);
        let link = Arc::new(Link::new(of, self.epoch));
        let mut taken = self.taken.lock();
        let own = taken.by_network.get(&of).copied().unwrap_or_default();
        if own >= self.most_of_one && !is_in(&self.trusted, address) && !taken.make_room(self.most_of_one, |link| link.network == of) {
            return None;
        }
        if taken.links.len() >= self.most && !taken.make_room(self.most, |_| true) {
            return None;
        }
        taken.last += 1;
        let number = taken.last;
        taken.links.insert(number, Arc::clone(&link));
        *taken.by_network.entry(of).or_default() += 1;
        metrics::gauge!("herald_connections").set(count(taken.links.len()));
        Some(Place { links: Arc::clone(self), number, link })
    }

    /// Ends those that must end.
    pub(super) fn sweep(&self, timeouts: Timeouts) {
        let all: Vec<Arc<Link>> = self.taken.lock().links.values().cloned().collect();
        for link in all {
            if let Some(fault) = link.fault(timeouts) {
                tracing::debug!(fault, "a connection was ended");
                metrics::counter!("herald_connections_ended_total", "fault" => fault).increment(1);
                link.cut();
            }
        }
    }
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}

impl Taken {
    /// Ends the longest idle of these; whether there was any.
    fn make_room(&mut self, most: usize, is_one: impl Fn(&Link) -> bool) -> bool {
        let idle = self.links.iter().filter(|(_, link)| is_one(link)).filter_map(|(number, link)| Some((link.idle_since()?, *number)));
        let mut idle: Vec<_> = idle.collect();
        let needed = (most / MADE_AT_ONCE).max(1);
        if idle.len() > needed {
            idle.select_nth_unstable(needed);
            idle.truncate(needed);
        }
        for (_, number) in &idle {
            if let Some(link) = self.remove(*number) {
                link.cut();
            }
        }
        metrics::counter!("herald_connections_displaced_total").increment(idle.len() as u64);
        !idle.is_empty()
    }

    fn remove(&mut self, number: u64) -> Option<Arc<Link>> {
        let link = self.links.remove(&number)?;
        if let Some(own) = self.by_network.get_mut(&link.network) {
            *own -= 1;
            if *own == 0 {
                self.by_network.remove(&link.network);
            }
        }
        Some(link)
    }
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    links: Arc<Links>,
    number: u64,
    pub(super) link: Arc<Link>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.links.taken.lock();
        taken.remove(self.number);
        metrics::gauge!("herald_connections").set(count(taken.links.len()));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    fn links(most: usize, most_of_one: usize) -> Arc<Links> {
        Arc::new(Links::new(most, most_of_one, vec!["10.0.0.0/8".parse().unwrap()]))
    }

    fn of(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    async fn is_cut(place: &Place) -> bool {
        tokio::time::timeout(Duration::from_millis(1), place.link.is_cut()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_gives_way() {
        let links = links(3, 3);
        let mut places = Vec::new();
        for n in 0..3 {
            places.push(links.admit(of(n)).unwrap());
            advance(Duration::from_secs(1)).await;
        }
        let busy = places[0].link.begin();
        let fourth = links.admit(of(4)).unwrap();
        assert!(is_cut(&places[1]).await && !is_cut(&places[0]).await && !is_cut(&places[2]).await && !is_cut(&fourth).await);
        let (_third, _fourth) = (places[2].link.begin(), fourth.link.begin());
        assert!(links.admit(of(5)).is_none(), "all are at work");
        drop(busy);
        assert!(links.admit(of(5)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_has_a_part() {
        let links = links(4, 2);
        let (first, second) = (links.admit(of(1)).unwrap(), links.admit(of(1)).unwrap());
        let (_a, b) = (first.link.begin(), second.link.begin());
        assert!(links.admit(of(1)).is_none());
        let other = links.admit(of(2)).unwrap();
        drop(b);
        let third = links.admit(of(1)).unwrap();
        assert!(is_cut(&second).await && !is_cut(&other).await, "its own give way, nobody else's");
        drop((first, second, third, other));
        assert!(links.taken.lock().by_network.is_empty() && links.taken.lock().links.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_proxy_may_have_all() {
        let links = links(3, 1);
        let places: Vec<_> = (0..3).map(|_| links.admit([10, 0, 0, 1].into()).unwrap()).collect();
        let _busy: Vec<_> = places.iter().map(|place| place.link.begin()).collect();
        assert!(links.admit([10, 0, 0, 1].into()).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn one_network_of_64_bits_is_one_address() {
        let links = links(10, 1);
        let place = links.admit("2001:db8::1".parse().unwrap()).unwrap();
        let _busy = place.link.begin();
        assert!(links.admit("2001:db8::ffff:2".parse().unwrap()).is_none());
        assert!(links.admit("2001:db8:0:1::1".parse().unwrap()).is_some());
    }
}
