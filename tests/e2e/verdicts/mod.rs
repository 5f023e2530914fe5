//! What becomes of every answer that a provider documents, and of those that it does not: of the delivery, its device and the lane, as
//! callers see them.
//!
//! One table per provider, a line per answer: the answer; the delivery's status and reason; the requests that it took; the device; the lane.
//! An answer that says nothing of the lane is given on one that is known to work. Any other has a lane, and so an app, of its own, on
//! which another device is sent to afterwards: that this one is reached, or waits, is what the last column says.

mod answer;
mod apns;
mod carrier;
mod fcm;
mod row;
mod stage;
mod webpush;
