//! Idempotency keys within a batch of submissions: which notifications are new, and what is answered for the others.

use std::collections::HashMap;

use bytes::Bytes;

use super::super::campaign::{Made, Remember, StoredCampaign};
use super::super::engine::{IdempotencyKey, Item, ItemVerdict, NewNotification, Submission, Verdict};
use super::super::idempotency::Before;

/// App, route and key.
pub(in crate::store) type Name = (i64, String, String);

/// The keys of a batch that are known, and those that it adds.
#[derive(Default)]
pub(in crate::store) struct Keys {
    known: HashMap<Name, ([u8; 32], Bytes)>,
    new: Vec<(IdempotencyKey, Bytes)>,
}

impl Keys {
    /// With these known: the hash of the body that came under each, and what was answered.
    pub(in crate::store) fn new(known: HashMap<Name, ([u8; 32], Bytes)>) -> Self {
        Self { known, new: Vec::new() }
    }

    /// What came before under a key, in the table or earlier in this batch.
    pub(in crate::store) fn before(&self, key: Option<&IdempotencyKey>) -> Before {
        let Some(key) = key else { return Before::Nothing };
        match self.known.get(&name(key)) {
            None => Before::Nothing,
            Some((hash, answer)) if *hash == key.body_hash => Before::Same(answer.clone()),
            Some(_) => Before::Other,
        }
    }

    fn remember(&mut self, key: Option<&IdempotencyKey>, answer: &Bytes) {
        if let Some(key) = key {
            self.known.insert(name(key), (key.body_hash, answer.clone()));
            self.new.push((key.clone(), answer.clone()));
        }
    }

    /// What is to be remembered from now on.
    pub(in crate::store) fn added(&self) -> &[(IdempotencyKey, Bytes)] {
        &self.new
    }

    /// Answers a submission; what of it is to be written is added to `fresh`.
    pub(in crate::store) fn judge<'s>(&mut self, submission: &'s Submission, fresh: &mut Vec<&'s NewNotification>) -> Verdict {
        match self.before(submission.key.as_ref()) {
            Before::Same(answer) => return Verdict::Replayed(answer),
            Before::Other => return Verdict::Reused,
            Before::Nothing => {}
        }
        let mut one = |item: &'s Item| match self.before(item.key.as_ref()) {
            Before::Same(answer) => ItemVerdict::Replayed(answer),
            Before::Other => ItemVerdict::Reused,
            Before::Nothing => {
                self.remember(item.key.as_ref(), &item.answer);
                fresh.push(&item.notification);
                ItemVerdict::Accepted
            }
        };
        let verdicts: Vec<ItemVerdict> = submission.items.iter().map(&mut one).collect();
        if submission.key.is_some() {
            self.remember(submission.key.as_ref(), &(submission.answer)(&verdicts));
        }
        Verdict::New(verdicts)
    }
}

impl Keys {
    /// What a request to make a campaign comes to, where its key says so.
    pub(in crate::store) fn judge_campaign(&self, remember: Option<&Remember>) -> Option<Made> {
        match self.before(remember.map(|remember| &remember.key)) {
            Before::Same(answer) => Some(Made::Replayed(answer)),
            Before::Other => Some(Made::Reused),
            Before::Nothing => None,
        }
    }

    /// Has the answer to a campaign that was made remembered.
    pub(in crate::store) fn made(&mut self, campaign: &StoredCampaign, remember: Option<&Remember>) {
        if let Some(Remember { key, answer }) = remember {
            self.remember(Some(key), &answer(campaign));
        }
    }
}

/// Every key that a submission names.
pub(in crate::store) fn keys_of(submission: &Submission) -> impl Iterator<Item = &IdempotencyKey> {
    submission.key.iter().chain(submission.items.iter().filter_map(|item| item.key.as_ref()))
}

fn name(key: &IdempotencyKey) -> Name {
    (key.app.0, key.route.to_owned(), key.key.clone())
}
