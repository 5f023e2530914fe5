//! A peer whose every frame a test writes itself: HTTP/2 libraries will not misbehave as servers do.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::super::wire::Transport;
use crate::providers::testing::Authority;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// HPACK: the static table's `:status: 200`.
const STATUS_200: u8 = 0x88;

pub(super) const REFUSED_STREAM: u32 = 7;
pub(super) const CANCEL: u32 = 8;
pub(super) const INTERNAL_ERROR: u32 = 2;

/// A listening peer.
pub(super) struct Peer {
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
}

/// What a connection received that a test asks about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A whole request, on this stream.
    Request(u32),
    /// `RST_STREAM`: the stream and the code.
    Reset(u32, u32),
    /// A PING that asks for an answer; none was given yet.
    Ping([u8; 8]),
    /// GOAWAY.
    GoAway,
    /// The end of the connection.
    End,
}

/// One accepted connection.
pub(super) struct Link {
    io: Box<dyn Transport>,
}

impl Peer {
    pub(super) async fn bind(authority: &Authority) -> Self {
        Self::bind_to("127.0.0.1:0".parse().unwrap(), authority, "h2").await
    }

    pub(super) async fn bind_to(address: SocketAddr, authority: &Authority, alpn: &str) -> Self {
        Self { listener: TcpListener::bind(address).await.unwrap(), acceptor: Some(authority.acceptor(alpn)) }
    }

    /// Without TLS.
    pub(super) async fn bind_plain() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap(), acceptor: None }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    pub(super) fn url(&self) -> String {
        format!("https://{}", self.address())
    }

    /// A connection up to the client's preface, with SETTINGS that allow `streams`.
    pub(super) async fn accept(&self, streams: u32) -> Link {
        let (tcp, _) = self.listener.accept().await.unwrap();
        let mut link = Link { io: self.encrypt(tcp).await.unwrap() };
        let mut preface = [0; 24];
        link.io.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        link.allow(streams).await;
        link
    }

    async fn encrypt(&self, tcp: TcpStream) -> std::io::Result<Box<dyn Transport>> {
        match &self.acceptor {
            Some(acceptor) => Ok(Box::new(acceptor.accept(tcp).await?)),
            None => Ok(Box::new(tcp)),
        }
    }

    /// A TLS handshake that the client breaks off, now or when it has seen the protocol.
    pub(super) async fn accept_and_fail(&self) {
        let (tcp, _) = self.listener.accept().await.unwrap();
        if let Ok(mut io) = self.encrypt(tcp).await {
            assert_eq!(io.read(&mut [0]).await.unwrap_or(0), 0);
        }
    }

    /// The TCP connection only.
    pub(super) async fn accept_and_cut(&self) {
        drop(self.listener.accept().await.unwrap());
    }
}

impl Link {
    /// `SETTINGS_MAX_CONCURRENT_STREAMS`.
    pub(super) async fn allow(&mut self, streams: u32) {
        let mut payload = vec![0, 3];
        payload.extend_from_slice(&streams.to_be_bytes());
        self.write(SETTINGS, 0, 0, &payload).await;
    }

    /// 200 without a body.
    pub(super) async fn answer(&mut self, stream: u32) {
        self.write(HEADERS, END_HEADERS | END_STREAM, stream, &[STATUS_200]).await;
    }

    /// 200 with the pieces of a body.
    pub(super) async fn answer_with(&mut self, stream: u32, pieces: &[&[u8]]) {
        self.write(HEADERS, END_HEADERS, stream, &[STATUS_200]).await;
        for piece in pieces {
            self.write(DATA, 0, stream, piece).await;
        }
        self.write(DATA, END_STREAM, stream, &[]).await;
    }

    /// The head of an answer whose body never comes.
    pub(super) async fn begin_answer(&mut self, stream: u32) {
        self.write(HEADERS, END_HEADERS, stream, &[STATUS_200]).await;
    }

    pub(super) async fn reset(&mut self, stream: u32, code: u32) {
        self.write(RST_STREAM, 0, stream, &code.to_be_bytes()).await;
    }

    pub(super) async fn go_away(&mut self, last: u32) {
        let mut payload = last.to_be_bytes().to_vec();
        payload.extend_from_slice(&0_u32.to_be_bytes());
        payload.extend_from_slice(br#"{"reason":"Shutdown"}"#);
        self.write(GOAWAY, 0, 0, &payload).await;
    }

    pub(super) async fn pong(&mut self, payload: [u8; 8]) {
        self.write(PING, ACK, 0, &payload).await;
    }

    /// The next thing of interest. Acknowledges SETTINGS on the way; never sees a PRIORITY frame.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            let mut head = [0; 9];
            if self.io.read_exact(&mut head).await.is_err() {
                return Event::End;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let (kind, flags) = (head[3], head[4]);
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let mut payload = vec![0; length as usize];
            self.io.read_exact(&mut payload).await.unwrap();
            match kind {
                HEADERS | DATA if flags & END_STREAM != 0 => return Event::Request(stream),
                SETTINGS if flags & ACK == 0 => self.write(SETTINGS, ACK, 0, &[]).await,
                HEADERS | DATA | WINDOW_UPDATE | SETTINGS => {}
                PING if flags & ACK == 0 => return Event::Ping(payload.try_into().unwrap()),
                RST_STREAM => return Event::Reset(stream, u32::from_be_bytes(payload.try_into().unwrap())),
                GOAWAY => return Event::GoAway,
                _ => panic!("frame of type {kind}"),
            }
        }
    }

    pub(super) async fn request(&mut self) -> u32 {
        match self.next_but_ping().await {
            Event::Request(stream) => stream,
            other => panic!("{other:?} instead of a request"),
        }
    }

    /// The next thing that is no PING; those are answered.
    pub(super) async fn next_but_ping(&mut self) -> Event {
        loop {
            match self.next().await {
                Event::Ping(payload) => self.pong(payload).await,
                other => return other,
            }
        }
    }

    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend_from_slice(&[kind, flags]);
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        // a client that has gone is what some tests are about
        drop(self.io.write_all(&frame).await);
        drop(self.io.flush().await);
    }
}
