//! Several nodes, each with a clock that is wrong in its own way, and what they share.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use proptest::prelude::*;

use super::*;

fn nodes(count: usize, memory: &Arc<Memory>) -> Vec<(Arc<Signer>, Arc<TestClock>)> {
    let pair = KeyPair::generate().unwrap();
    let clocks = (0..count).map(|_| TestClock::new());
    clocks.map(|clock| (node(&clock, &pair, Some(memory)), clock)).collect()
}

async fn use_of(signer: &Signer) -> HeaderValue {
    signer.token().await.unwrap().authorization.clone()
}

#[tokio::test]
async fn nodes_use_one_token() {
    let memory = Memory::new();
    let nodes = nodes(5, &memory);
    let used = join_all(nodes.iter().map(|(signer, _)| use_of(signer))).await;
    assert!(used.iter().all(|token| *token == used[0]), "however they race for it");
}

#[tokio::test]
async fn a_token_is_as_old_as_who_keeps_it_says() {
    let memory = Memory::new();
    let nodes = nodes(2, &memory);
    let [(first, _), (second, clock)] = &nodes[..] else { panic!("two nodes") };
    let used = use_of(first).await;
    memory.clock.advance(Duration::from_mins(49));
    clock.advance(Duration::from_mins(49));
    assert_eq!(use_of(second).await, used);
    memory.clock.advance(Duration::from_mins(1));
    clock.advance(Duration::from_mins(1));
    let renewed = use_of(second).await;
    assert_ne!(renewed, used, "50 minutes after it was signed, not after it was adopted");
    assert_eq!(use_of(first).await, used, "whose clock has not been turned");
    let refused = first.token().await.unwrap();
    assert!(first.expired(&refused).await.unwrap().is(&refused), "too young to be expired");
}

#[tokio::test]
async fn an_expired_token_is_replaced_by_what_another_node_has_signed() {
    let memory = Memory::new();
    let nodes = nodes(2, &memory);
    let [(first, _), (second, _)] = &nodes[..] else { panic!("two nodes") };
    let (old, same) = (first.token().await.unwrap(), second.token().await.unwrap());
    assert!(old.is(&same));
    for clock in [&memory.clock, &nodes[0].1, &nodes[1].1] {
        clock.advance(Duration::from_mins(20));
    }
    let new = first.expired(&old).await.unwrap();
    assert!(!new.is(&old));
    assert!(second.expired(&same).await.unwrap().is(&new));
}

#[tokio::test]
async fn a_node_alone_signs_for_itself_only_when_it_must() {
    let memory = Memory::new();
    let nodes = nodes(1, &memory);
    let [(signer, clock)] = &nodes[..] else { panic!("one node") };
    let shared = use_of(signer).await;
    memory.set_away(true);
    for (minutes, same) in [(50, true), (4, true), (1, false)] {
        clock.advance(Duration::from_mins(minutes));
        memory.clock.advance(Duration::from_mins(minutes));
        assert_eq!(use_of(signer).await == shared, same, "{minutes} minutes later");
    }
    memory.set_away(false);
    let own = use_of(signer).await;
    assert_ne!(own, shared, "what is shared is older than its own");
}

#[tokio::test]
async fn a_token_of_a_node_whose_clock_is_far_off_is_not_used() {
    let memory = Memory::new();
    let nodes = nodes(2, &memory);
    nodes[0].1.advance(Duration::from_mins(70));
    let of_tomorrow = use_of(&nodes[0].0).await;
    let own = use_of(&nodes[1].0).await;
    assert_ne!(own, of_tomorrow);
    assert_eq!(use_of(&nodes[1].0).await, own);
}

/// What nobody answers must not hold a send: the clock of the runtime is paused, so that waiting takes no time.
#[tokio::test(start_paused = true)]
async fn a_send_waits_half_a_second_at_most() {
    struct Silent;
    #[async_trait::async_trait]
    impl crate::providers::TokenShare for Silent {
        async fn look(&self, _: &str) -> Result<Option<crate::providers::Shared>, ShareError> {
            std::future::pending().await
        }
        async fn replace(&self, _: &str, _: crate::providers::Replacement<'_>) -> Result<bool, ShareError> {
            std::future::pending().await
        }
    }
    let (clock, pair) = (TestClock::new(), KeyPair::generate().unwrap());
    let shelf = Shelf::new(Arc::new(Silent), (TEAM, KEY), pair.serialized_der()).unwrap();
    let signer = Signer::new((TEAM, KEY), pair.serialize_pem().as_bytes(), clock, Some(shelf)).unwrap();
    let began = tokio::time::Instant::now();
    let used = join_all((0..10).map(|_| use_of(&signer))).await;
    assert!(used.iter().all(|token| *token == used[0]));
    assert_eq!(began.elapsed(), SHARED_WITHIN);
}

/// What happens to a node.
#[derive(Clone, Debug)]
enum Step {
    /// All clocks go on by seconds.
    Pass(u64),
    /// A node's clocks gain or lose by seconds; together not more than a few minutes.
    Drift(usize, u64),
    /// These send at the same time.
    Send(Vec<usize>),
    /// Apple calls the token of these expired, at the same time.
    Expired(Vec<usize>),
    /// A node is started anew.
    Restart(usize),
}

const NODES: usize = 4;

fn step() -> impl Strategy<Value = Step> {
    let some = || prop::collection::vec(0..NODES, 1..NODES + 2);
    prop_oneof![
        4 => (1_u64..1_500).prop_map(Step::Pass),
        1 => (0..NODES, 0_u64..6).prop_map(|(node, seconds)| Step::Drift(node, seconds)),
        4 => some().prop_map(Step::Send),
        3 => some().prop_map(Step::Expired),
        1 => (0..NODES).prop_map(Step::Restart),
    ]
}

/// Who used which token first, when: by the time of the one who keeps what they share.
struct Run {
    pair: KeyPair,
    memory: Arc<Memory>,
    nodes: Vec<(Arc<Signer>, Arc<TestClock>)>,
    /// Of all, and of each node since it was started.
    first_used: Vec<BTreeMap<String, Duration>>,
}

impl Run {
    fn new() -> Self {
        let (pair, memory) = (KeyPair::generate().unwrap(), Memory::new());
        let node = |n: u64| {
            let clock = TestClock::new();
            // no two nodes agree on the time
            clock.advance(Duration::from_mins(n));
            (node(&clock, &pair, Some(&memory)), clock)
        };
        let nodes = (0..NODES as u64).map(node).collect();
        Self { nodes, pair, memory, first_used: vec![BTreeMap::new(); NODES + 1] }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Pass(seconds) => {
                for clock in self.nodes.iter().map(|(_, clock)| clock).chain([&self.memory.clock]) {
                    clock.advance(Duration::from_secs(seconds));
                }
            }
            Step::Drift(node, seconds) => self.nodes[node].1.advance(Duration::from_secs(seconds)),
            Step::Send(nodes) => {
                let used = join_all(nodes.iter().map(|node| use_of(&self.nodes[*node].0))).await;
                self.note(&nodes, &used);
            }
            Step::Expired(nodes) => {
                let refused = join_all(nodes.iter().map(|node| async { self.nodes[*node].0.token().await.unwrap() })).await;
                self.note(&nodes, &refused.iter().map(|token| token.authorization.clone()).collect::<Vec<_>>());
                let again = nodes.iter().zip(&refused).map(|(node, refused)| self.nodes[*node].0.expired(refused));
                let used: Vec<_> = join_all(again).await.into_iter().map(|token| token.unwrap().authorization.clone()).collect();
                self.note(&nodes, &used);
            }
            Step::Restart(n) => {
                self.nodes[n].0 = node(&self.nodes[n].1, &self.pair, Some(&self.memory));
                self.first_used[n].clear();
            }
        }
    }

    fn note(&mut self, nodes: &[usize], used: &[HeaderValue]) {
        let now = self.memory.clock.monotonic();
        for (node, token) in nodes.iter().zip(used) {
            for n in [*node, NODES] {
                self.first_used[n].entry(token.to_str().unwrap().to_owned()).or_insert(now);
            }
        }
    }

    /// The shortest time between two renewals, by who saw them.
    fn closest(&self, n: usize) -> Option<Duration> {
        let mut instants: Vec<_> = self.first_used[n].values().copied().collect();
        instants.sort_unstable();
        instants.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).min()
    }
}

fn run(steps: Vec<Step>, away: bool) -> Run {
    let mut run = Run::new();
    run.memory.set_away(away);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        for step in steps {
            run.take(step).await;
        }
    });
    run
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_two_nodes_renew_a_token_within_twenty_minutes(steps in prop::collection::vec(step(), 1..60)) {
        let run = run(steps, false);
        if let Some(closest) = run.closest(NODES) {
            prop_assert!(closest >= NOT_BEFORE, "{closest:?}");
        }
    }

    #[test]
    fn a_node_alone_renews_no_token_within_twenty_minutes(steps in prop::collection::vec(step(), 1..60)) {
        // an own clock that gains would make its minutes shorter
        let steady = steps.into_iter().filter(|step| !matches!(step, Step::Drift(..) | Step::Restart(_))).collect();
        let run = run(steady, true);
        for closest in (0..NODES).filter_map(|node| run.closest(node)) {
            prop_assert!(closest >= NOT_BEFORE, "{closest:?}");
        }
    }
}
