use std::net::SocketAddr;

use axum::routing::get;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

struct Running {
    address: SocketAddr,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

async fn start(header_timeout_seconds: u64) -> Running {
    start_with(header_timeout_seconds, None).await
}

async fn start_with(header_timeout_seconds: u64, tls: Option<Arc<Tls>>) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        "done"
    };
    let router = Router::new().route("/", get(|| async { "hello" })).route("/slow", get(slow));
    let settings = Settings { header_timeout_seconds, ..Settings::default() };
    let (cancel, tasks) = (CancellationToken::new(), TaskTracker::new());
    tasks.spawn(serve(Door { listener, tls }, router, settings, cancel.clone(), tasks.clone()));
    tasks.close();
    Running { address, cancel, tasks }
}

async fn ask(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // a connection that is left with something unread ends in a reset
    drop(stream.read_to_string(&mut answer).await);
    answer
}

#[tokio::test]
async fn both_versions_of_http_are_served() {
    let running = start(15).await;
    let answer = ask(running.address, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");

    let stream = TcpStream::connect(running.address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let driver = TaskTracker::new().spawn(connection);
    let request = http::Request::get(format!("http://{}/", running.address)).body(()).unwrap();
    let response = client.send_request(request, true).unwrap().0.await.unwrap();
    assert_eq!(response.status(), 200);
    driver.abort();
}

#[tokio::test]
async fn a_caller_who_says_nothing_is_left() {
    let running = start(1).await;
    for text in ["", "GET / HT", "PRI * HTTP/2"] {
        let ended = tokio::time::timeout(Duration::from_secs(5), ask(running.address, text)).await;
        assert!(ended.is_ok(), "{text:?} was waited for");
    }
}

#[tokio::test]
async fn the_end_waits_for_what_is_under_way() {
    let running = start(15).await;
    let idle = TcpStream::connect(running.address).await.unwrap();
    let address = running.address;
    let asked = TaskTracker::new().spawn(ask(address, "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n"));
    tokio::time::sleep(Duration::from_millis(50)).await;
    running.cancel.cancel();
    tokio::time::timeout(Duration::from_secs(5), running.tasks.wait()).await.unwrap();
    assert!(asked.await.unwrap().ends_with("done"));
    assert!(TcpStream::connect(address).await.is_err(), "nothing listens any more");
    drop(idle);
}

/// What a client sees that trusts this certificate alone and offers these protocols: the one that was chosen, and the answer to a request
/// of HTTP/1.1.
async fn ask_securely(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    offered: &[&[u8]],
) -> std::io::Result<(Option<Vec<u8>>, String)> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    let mut config = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await?;
    let chosen = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    let mut answer = String::new();
    if chosen.as_deref() != Some(b"h2") {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
        drop(stream.read_to_string(&mut answer).await);
    }
    Ok((chosen, answer))
}

#[tokio::test]
async fn tls_is_spoken_and_its_certificate_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key, first) = tls::tests::write(&folder, "first");
    let tls = Arc::new(Tls::load(&certificate, &key).unwrap());
    let running = start_with(15, Some(Arc::clone(&tls))).await;
    let (chosen, answer) = ask_securely(running.address, &first, &[b"http/1.1"]).await.unwrap();
    assert_eq!(chosen.as_deref(), Some(&b"http/1.1"[..]));
    assert!(answer.ends_with("hello"), "{answer}");
    assert_eq!(ask_securely(running.address, &first, &[b"h2", b"http/1.1"]).await.unwrap().0.as_deref(), Some(&b"h2"[..]));
    assert!(ask_securely(running.address, &first, &[]).await.unwrap().1.ends_with("hello"));
    assert!(!ask(running.address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.contains("hello"), "nothing is said without TLS");

    let (certificate, key, second) = tls::tests::write(&folder, "second");
    assert!(tls.reload(&certificate, &folder.path().join("none")).is_err());
    assert!(ask_securely(running.address, &first, &[]).await.is_ok(), "a fault changes nothing");
    tls.reload(&certificate, &key).unwrap();
    assert!(ask_securely(running.address, &first, &[]).await.is_err());
    assert!(ask_securely(running.address, &second, &[]).await.unwrap().1.ends_with("hello"));
}

#[tokio::test]
async fn who_does_not_shake_hands_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key, _) = tls::tests::write(&folder, "one");
    let running = start_with(1, Some(Arc::new(Tls::load(&certificate, &key).unwrap()))).await;
    for text in ["", "\x16\x03\x01"] {
        let ended = tokio::time::timeout(Duration::from_secs(5), ask(running.address, text)).await;
        assert!(ended.is_ok(), "{text:?} was waited for");
    }
}

#[tokio::test]
async fn one_host_is_named() {
    let running = start(15).await;
    for hosts in ["", "host: a\r\nhost: b\r\n"] {
        let answer = ask(running.address, &format!("GET / HTTP/1.1\r\n{hosts}connection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("bad_request"), "{answer}");
    }
    let answer = ask(running.address, "GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
}
