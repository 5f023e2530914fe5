//! The records of an import, in fuzzing.

use chrono::DateTime;

use super::decode::{Decoder, Format};
use super::line::registration;
use crate::domain::records::{MAX_RECORD, Records, Shape};

/// A file of any format, cut into records, whose each is a registration or refused. The first byte says which format and shape.
pub fn import(bytes: &[u8]) {
    let Some((kind, file)) = bytes.split_first() else { return };
    let format = [Format::Herald, Format::Onesignal, Format::Pinpoint][usize::from(kind % 3)];
    let shape = if kind & 4 == 0 { Shape::Lines } else { Shape::Csv };
    let mut decoder = Decoder::new(format, shape);
    let mut records = Records::new(shape);
    records.push(file);
    records.end();
    while let Some(record) = records.next_record() {
        let Ok(text) = record.text else { continue };
        assert!(text.len() <= MAX_RECORD);
        if decoder.wants_header() {
            if decoder.take_header(&text).is_err() {
                return;
            }
            continue;
        }
        let judged =
            decoder.read(&text).and_then(|reading| registration(reading, DateTime::UNIX_EPOCH, &|endpoint| endpoint.is_ordinary()));
        match judged {
            Ok((name, _)) => assert!(crate::domain::name::check_device_id(&name).is_ok()),
            Err(problem) => assert!(problem.code().status().is_client_error(), "{problem:?}"),
        }
    }
}
