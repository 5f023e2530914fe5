//! An entry as a stream holds it: `targets` and `work`, which is `APP/NOTIFICATION/WORK`. References only, never content.

use uuid::Uuid;

use super::super::{Entry, Taken};
use crate::domain::id::{AppId, NotificationId, WorkId};
use crate::domain::work::{Stream, WorkKey};

/// The field `work`.
pub(super) fn work_field(key: &WorkKey) -> String {
    format!("{}/{}/{}", key.app.0, key.notification.0.simple(), key.work.0)
}

/// An entry that was read; `None` where another version of Herald, or something else, wrote it in another form.
pub(super) fn parse(stream: Stream, receipt: String, targets: &str, work: &str) -> Option<Taken> {
    let mut parts = work.split('/');
    let app = AppId(parts.next()?.parse().ok()?);
    let notification = NotificationId(Uuid::try_parse(parts.next()?).ok()?);
    let work = WorkId(parts.next()?.parse().ok()?);
    if parts.next().is_some() {
        return None;
    }
    let entry = Entry { key: WorkKey { app, notification, work }, stream, targets: targets.parse().ok()? };
    Some(Taken { entry, receipt })
}

/// The targets and the work of an entry's fields, wherever they stand among them.
pub(super) fn fields_of(fields: &[String]) -> (&str, &str) {
    let value = |name: &str| fields.chunks_exact(2).find_map(|pair| pair.split_first().filter(|(key, _)| *key == name)?.1.first());
    (value("targets").map_or("", String::as_str), value("work").map_or("", String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for (app, notification, work) in [(1, Uuid::nil(), 1), (i64::MAX, Uuid::max(), i64::MIN)] {
            let key = WorkKey { app: AppId(app), notification: NotificationId(notification), work: WorkId(work) };
            let taken = parse(Stream::Bulk, "5-1".to_owned(), "500", &work_field(&key)).unwrap();
            assert_eq!(taken, Taken { entry: Entry { key, stream: Stream::Bulk, targets: 500 }, receipt: "5-1".to_owned() });
        }
    }

    #[test]
    fn another_form_is_none() {
        let work = "1/018f0000000070008000000000000000/1";
        for (targets, work) in
            [("", work), ("-1", work), ("1", ""), ("1", "1/x/1"), ("1", "1/018f0000000070008000000000000000"), ("1", &format!("{work}/1"))]
        {
            assert_eq!(parse(Stream::High, "5-1".to_owned(), targets, work), None, "{targets} {work}");
        }
    }

    #[test]
    fn fields_are_found_by_name() {
        let fields = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(fields_of(&fields(&["targets", "3", "work", "w"])), ("3", "w"));
        assert_eq!(fields_of(&fields(&["work", "w", "more", "x", "targets", "3"])), ("3", "w"));
        assert_eq!(fields_of(&fields(&["targets"])), ("", ""));
    }
}
