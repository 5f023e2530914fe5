//! A message as bytes with holes: what is each device's is filled in when it is sent.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Map, Value};

use crate::domain::Timestamp;
use crate::domain::device::PushToken;
use crate::providers::{BroadcastPush, Piece, Push};

/// Stands in the message where a hole will be; a caller's override at the same place removes it.
pub(super) const HOLE: &str = "\u{0}hole";

/// Where holes can be, what surrounds the digits there, and which.
const HOLES: [(&str, &str, Piece, &str); 3] = [
    ("/android/ttl", "\"", Piece::SecondsLeft, "s\""),
    ("/webpush/headers/TTL", "\"", Piece::SecondsLeft, "\""),
    ("/apns/headers/apns-expiration", "\"", Piece::ExpiresAt, "\""),
];
/// FCM's longest life, in seconds.
const LONGEST: i64 = 2_419_200;

/// The body of a send: `{"message":{<address>,…}}`.
pub(super) fn splice(message: &Map<String, Value>) -> Arc<[Piece]> {
    let mut writer = Writer::begin();
    writer.hole(Piece::Address);
    writer.rest(message)
}

/// The body of a broadcast: `{"message":{"topic":"…",…}}`, since where it goes is the same for all its sends.
pub(super) fn splice_to((name, destination): (&str, &str), message: &Map<String, Value>) -> Arc<[Piece]> {
    let mut writer = Writer::begin();
    writer.member(name, &Value::from(destination), "");
    writer.rest(message)
}

struct Writer {
    pieces: Vec<Piece>,
    text: String,
}

impl Writer {
    fn begin() -> Self {
        Self { pieces: Vec::with_capacity(5), text: "{\"message\":{".to_owned() }
    }

    /// The members after the first.
    fn rest(mut self, message: &Map<String, Value>) -> Arc<[Piece]> {
        self.text.reserve(512);
        for (name, value) in message {
            self.text.push(',');
            self.member(name, value, "");
        }
        self.text.push_str("}}");
        self.finish()
    }

    fn member(&mut self, name: &str, value: &Value, parent: &str) {
        self.json(&Value::from(name));
        self.text.push(':');
        self.value(value, &format!("{parent}/{name}"));
    }

    fn value(&mut self, value: &Value, path: &str) {
        if let (Value::String(text), Some((_, before, piece, after))) = (value, HOLES.iter().find(|hole| hole.0 == path))
            && text == HOLE
        {
            self.text.push_str(before);
            self.hole(piece.clone());
            self.text.push_str(after);
            return;
        }
        match value {
            Value::Object(members) if leads_to_hole(path) => {
                self.text.push('{');
                for (place, (name, value)) in members.iter().enumerate() {
                    if place > 0 {
                        self.text.push(',');
                    }
                    self.member(name, value, path);
                }
                self.text.push('}');
            }
            _ => self.json(value),
        }
    }

    fn json(&mut self, value: &Value) {
        self.text.push_str(&value.to_string());
    }

    fn hole(&mut self, piece: Piece) {
        let text = std::mem::take(&mut self.text);
        self.pieces.push(Piece::Shared(Bytes::from(text)));
        self.pieces.push(piece);
    }

    fn finish(mut self) -> Arc<[Piece]> {
        self.pieces.push(Piece::Shared(Bytes::from(self.text)));
        self.pieces.into()
    }
}

fn leads_to_hole(path: &str) -> bool {
    HOLES.iter().any(|hole| hole.0.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
}

/// The body for one device. `None` if the token is no FCM address.
pub(super) fn fill(pieces: &[Piece], push: &Push) -> Option<Bytes> {
    let (name, address) = match &push.token {
        PushToken::Fcm(token) => ("token", token.as_str()),
        PushToken::FcmFid(fid) => ("fid", fid.as_str()),
        PushToken::Apns(_) | PushToken::Webpush { .. } => return None,
    };
    write(pieces, Some((name, address)), (push.expires_at, push.now))
}

/// The body of a broadcast. `None` if it is one for a device.
pub(super) fn fill_broadcast(pieces: &[Piece], push: &BroadcastPush) -> Option<Bytes> {
    write(pieces, None, (push.expires_at, push.now))
}

fn write(pieces: &[Piece], address: Option<(&str, &str)>, (expires_at, now): (Option<Timestamp>, Timestamp)) -> Option<Bytes> {
    let shared: usize = pieces.iter().map(|piece| if let Piece::Shared(bytes) = piece { bytes.len() } else { 16 }).sum();
    let mut body = BytesMut::with_capacity(shared + address.map_or(0, |(_, address)| address.len()) + 16);
    for piece in pieces {
        match piece {
            Piece::Shared(bytes) => body.put_slice(bytes),
            Piece::Address => {
                let (name, address) = address?;
                write!(body, "\"{name}\":").ok()?;
                serde_json::to_writer((&mut body).writer(), address).ok()?;
            }
            Piece::SecondsLeft => write!(body, "{}", seconds_left(expires_at, now)).ok()?,
            Piece::ExpiresAt => write!(body, "{}", expires_at.map_or(0, |instant| instant.timestamp().max(0))).ok()?,
        }
    }
    Some(body.freeze())
}

fn seconds_left(expires_at: Option<Timestamp>, now: Timestamp) -> i64 {
    expires_at.map_or(0, |instant| (instant - now).num_seconds().clamp(0, LONGEST))
}
