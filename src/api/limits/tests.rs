use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;

use super::*;
use crate::api::settings::Rate;
use crate::domain::Timestamp;

#[derive(Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

impl Hand {
    fn pass(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

fn rate(count: u32, seconds: u64) -> Rate {
    Rate { count: NonZeroU32::new(count).unwrap(), per: Duration::from_secs(seconds) }
}

fn limits() -> (Limits, Arc<Hand>) {
    let hand = Arc::new(Hand::default());
    let clock: Arc<dyn Clock> = Arc::clone(&hand) as _;
    (Limits::new(&Rates { per_key: rate(10, 1), per_client_token: rate(30, 60), per_address: rate(2, 1) }, &clock), hand)
}

/// How many of so many come through.
fn through(mut ask: impl FnMut() -> Result<(), Problem>) -> usize {
    (0..1000).filter(|_| ask().is_ok()).count()
}

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

#[test]
fn each_caller_has_a_burst_of_twice_the_rate_and_then_the_rate() {
    let (limits, hand) = limits();
    let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    assert_eq!(through(|| limits.take(Caller::Key(one))), 20);
    assert_eq!(through(|| limits.take(Caller::Key(other))), 20, "another key");
    assert_eq!(through(|| limits.take(Caller::Family(one))), 60, "another kind");
    hand.pass(Duration::from_millis(500));
    assert_eq!(through(|| limits.take(Caller::Key(one))), 5);
    hand.pass(Duration::from_hours(1));
    assert_eq!(through(|| limits.take(Caller::Key(one))), 20, "no more than the burst is saved up");
}

#[test]
fn a_user_on_a_device_is_one_caller_in_an_app() {
    let (limits, _) = limits();
    let phone = |app: i64, user: Option<&str>, device: &str| through(|| limits.take(Caller::Device(AppId(app), user, device)));
    assert_eq!(phone(1, Some("ann"), "phone"), 60);
    assert_eq!(phone(1, Some("ann"), "phone"), 0);
    assert_eq!(phone(2, Some("ann"), "phone"), 60);
    assert_eq!(phone(1, Some("ann"), "other"), 60);
    assert_eq!(phone(1, Some("bob"), "phone"), 60);
    assert_eq!(phone(1, None, "phone"), 60);
    assert_eq!(through(|| limits.take(Caller::Reporter(AppId(1), Some("ann"), "phone"))), 60);
    assert_eq!(through(|| limits.take(Caller::BuiltIn(AppId(1)))), 20);
}

/// An attempt that need not wait for another.
fn attempt(limits: &Limits, address: IpAddr, credential: &[u8]) -> Result<Attempt, Problem> {
    limits.attempt(address, credential).now_or_never().expect("nothing is waited for")
}

/// The same, found good.
async fn good(limits: &Limits, address: IpAddr, credential: &[u8]) -> Result<Attempt, Problem> {
    let attempt = attempt(limits, address, credential)?;
    attempt.during(async { limits.take(Caller::User(AppId(1), "ann")) }).await?;
    Ok(attempt)
}

#[tokio::test]
async fn who_guesses_is_slowed_down_and_a_neighbour_goes_on() {
    let (limits, hand) = limits();
    let known = good(&limits, HERE, b"good").await.unwrap();
    assert_eq!(through(|| attempt(&limits, HERE, b"good").map(drop)), 1000, "it is no guess any more");
    let mut guess = 0_u32;
    let mut guesses = |address| {
        through(|| {
            guess += 1;
            attempt(&limits, address, &guess.to_be_bytes()).map(drop)
        })
    };
    assert_eq!(guesses(HERE), 3, "the good one cost one, too, when it was new");
    assert_eq!(through(|| attempt(&limits, HERE, b"good").map(drop)), 1000);
    assert_eq!(guesses(THERE), 4, "another address");
    assert!(attempt(&limits, THERE, b"good").is_err(), "what is good here is a guess there");
    known.found_bad();
    drop(known);
    assert!(attempt(&limits, HERE, b"good").is_err(), "it is not good any more");
    hand.pass(Duration::from_secs(1));
    assert_eq!(guesses(HERE), 2);
}

#[tokio::test]
async fn those_that_bring_the_same_at_once_wait_for_the_first() {
    let (limits, hand) = limits();
    let first = attempt(&limits, HERE, b"key").unwrap();
    let mut waiting: Vec<_> = (0..10).map(|_| Box::pin(limits.attempt(HERE, b"key"))).collect();
    assert!(waiting.iter_mut().all(|one| one.now_or_never().is_none()));
    first.during(async { limits.take(Caller::Family(Uuid::nil())) }).await.unwrap();
    assert!(waiting.into_iter().all(|one| one.now_or_never().is_some_and(|attempt| attempt.is_ok())), "they cost nothing");
    drop(first);

    hand.pass(Duration::from_hours(1));
    for ends in [false, true] {
        let first = attempt(&limits, THERE, b"guess").unwrap();
        let mut waiting: Vec<_> = (0..10).map(|_| Box::pin(limits.attempt(THERE, b"guess"))).collect();
        assert!(waiting.iter_mut().all(|one| one.now_or_never().is_none()));
        if ends {
            first.found_bad();
        }
        // or its caller went away
        drop(first);
        let paid: Vec<_> = waiting.into_iter().filter_map(|one| one.now_or_never().unwrap().ok()).collect();
        assert_eq!(paid.len(), 3, "all that the first left of the burst");
        assert!(attempt(&limits, THERE, b"guess").is_err());
        drop(paid);
        hand.pass(Duration::from_hours(1));
    }
}

#[tokio::test]
async fn what_was_never_judged_is_not_known() {
    let (limits, _) = limits();
    drop(attempt(&limits, HERE, b"key").unwrap());
    assert_eq!(through(|| attempt(&limits, HERE, b"key").map(drop)), 3, "as while the store is away");
}

#[test]
fn one_network_of_64_bits_is_one_address() {
    let (limits, _) = limits();
    let mut host = 0_u128;
    let next = || {
        host += 1;
        limits.take_address(std::net::Ipv6Addr::from_bits(0x2001_0db8 << 96 | host).into())
    };
    assert_eq!(through(next), 4);
}

#[tokio::test]
async fn callers_are_told_how_they_stand() {
    let (limits, hand) = limits();
    let written = |standing: Option<Standing>| {
        let mut headers = http::HeaderMap::new();
        standing.unwrap().write(&mut headers);
        let text = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        [text("ratelimit-policy"), text("ratelimit"), text("retry-after")]
    };
    let ask = || noting(async { limits.take(Caller::Family(Uuid::nil())) });
    let (taken, standing) = ask().await;
    assert!(taken.is_ok());
    assert_eq!(written(standing), ["\"per_client_token\";q=60;w=120", "\"per_client_token\";r=59;t=2", ""]);
    hand.pass(Duration::from_millis(500));
    while ask().await.0.is_ok() {}
    let (refused, standing) = ask().await;
    assert_eq!(refused.unwrap_err().code(), Code::RateLimited);
    assert_eq!(written(standing), ["\"per_client_token\";q=60;w=120", "\"per_client_token\";r=0;t=2", "2"]);
    assert_eq!(noting(async {}).await.1, None, "a request that was not counted");
}
