//! HTTP/2 frame by frame (RFC 9113, 4 and 6).

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use crate::daemon::{DEV_KEY, PATIENCE};

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// `:status: 200`, which answers begin with (RFC 7541, appendix A).
const OK: u8 = 0x88;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A literal field that is not indexed (RFC 7541, 6.2.2).
pub(super) fn field(name: &str, value: &str) -> Vec<u8> {
    [&[0][..], &text(name), &text(value)].concat()
}

fn text(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let length = text.len();
    if length < 127 {
        out.push(u8::try_from(length).unwrap());
    } else {
        out.push(127);
        let mut rest = length - 127;
        while rest >= 128 {
            out.push(u8::try_from(rest % 128).unwrap() | 128);
            rest /= 128;
        }
        out.push(u8::try_from(rest).unwrap());
    }
    [out, text.as_bytes().to_vec()].concat()
}

/// The fields of a request with the test's key.
pub(super) fn request(method: &str, path: &str) -> Vec<u8> {
    let key = format!("Bearer {DEV_KEY}");
    [field(":method", method), field(":scheme", "http"), field(":path", path), field(":authority", "herald"), field("authorization", &key)]
        .concat()
}

/// A whole GET.
pub(super) fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &request("GET", path))
}

/// A connection.
pub(super) struct Wire {
    reader: Reader,
    writer: Writer,
}

pub(super) struct Reader {
    half: OwnedReadHalf,
    held: Vec<u8>,
}

pub(super) struct Writer(OwnedWriteHalf);

/// A frame that came.
struct Frame {
    kind: u8,
    payload: Vec<u8>,
}

impl Wire {
    /// One with these settings.
    pub(super) async fn open(address: &str, settings: &[u8]) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), settings).await
    }

    /// The same, on a connection that there is.
    pub(super) async fn over(stream: TcpStream, settings: &[u8]) -> Self {
        let (half, mut writer) = stream.into_split();
        writer.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, settings)].concat()).await.unwrap();
        Self { reader: Reader { half, held: Vec::new() }, writer: Writer(writer) }
    }

    pub(super) fn split(self) -> (Reader, Writer) {
        (self.reader, self.writer)
    }

    /// Sends; whether the daemon took it all.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> bool {
        self.writer.send(bytes).await
    }

    /// Reads until the daemon answers, refuses a stream or ends the connection: `answer`, `reset 7`, `goaway 11`, `closed`.
    pub(super) async fn verdict(&mut self) -> String {
        timeout(PATIENCE, self.told()).await.expect("something comes, or the end")
    }

    async fn told(&mut self) -> String {
        loop {
            match self.reader.next().await {
                None => return "closed".to_owned(),
                Some(Frame { kind: HEADERS, .. }) => return "answer".to_owned(),
                Some(Frame { kind: RST_STREAM, payload }) => return format!("reset {}", payload[3]),
                Some(Frame { kind: GOAWAY, payload }) => return format!("goaway {}", payload[7]),
                Some(_) => {}
            }
        }
    }

    /// Reads the heads of so many answers; how many of them are 200.
    pub(super) async fn good_of(&mut self, answers: usize) -> usize {
        let heads = async {
            let (mut come, mut good) = (0, 0);
            while come < answers {
                let frame = self.reader.next().await.expect("the connection goes on");
                if frame.kind == HEADERS {
                    come += 1;
                    good += usize::from(frame.payload[0] == OK);
                }
            }
            good
        };
        timeout(PATIENCE, heads).await.expect("an answer to each")
    }

    /// Answers each PING, as one who lives, until the connection ends; whether it does.
    pub(super) async fn is_left(&mut self) -> bool {
        let end = async {
            while let Some(came) = self.reader.next().await {
                if came.kind == PING {
                    self.writer.send(&frame(PING, ACK, 0, &came.payload)).await;
                }
            }
        };
        timeout(PATIENCE, end).await.is_ok()
    }
}

impl Writer {
    /// Sends; whether the daemon took it all.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> bool {
        matches!(timeout(PATIENCE, self.0.write_all(bytes)).await, Ok(Ok(())))
    }
}

impl Reader {
    /// Takes what comes; `false` at the end, or once the daemon says that it has enough.
    pub(super) async fn goes_on(&mut self) -> bool {
        self.next().await.is_some_and(|frame| frame.kind != GOAWAY)
    }

    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.taken() {
                return Some(frame);
            }
            let mut piece = vec![0; 16 * 1024];
            match self.half.read(&mut piece).await {
                Ok(length @ 1..) => self.held.extend_from_slice(&piece[..length]),
                _ => return None,
            }
        }
    }

    fn taken(&mut self) -> Option<Frame> {
        let head: [u8; 9] = self.held.get(..9)?.try_into().unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        if self.held.len() < 9 + length {
            return None;
        }
        let payload = self.held[9..9 + length].to_vec();
        self.held.drain(..9 + length);
        Some(Frame { kind: head[3], payload })
    }
}
