//! Receipts.

use async_trait::async_trait;
use chrono::TimeDelta;
use herald::domain::Timestamp;
use herald::domain::delivery::State as DeliveryState;
use herald::domain::id::{AppId, DevicePk, NotificationId, Target};
use herald::store::Result;
use herald::store::receipt::{Receipt, ReceiptKind, ReceiptVerdict, Receipts};

use super::MemoryStore;
use super::state::{DeliveryKey, Early, State};

const TOO_LATE: TimeDelta = TimeDelta::days(30);
const EARLY_LIFE: TimeDelta = TimeDelta::hours(1);
/// Under which words a fan-out's receipts are counted, in the order of a delivery's.
pub const WORDS: [&str; 3] = ["delivered", "opened", "dismissed"];

impl State {
    fn receive(&mut self, app: AppId, receipt: &Receipt, now: Timestamp) -> ReceiptVerdict {
        let id = receipt.notification;
        let device = self.device_names.get(&(app, receipt.device.clone())).copied();
        let (Some(device), Some(new)) = (device, self.notification_of(app, id)) else { return ReceiptVerdict::UnknownDelivery };
        let (key, has_begun) = ((new.day(), id, Target::device(device)), new.start_at <= now);
        match self.deliveries.get(&key).map(|row| row.delivery.ending.state()) {
            Some(DeliveryState::Sent) => self.enter(key, receipt.kind, (receipt.at, now)),
            None if has_begun && self.works_on(id).next().is_some() => {
                self.early.entry((id, device, receipt.kind)).or_insert(Early { at: receipt.at, seen_at: now });
                ReceiptVerdict::Early
            }
            _ => ReceiptVerdict::UnknownDelivery,
        }
    }

    /// Books a report of a push that was sent. An instant that cannot be is that of the arrival.
    fn enter(&mut self, key: DeliveryKey, kind: ReceiptKind, (at, arrival): (Option<Timestamp>, Timestamp)) -> ReceiptVerdict {
        let Some(row) = self.deliveries.get_mut(&key) else { return ReceiptVerdict::UnknownDelivery };
        let sent_at = row.delivery.at;
        let at = at.filter(|at| *at >= sent_at && *at <= arrival).unwrap_or(arrival);
        if at - sent_at > TOO_LATE {
            return ReceiptVerdict::TooLate;
        }
        let implied = [true, kind == ReceiptKind::Opened, kind == ReceiptKind::Dismissed];
        let mut news = Vec::new();
        for ((stamp, word), implied) in row.receipts.iter_mut().zip(WORDS).zip(implied) {
            if implied && stamp.is_none() {
                *stamp = Some(at);
                news.push(word);
            }
        }
        for word in news {
            self.count(key.1, word, "");
            self.roll_up(key, word);
            self.tell_receipt(key, word, (at, arrival));
        }
        ReceiptVerdict::Accepted
    }

    fn settle_early(&mut self, now: Timestamp) -> usize {
        let mut settled = 0;
        for ((id, device, kind), early) in self.early.clone() {
            let Some(key) = self.early_key(id, device) else { continue };
            let Some(state) = self.deliveries.get(&key).map(|row| row.delivery.ending.state()) else { continue };
            let entered = state == DeliveryState::Sent && self.enter(key, kind, (early.at, early.seen_at)) == ReceiptVerdict::Accepted;
            settled += usize::from(entered);
            self.early.remove(&(id, device, kind));
        }
        self.forget_early(now);
        settled
    }

    /// The delivery that an early receipt waits for; none once its device is forgotten.
    fn early_key(&self, id: NotificationId, device: DevicePk) -> Option<DeliveryKey> {
        let new = self.notifications.get(&id).filter(|_| self.devices.contains_key(&device))?;
        Some((new.day(), id, Target::device(device)))
    }

    pub fn forget_early(&mut self, now: Timestamp) {
        self.early.retain(|_, early| early.seen_at + EARLY_LIFE > now);
    }
}

#[async_trait]
impl Receipts for MemoryStore {
    async fn receive(&self, app: AppId, receipts: &[Receipt]) -> Result<Vec<ReceiptVerdict>> {
        Ok(self.commit(|state, now| receipts.iter().map(|receipt| state.receive(app, receipt, now)).collect()))
    }

    async fn settle_early_receipts(&self) -> Result<usize> {
        Ok(self.commit(State::settle_early))
    }
}
