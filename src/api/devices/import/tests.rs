use futures_util::stream;

use super::*;

async fn lines(pieces: Vec<&'static [u8]>) -> Vec<(u64, Option<Bytes>)> {
    let body = Body::from_stream(stream::iter(pieces.into_iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece)))));
    let mut lines = Lines::new(body, Duration::from_secs(1));
    let mut found = Vec::new();
    while let Some((number, line)) = lines.next().await.unwrap() {
        found.push((number, if let Line::Whole(bytes) = line { Some(bytes) } else { None }));
    }
    found
}

#[tokio::test]
async fn lines_do_not_end_where_pieces_do() {
    let whole = |number, text: &'static str| (number, Some(Bytes::from_static(text.as_bytes())));
    assert_eq!(lines(vec![b"a", b"b\nc", b"", b"\n\nd"]).await, [whole(1, "ab"), whole(2, "c"), whole(3, ""), whole(4, "d")]);
    assert_eq!(lines(vec![b"a\n"]).await, [whole(1, "a")]);
    assert_eq!(lines(vec![]).await, []);
}

#[tokio::test]
async fn a_long_line_is_passed_over_without_being_held() {
    static LONG: [u8; 3 * MAX_LINE] = [b'x'; 3 * MAX_LINE];
    let found = lines(vec![b"a\n", &LONG, &LONG, b"\nb\n", &LONG]).await;
    let kinds: Vec<_> = found.iter().map(|(number, line)| (*number, line.is_some())).collect();
    assert_eq!(kinds, [(1, true), (2, false), (3, true), (4, false)]);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error() {
    let body = Body::from_stream(stream::iter([Ok(Bytes::from_static(b"a\nb")), Err(std::io::Error::other("gone"))]));
    let mut lines = Lines::new(body, Duration::from_secs(1));
    assert!(lines.next().await.unwrap().is_some());
    assert_eq!(lines.next().await.err().map(|problem| problem.code()), Some(Code::BadRequest));
    let stalled = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let slow = Lines::new(stalled, Duration::from_millis(5)).next().await;
    assert_eq!(slow.err().map(|problem| problem.code()), Some(Code::RequestTimeout));
}
