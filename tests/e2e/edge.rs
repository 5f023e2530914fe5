//! What stands before the API: TLS, the address for metrics, header fields, and limits.

use std::path::Path;

use reqwest::{Certificate, StatusCode};

use crate::daemon::{Client, Dev, Simulator, herald, until};

/// Writes a new certificate of 127.0.0.1 and its key; the certificate.
fn write_certificate(folder: &Path) -> Certificate {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.join("tls.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
    Certificate::from_pem(made.cert.pem().as_bytes()).unwrap()
}

/// Who trusts this certificate and no other.
fn trusting(certificate: &Certificate) -> reqwest::Client {
    reqwest::Client::builder().tls_certs_only([certificate.clone()]).build().unwrap()
}

#[tokio::test]
async fn tls_is_served_and_a_new_certificate_taken_over() {
    let simulator = Simulator::start();
    let folder = simulator.dir.path();
    let first = write_certificate(folder);
    let (certificate, key) = (folder.join("tls.pem"), folder.join("tls.key"));
    let tls = [("HERALD__SERVER__TLS__CERT_FILE", certificate.to_str().unwrap()), ("HERALD__SERVER__TLS__KEY_FILE", key.to_str().unwrap())];
    let daemon = simulator.serve(&tls);
    assert!(daemon.url.starts_with("https://"), "{}", daemon.url);
    let health = format!("{}/health", daemon.url);
    let old = trusting(&first);
    let answer = old.get(&health).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");

    std::fs::write(&key, "no key").unwrap();
    let check = herald().args(["check", "--config"]).arg(simulator.config()).envs(tls).output().unwrap();
    let said = String::from_utf8_lossy(&check.stdout).into_owned() + &String::from_utf8_lossy(&check.stderr);
    assert!(!check.status.success() && said.contains("server.tls"), "{said}");
    let second = write_certificate(folder);
    daemon.signal("HUP");
    until("the new certificate is shown", async || trusting(&second).get(&health).send().await.ok()).await;
    assert!(trusting(&first).get(&health).send().await.is_err(), "newcomers see the new one");
    assert_eq!(old.get(&health).send().await.unwrap().status(), 200, "who is there goes on");
}

#[tokio::test]
async fn metrics_have_an_address_of_their_own() {
    // a port that is free for now
    let admin = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dev = Dev::start_with(&[("HERALD__SERVER__ADMIN_LISTEN", &admin.to_string())]);
    dev.get("/metrics").await.problem(404, "not_found");
    dev.get("/health").await.expect(200);
    let there = Client::new(&format!("http://{admin}"), "");
    assert!(there.get("/metrics").await.expect(200).as_str().unwrap().contains("herald_connections"));
    there.get("/v1/devices").await.problem(404, "not_found");
}

#[tokio::test]
async fn answers_tell_browsers_what_not_to_do() {
    let dev = Dev::start();
    let answer = dev.get("/v1/devices").await;
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("cache-control", "no-store"),
        ("strict-transport-security", ""),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    assert!(answer.header("ratelimit-policy").starts_with("\"per_key\";q=4000;w=2"));
    let page = dev.get("/docs/").await;
    assert!(page.status.is_success() && page.header("content-security-policy").contains("script-src 'self'"), "{page:?}");
}

#[tokio::test]
async fn keys_cannot_be_guessed_at_speed() {
    let dev = Dev::start_with(&[("HERALD__LIMITS__PER_ADDRESS", "2/m")]);
    let mut answers = Vec::new();
    for guess in 0..10 {
        answers.push(dev.with_key(&format!("herald_guess{guess}")).get("/v1/devices").await);
    }
    let refused = answers.iter().filter(|answer| answer.status == 429).count();
    assert!(answers.iter().all(|answer| [401, 429].contains(&answer.status.as_u16())) && refused >= 6, "{answers:?}");
    let last = answers.pop().unwrap();
    assert!(last.header("retry-after").parse::<u64>().unwrap() >= 1, "{last:?}");
    last.problem(429, "rate_limited");
    dev.get("/v1/devices").await.expect(200);
}
