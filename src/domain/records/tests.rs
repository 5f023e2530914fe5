use proptest::prelude::*;

use super::*;

/// Lines and texts of what is cut when it comes in pieces of these lengths, over and over.
fn cut(shape: Shape, text: &[u8], lengths: &[usize]) -> Vec<(u64, Result<Bytes, Fault>)> {
    let mut records = Records::new(shape);
    let mut found = Vec::new();
    let mut rest = text;
    let mut drain = |records: &mut Records| {
        while let Some(record) = records.next_record() {
            found.push((record.line, record.text));
        }
    };
    for length in lengths.iter().cycle() {
        let (piece, more) = rest.split_at(rest.len().min(*length));
        records.push(piece);
        drain(&mut records);
        rest = more;
        if rest.is_empty() {
            break;
        }
    }
    records.end();
    drain(&mut records);
    assert_eq!(records.consumed(), u64::try_from(text.len()).unwrap(), "all of it is behind");
    found
}

fn whole(records: &[(u64, &'static str)]) -> Vec<(u64, Result<Bytes, Fault>)> {
    records.iter().map(|(line, text)| (*line, Ok(Bytes::from_static(text.as_bytes())))).collect()
}

#[test]
fn records_end_where_their_shape_says() {
    let cases = [
        (Shape::Lines, b"".as_slice(), vec![]),
        (Shape::Lines, b"a\nb\r\n\nc".as_slice(), vec![(1, "a"), (2, "b"), (3, ""), (4, "c")]),
        (Shape::Lines, b"\"a\nb\"\n".as_slice(), vec![(1, "\"a"), (2, "b\"")]),
        (Shape::Lines, b"\xef\xbb\xbfa\n".as_slice(), vec![(1, "a")]),
        (Shape::Csv, b"\xef\xbb\xbfa,b\r\n1,2".as_slice(), vec![(1, "a,b"), (2, "1,2")]),
        (Shape::Csv, b"\"a\nb\",c\nd\n".as_slice(), vec![(1, "\"a\nb\",c"), (3, "d")]),
        (Shape::Csv, b"\"a\"\"\nb\"\nc\n".as_slice(), vec![(1, "\"a\"\"\nb\""), (3, "c")]),
        (Shape::Csv, b"a\"b\nc\n".as_slice(), vec![(1, "a\"b"), (2, "c")]),
        (Shape::Csv, b"a,\"b\r\nc\"\r\n\r\nd\r\n".as_slice(), vec![(1, "a,\"b\r\nc\""), (3, ""), (4, "d")]),
    ];
    for (shape, text, expected) in cases {
        for length in [1, 2, 3, 100] {
            assert_eq!(cut(shape, text, &[length]), whole(&expected), "{:?} in pieces of {length}", text.escape_ascii().to_string());
        }
    }
}

#[test]
fn a_long_line_is_passed_over_without_being_held() {
    let long = vec![b'x'; 3 * MAX_RECORD];
    let text = [b"a\n".as_slice(), &long, b"\nb\n", &long].concat();
    for shape in [Shape::Lines, Shape::Csv] {
        let found = cut(shape, &text, &[1000]);
        let kinds: Vec<_> = found.iter().map(|(line, text)| (*line, text.as_ref().err().copied())).collect();
        assert_eq!(kinds, [(1, None), (2, Some(Fault::TooLong)), (3, None), (4, Some(Fault::TooLong))]);
    }
    let all_at_once = cut(Shape::Csv, &text, &[text.len()]);
    assert_eq!(all_at_once[1], (2, Err(Fault::TooLong)), "however much is held of what follows");
    let fits = [vec![b'x'; MAX_RECORD], b"\n".to_vec()].concat();
    assert!(cut(Shape::Lines, &fits, &[fits.len()])[0].1.is_ok());
}

#[test]
fn a_quote_that_is_never_closed_costs_one_line() {
    let rows = "c,d\n".repeat(MAX_RECORD / 2);
    for text in [format!("a,b\n\"open,b\n{rows}"), "a,b\n\"open,b\nc,d\n".to_owned(), "a,b\n\"open".to_owned()] {
        let found = cut(Shape::Csv, text.as_bytes(), &[777]);
        assert_eq!(found[1], (2, Err(Fault::Unclosed)));
        assert_eq!(found.len(), text.lines().count(), "the others are read");
        assert_eq!(found.iter().filter(|(_, text)| text.is_err()).count(), 1);
    }
}

/// Lines that open a quote, whatever came before, must not cost a look at all that may follow for each.
#[test]
fn after_many_open_quotes_a_row_ends_with_its_line() {
    let open = "b\",\"\n";
    let text = open.repeat(200_000) + "c,d\n";
    let found = cut(Shape::Csv, text.as_bytes(), &[16_384]);
    assert_eq!(found.len(), 200_001);
    assert!(found[..200_000].iter().all(|(_, text)| *text == Err(Fault::Unclosed)));
    assert_eq!(found.last(), Some(&(200_001, Ok(Bytes::from_static(b"c,d")))));

    let text = open.repeat(20_000) + "e,\"f\ng\"\nh,i\n";
    let found = cut(Shape::Csv, text.as_bytes(), &[16_384]);
    let wrong = found.iter().filter(|(_, text)| text.is_err()).count();
    assert_eq!((found.len(), wrong), (20_003, 20_001), "the row over two lines is none any more");
}

proptest! {
    /// Where the pieces end makes no difference, and no more is held than one record and a piece.
    #[test]
    fn pieces_make_no_difference(text in "[ab,\"\r\n\u{feff}]{0,200}", lengths in prop::collection::vec(1_usize..20, 1..5)) {
        for shape in [Shape::Lines, Shape::Csv] {
            prop_assert_eq!(cut(shape, text.as_bytes(), &lengths), cut(shape, text.as_bytes(), &[text.len().max(1)]));
        }
    }

    /// Going on behind a record gives what would have followed.
    #[test]
    fn it_goes_on_where_it_stopped(text in "[ab,\"\n]{0,100}") {
        for shape in [Shape::Lines, Shape::Csv] {
            let mut first = Records::new(shape);
            first.push(text.as_bytes());
            first.end();
            let mut behind = Vec::new();
            while first.next_record().is_some() {
                behind.push((first.consumed(), first.next_line()));
            }
            let all = cut(shape, text.as_bytes(), &[1000]);
            for (place, (consumed, line)) in behind.into_iter().enumerate() {
                let mut rest = Records::at(shape, consumed, line);
                rest.push(&text.as_bytes()[usize::try_from(consumed).unwrap()..]);
                rest.end();
                let found: Vec<_> = std::iter::from_fn(|| rest.next_record()).map(|record| (record.line, record.text)).collect();
                prop_assert_eq!(&found, &all[place + 1..]);
            }
        }
    }
}
