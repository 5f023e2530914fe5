//! Whom an audience takes, where it is told by what devices are and not by their names.

use std::sync::Arc;

use super::Member;
use crate::domain::Timestamp;
use crate::domain::segment::Segment;

/// Which active devices of an app are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Those that follow this topic, themselves or through their user. Nobody follows a topic that is not there.
    pub topic: Option<String>,
    /// Those that all of these mean.
    pub segments: Vec<Arc<Segment>>,
    /// When the audience is taken: what segments count days from.
    pub as_of: Timestamp,
}

impl Selection {
    /// All of them.
    pub fn everyone(as_of: Timestamp) -> Self {
        Self { topic: None, segments: Vec::new(), as_of }
    }

    /// Whether it takes every device.
    pub fn is_everyone(&self) -> bool {
        self.topic.is_none() && self.segments.is_empty()
    }

    /// What it asks of one device, in conditions.
    pub fn conditions(&self) -> usize {
        self.segments.iter().map(|segment| segment.leaves()).sum()
    }
}

/// Of the devices that are named, only those that a segment means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Only {
    /// The segment.
    pub segment: Arc<Segment>,
    /// What it counts days from.
    pub as_of: Timestamp,
}

/// A part of an app's devices, in ascending order, as an audience takes them.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// The active ones that are taken.
    pub devices: Vec<Member>,
    /// The last device looked at, taken or not.
    pub to: i64,
    /// There is nothing beyond.
    pub last: bool,
}
