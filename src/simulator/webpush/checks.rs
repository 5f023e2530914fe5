//! What push services check of a request (RFC 8030, section 5; RFC 8188, section 2).

use http::header::CONTENT_ENCODING;
use http::{HeaderMap, Method, request};

use super::answer::Refusal;
use super::open::{HEADER, POINT, SALT, Sealed, TAG};

/// Bytes of a body that must be taken (RFC 8030, 7.2); real ones take no more.
const MAX_BODY: usize = 4096;
/// Characters of a `Topic`.
const MAX_TOPIC: usize = 32;
/// Characters of a subscription's id.
const MAX_ID: usize = 256;
const URGENCIES: [&[u8]; 4] = [b"very-low", b"low", b"normal", b"high"];

/// The method and the path's last part.
pub(super) fn check_form(parts: &request::Parts, id: &str) -> Result<(), Refusal> {
    if !is_id(id) {
        return Err(Refusal::Path);
    }
    if parts.method == Method::POST { Ok(()) } else { Err(Refusal::Method) }
}

/// Whether a subscription may be called so.
pub(super) fn is_id(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// `TTL`, `Urgency`, `Topic`, `Content-Encoding`.
pub(super) fn check_headers(headers: &HeaderMap) -> Result<(), Refusal> {
    let value = |name: &str| headers.get(name).map(http::HeaderValue::as_bytes);
    let ttl = value("ttl").ok_or(Refusal::NoTtl)?;
    if ttl.is_empty() || ttl.len() > 10 || !ttl.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::Header("Invalid TTL header"));
    }
    if value("urgency").is_some_and(|urgency| !URGENCIES.contains(&urgency)) {
        return Err(Refusal::Header("Invalid Urgency header"));
    }
    let is_plain = |topic: &[u8]| topic.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte));
    if value("topic").is_some_and(|topic| topic.is_empty() || topic.len() > MAX_TOPIC || !is_plain(topic)) {
        return Err(Refusal::Topic);
    }
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if encoding == "aes128gcm" => Ok(()),
        Some(_) | None => Err(Refusal::Sealed("Invalid Content-Encoding header")),
    }
}

/// The parts of a body of one record.
pub(super) fn check_body(body: &[u8]) -> Result<Sealed<'_>, Refusal> {
    if body.len() > MAX_BODY {
        return Err(Refusal::TooLarge);
    }
    let odd = Refusal::Sealed("Invalid aes128gcm body");
    let (head, record) = body.split_at_checked(HEADER).ok_or(odd)?;
    let (salt, rest) = head.split_first_chunk::<SALT>().ok_or(odd)?;
    let (record_size, rest) = rest.split_first_chunk::<4>().ok_or(odd)?;
    let (length, point) = rest.split_first().ok_or(odd)?;
    let fits = u32::from_be_bytes(*record_size) as usize >= record.len();
    if usize::from(*length) != POINT || !fits || record.len() <= TAG {
        return Err(odd);
    }
    Ok(Sealed { salt, point, record })
}
