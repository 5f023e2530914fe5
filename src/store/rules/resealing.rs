//! The way through all that is sealed, part by part, until nothing is found any more that an older key sealed.

/// What is gone through, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Part {
    /// Devices and their other addresses, by the device's number.
    Device,
    /// People, by number.
    Person,
    /// The vault and the secrets of webhooks, all at once.
    Secret,
    /// Nothing: all was gone through and nothing was found.
    Over,
}

impl Part {
    pub(in crate::store) fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Person => "person",
            Self::Secret => "secret",
            Self::Over => "over",
        }
    }

    pub(in crate::store) fn parse(text: &str) -> Option<Self> {
        [Self::Device, Self::Person, Self::Secret, Self::Over].into_iter().find(|part| part.as_str() == text)
    }
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Stand {
    pub(in crate::store) part: Part,
    /// The last number that was looked at.
    pub(in crate::store) cursor: i64,
    /// Values that were not as they should be, on this way through.
    pub(in crate::store) changed: u64,
}

/// What came of some rows of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Gone {
    /// Values that were not as they should be.
    pub(in crate::store) changed: u64,
    /// The last number; `None`: there is nothing beyond.
    pub(in crate::store) last: Option<i64>,
}

impl Stand {
    /// Where it begins.
    pub(in crate::store) const BEGIN: Self = Self { part: Part::Device, cursor: 0, changed: 0 };

    /// Where it stands after some rows. It ends with a way on which nothing was found: what a node with an older key writes meanwhile is
    /// found by the next.
    pub(in crate::store) fn after(self, gone: Gone) -> Self {
        let changed = self.changed + gone.changed;
        let part = match (self.part, gone.last) {
            (part, Some(cursor)) => return Self { part, cursor, changed },
            (Part::Device, None) => Part::Person,
            (Part::Person, None) => Part::Secret,
            (Part::Secret, None) if changed > 0 => return Self::BEGIN,
            (Part::Secret | Part::Over, None) => Part::Over,
        };
        Self { part, cursor: 0, changed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(mut stand: Stand, steps: &[(u64, Option<i64>)]) -> Stand {
        for (changed, last) in steps {
            stand = stand.after(Gone { changed: *changed, last: *last });
        }
        stand
    }

    #[test]
    fn it_ends_with_a_way_on_which_nothing_was_found() {
        let first = walk(Stand::BEGIN, &[(0, Some(10)), (2, Some(20))]);
        assert_eq!(first, Stand { part: Part::Device, cursor: 20, changed: 2 });
        assert_eq!(walk(first, &[(0, None)]), Stand { part: Part::Person, cursor: 0, changed: 2 });
        assert_eq!(walk(first, &[(0, None), (0, None), (0, None)]), Stand::BEGIN, "once more");
        assert_eq!(walk(Stand::BEGIN, &[(0, None), (0, None), (1, None)]), Stand::BEGIN);
        assert_eq!(walk(Stand::BEGIN, &[(0, None), (0, None), (0, None)]).part, Part::Over);
    }

    #[test]
    fn every_part_is_read_as_it_was_written() {
        for part in [Part::Device, Part::Person, Part::Secret, Part::Over] {
            assert_eq!(Part::parse(part.as_str()), Some(part));
        }
        assert_eq!(Part::parse("other"), None);
    }
}
