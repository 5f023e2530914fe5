//! What workers record of both stores' targets: facts, verdicts over tokens, what was shown, and what follows.

use std::sync::Arc;
use std::time::Duration;

use herald::domain::delivery::{Delivery, Ending};
use herald::domain::device::{InactiveReason, ProviderKind};
use herald::domain::latency::Latency;
use herald::domain::outcome::Reason;
use herald::domain::reason::{FailReason, SuppressReason, WaitReason};
use herald::domain::token_kind::TokenKind;
use herald::domain::work::{NewWork, Pair, TakenWork, Targets};
use herald::store::engine::{Ask, Candidate, Death, Finished, Record, Shown, day_of};

use crate::twin_steps::sorted;
use crate::twins::Twin;

const KEY: [u8; 32] = [7; 32];

/// What becomes of a target: a fact, a verdict over its token, or another look.
fn judge(twin: &Twin, work: &TakenWork, ask: &Ask, (one, choice): (&Candidate, u64), record: &mut Record) -> Option<Pair> {
    let world = &twin.world;
    let pair = one.target.as_device().map(|device| Pair { device, person: one.person });
    let ending = match (&one.recipient, choice) {
        (None, _) => Ending::Suppressed(SuppressReason::NoActiveDevice),
        (Some(_), 0..=2) => Ending::Sent,
        (Some(_), 3) => Ending::Cancelled,
        (Some(_), 4) => Ending::Failed(FailReason::TokenDead),
        (Some(_), _) => return pair,
    };
    let cohort = Arc::clone(&twin.cohorts[&work.key.notification]);
    let is_of_campaign = ending == Ending::Sent && cohort.campaign.is_some();
    let took = is_of_campaign.then(|| Latency::from_raw(if choice < 2 { 1 } else { 70 }));
    let delivery = Delivery {
        cohort,
        latency: took,
        variant: (choice % 2 == 1).then(|| Arc::from("b")),
        day: ask.day,
        person: one.person,
        attempts: work.attempt + 1,
        platform: one.recipient.as_ref().map(|recipient| recipient.platform),
        provider: one.recipient.as_ref().map(|_| ProviderKind::Apns),
        detail: Some(Reason::new("word")),
        ..world.delivery(work.key.notification, one.target, ending)
    };
    match (&delivery.ending, &one.recipient, pair) {
        (Ending::Failed(_), Some(recipient), Some(_)) => record.deaths.push(Death {
            token_hash: recipient.token_hash,
            token_kind: ask.token_kind.clone().filter(|_| !one.lacks_token),
            since: world.now(),
            deactivate: Some(InactiveReason::TokenDead),
            delivery,
        }),
        (Ending::Sent, Some(recipient), _) => {
            record.shown.push(Shown { device: recipient.device, key_hash: KEY, notification: work.key.notification });
            record.deliveries.push(delivery);
        }
        _ => record.deliveries.push(delivery),
    }
    None
}

fn follow_up(twin: &Twin, work: &TakenWork, pairs: Vec<Pair>, wait: Duration) -> NewWork {
    NewWork {
        fan_out: work.fan_out,
        stream: work.stream,
        reason: Some(WaitReason::Unavailable),
        due_at: twin.world.later(wait),
        attempt: work.attempt + 1,
        ..twin.world.work(Targets::Pairs(pairs))
    }
}

/// Reads the targets of a row and records what the choices make of them.
pub async fn record(twin: &mut Twin, work: &TakenWork, (choices, finish, twice): (u64, bool, bool)) -> String {
    let store = twin.world.shared();
    let stored = store.read_notifications(&[(work.key.app, work.key.notification)]).await.unwrap().pop().unwrap();
    let ask = Ask {
        day: day_of(stored.start_at),
        accepted_at: stored.accepted_at,
        latest_only: choices & 0x8000 != 0,
        collapse_hash: Some(KEY),
        token_kind: (choices & 0x2000 != 0).then_some(TokenKind::Voip),
        ..twin.world.ask(work)
    };
    let answer = store.read_targets(std::slice::from_ref(&ask)).await.unwrap().pop().unwrap();
    let mut record = Record::default();
    let mut rest = Vec::new();
    for (n, one) in answer.candidates.iter().enumerate().filter(|(_, one)| !one.delivered) {
        rest.extend(judge(twin, work, &ask, (one, choices >> (n * 3) & 7), &mut record));
    }
    if finish {
        let wait = Duration::from_secs(choices % 50);
        let follow_ups = if rest.is_empty() { Vec::new() } else { vec![follow_up(twin, work, rest, wait)] };
        record.finished.push(Finished { key: work.key, epoch: work.epoch, follow_ups });
    }
    if choices & 0x4000 != 0 {
        // somebody registers while the provider judges
        let change = crate::kit::iphone(Some("u0"), "token new");
        store.put_device(twin.world.app, "d0", change, None).await.unwrap();
    }
    let mut told = twin.told(&answer);
    for _ in 0..=u8::from(twice) {
        let recorded = store.record(&record).await.unwrap();
        told += &twin.told(&(
            recorded.inserted,
            sorted(recorded.ended.into_iter()),
            recorded.deactivated,
            sorted(recorded.outlived.into_iter()),
        ));
    }
    told
}
