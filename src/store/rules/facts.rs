//! What templates may show of people and devices: for which targets it is read, and where it goes.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::engine::{Answer, Ask, Facts};
use crate::domain::id::DevicePk;

/// The devices of which it is asked, each once.
pub(in crate::store) fn asked(asks: &[Ask], answers: &[Answer]) -> Vec<DevicePk> {
    let asked = asks.iter().zip(answers).filter(|(ask, _)| ask.facts).flat_map(|(_, answer)| &answer.candidates);
    let mut devices: Vec<DevicePk> = asked.filter_map(|candidate| Some(candidate.recipient.as_ref()?.device)).collect();
    devices.sort_unstable();
    devices.dedup();
    devices
}

/// Puts it where it was asked for. Of a device that went meanwhile there is nothing to show.
pub(in crate::store) fn put(asks: &[Ask], answers: &mut [Answer], found: &HashMap<DevicePk, Arc<Facts>>) {
    for (_, answer) in asks.iter().zip(answers).filter(|(ask, _)| ask.facts) {
        for recipient in answer.candidates.iter_mut().filter_map(|candidate| candidate.recipient.as_mut()) {
            recipient.facts = Some(found.get(&recipient.device).map(Arc::clone).unwrap_or_default());
        }
    }
}
