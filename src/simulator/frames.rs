//! As much of HTTP/2 framing (RFC 9113, section 4) as it takes to find where frames begin and to
//! make or change two of them.

const HEADER: usize = 9;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;

/// The debug data of a GOAWAY, as APNs sends it.
const REASON: &[u8] = br#"{"reason":"Shutdown"}"#;

/// Where in a stream of frames a writer is.
#[derive(Debug, Default)]
pub(super) struct Position {
    header: [u8; HEADER],
    /// Bytes of the header that were seen.
    seen: usize,
    /// Bytes of the payload still to come.
    payload: usize,
}

impl Position {
    /// Whether the last frame is complete.
    pub(super) fn is_between_frames(&self) -> bool {
        self.seen == 0 && self.payload == 0
    }

    /// Takes note of written bytes.
    pub(super) fn advance(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((_, after)) = self.split(rest) {
            rest = after;
        }
    }

    /// Takes note of bytes up to the end of a frame, or of all: what was taken, and the rest.
    /// Nothing when there are none.
    pub(super) fn split<'a>(&mut self, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..)
            && !rest.is_empty()
        {
            if self.payload > 0 {
                let step = self.payload.min(rest.len());
                self.payload -= step;
                taken += step;
            } else {
                taken += self.take_header(rest);
            }
            if self.is_between_frames() {
                break;
            }
        }
        (taken > 0).then(|| bytes.split_at_checked(taken)).flatten()
    }

    fn take_header(&mut self, bytes: &[u8]) -> usize {
        let missing = self.header.iter_mut().skip(self.seen);
        let step = missing.zip(bytes).map(|(to, from)| *to = *from).count();
        self.seen += step;
        if self.seen == HEADER {
            let [a, b, c, ..] = self.header;
            self.payload = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            self.seen = 0;
        }
        step
    }
}

/// Whether a whole frame is SETTINGS and no acknowledgement of the peer's.
pub(super) fn is_settings(frame: &[u8]) -> bool {
    matches!(frame, [_, _, _, SETTINGS, flags, ..] if flags & ACK == 0)
}

/// In a SETTINGS frame, turns the setting `from` into `to` with a value.
pub(super) fn rewrite_setting(frame: &mut [u8], from: u16, to: u16, value: u32) {
    let payload = frame.get_mut(HEADER..).unwrap_or_default();
    for setting in payload.chunks_exact_mut(6) {
        if let [high, low, old @ ..] = setting
            && u16::from_be_bytes([*high, *low]) == from
        {
            [*high, *low] = to.to_be_bytes();
            old.copy_from_slice(&value.to_be_bytes());
        }
    }
}

/// A GOAWAY frame without error that names the last stream it processed.
pub(super) fn goaway(last: u32) -> Vec<u8> {
    let length = u8::try_from(8 + REASON.len()).unwrap_or(u8::MAX);
    let mut frame = vec![0, 0, length, GOAWAY, 0, 0, 0, 0, 0];
    frame.extend_from_slice(&last.to_be_bytes());
    frame.extend_from_slice(&0_u32.to_be_bytes());
    frame.extend_from_slice(REASON);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Vec<u8> {
        let mut frame = vec![0, 0, 12, SETTINGS, 0, 0, 0, 0, 0];
        frame.extend_from_slice(&[0, 3, 0, 0, 3, 232]);
        frame.extend_from_slice(&[0, 4, 0, 0, 255, 255]);
        frame
    }

    #[test]
    fn positions_survive_any_split() {
        let mut bytes = settings();
        bytes.extend([0, 0, 0, SETTINGS, ACK, 0, 0, 0, 0]);
        bytes.extend(goaway(5));
        for cut in 0..bytes.len() {
            let mut position = Position::default();
            position.advance(&bytes[..cut]);
            let boundary = [0, 21, 30].contains(&cut);
            assert_eq!(position.is_between_frames(), boundary, "{cut}");
            position.advance(&bytes[cut..]);
            assert!(position.is_between_frames());
        }
    }

    #[test]
    fn frames_are_split_one_by_one() {
        let mut bytes = settings();
        bytes.extend([0, 0, 0, SETTINGS, ACK, 0, 0, 0, 0]);
        let mut position = Position::default();
        let (first, rest) = position.split(&bytes).unwrap();
        assert!(is_settings(first));
        let (second, rest) = position.split(rest).unwrap();
        assert!(!is_settings(second));
        assert!(position.split(rest).is_none());
    }

    #[test]
    fn one_setting_is_rewritten() {
        let mut frame = settings();
        rewrite_setting(&mut frame, 3, 3, 1);
        rewrite_setting(&mut frame, 4, 3, 1000);
        assert_eq!(frame[9..], [0, 3, 0, 0, 0, 1, 0, 3, 0, 0, 3, 232]);
    }

    #[test]
    fn a_goaway_names_its_last_stream() {
        let frame = goaway(7);
        assert_eq!(frame[..9], [0, 0, 29, GOAWAY, 0, 0, 0, 0, 0]);
        assert_eq!(frame[9..17], [0, 0, 0, 7, 0, 0, 0, 0]);
        assert_eq!(frame.len(), 9 + 29);
    }
}
