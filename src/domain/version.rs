//! Versions of apps and systems, compared as versions: 3.10 is newer than 3.9, and 3.1 is 3.1.0.
//!
//! A version begins with numbers between dots (`3.10.2`, also `v3.10.2`); zeros at their end say nothing. A word or a hyphen after them begins a
//! pre-release (`3.1-beta.2`, `3.1rc1`), which is older than the version itself; its parts are compared as in [Semantic
//! Versioning](https://semver.org/#spec-item-11), except that letters and digits are parts of their own (`rc10` is newer than `rc9`) and case
//! says nothing. What follows after anything else (`3.1+45`, `18.1 (22B83)`) is about the build and says nothing. A text that does not
//! begin with a number is older than every version, and such texts are compared byte by byte.

/// So many characters of a version are looked at; no real one is as long.
const MAX_LENGTH: usize = 256;

/// A version as it is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(Reading);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reading {
    /// No version at all.
    Junk(String),
    /// Numbers without zeros at their end, and what they are a pre-release by.
    Release(Vec<Number>, Stage),
}

/// A number of any length: its digits without zeros before them. A longer one is greater.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Number {
    length: usize,
    digits: String,
}

/// In the order of their age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Pre(Vec<Part>),
    Final,
}

/// Of a pre-release. A number is older than a word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(Number),
    Word(String),
}

impl Version {
    /// Reads a text that begins as a version does; `None`: it does not.
    pub fn read(text: &str) -> Option<Self> {
        Some(Self::parse(text)).filter(|version| matches!(version.0, Reading::Release(..)))
    }

    /// Reads any text.
    pub fn parse(text: &str) -> Self {
        let text = text.char_indices().nth(MAX_LENGTH).and_then(|(end, _)| text.get(..end)).unwrap_or(text).trim();
        let bare = text.strip_prefix(['v', 'V']).unwrap_or(text);
        if !bare.starts_with(|first: char| first.is_ascii_digit()) {
            return Self(Reading::Junk(text.to_owned()));
        }
        let (mut numbers, mut rest) = (Vec::new(), bare);
        loop {
            let (number, after) = take_number(rest);
            numbers.push(number);
            rest = after;
            match rest.strip_prefix('.') {
                Some(next) if next.starts_with(|first: char| first.is_ascii_digit()) => rest = next,
                _ => break,
            }
        }
        while numbers.last().is_some_and(|number| number.length == 0) {
            numbers.pop();
        }
        Self(Reading::Release(numbers, take_stage(rest)))
    }

    /// A text whose bytes compare as the versions do, so that a store can sort by it.
    pub fn sort_key(&self) -> String {
        let mut key = String::new();
        match &self.0 {
            Reading::Junk(text) => {
                key.push('0');
                key.push_str(text);
            }
            Reading::Release(numbers, stage) => {
                for number in numbers {
                    key.push('3');
                    number.put(&mut key);
                }
                match stage {
                    Stage::Final => key.push('2'),
                    Stage::Pre(parts) => {
                        key.push('1');
                        for part in parts {
                            part.put(&mut key);
                        }
                    }
                }
            }
        }
        key
    }
}

impl Number {
    /// How many digits, then they: the first difference decides.
    fn put(&self, key: &mut String) {
        // one character for each length there is: bytes of UTF-8 compare as the characters do
        let mark = u32::try_from(self.length).ok().and_then(|length| char::from_u32(u32::from('0') + length));
        key.push(mark.unwrap_or(char::MAX));
        key.push_str(&self.digits);
    }
}

impl Part {
    fn put(&self, key: &mut String) {
        match self {
            Self::Number(number) => {
                key.push('1');
                number.put(key);
            }
            // the blank ends it: no letter is less
            Self::Word(word) => {
                key.push('2');
                key.push_str(word);
                key.push(' ');
            }
        }
    }
}

fn take_number(text: &str) -> (Number, &str) {
    let end = text.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let digits = digits.trim_start_matches('0');
    (Number { length: digits.len(), digits: digits.to_owned() }, rest)
}

/// What the text after the numbers makes of the version.
fn take_stage(text: &str) -> Stage {
    if !text.starts_with(|first: char| first == '-' || first.is_ascii_alphabetic()) {
        return Stage::Final;
    }
    let is_part = |char: char| char.is_ascii_alphanumeric() || char == '-' || char == '.';
    let end = text.find(|char| !is_part(char)).unwrap_or(text.len());
    let mut rest = text.get(..end).unwrap_or(text);
    let mut parts = Vec::new();
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_digit() {
            let (number, after) = take_number(rest);
            parts.push(Part::Number(number));
            rest = after;
        } else if first.is_ascii_alphabetic() {
            let end = rest.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(rest.len());
            let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            parts.push(Part::Word(word.to_ascii_lowercase()));
            rest = after;
        } else {
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    if parts.is_empty() { Stage::Final } else { Stage::Pre(parts) }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::*;
    use proptest::prelude::*;

    fn order(one: &str, other: &str) -> Ordering {
        Version::parse(one).cmp(&Version::parse(other))
    }

    #[test]
    fn versions_are_in_the_order_of_their_age() {
        let ascending = [
            "",
            "beta",
            "nightly",
            "0.0.1-a",
            "0.0.1",
            "0.9",
            "1.0.0-1",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1-dev",
            "1.0.1",
            "3.9",
            "3.10",
            "3.10.1",
            "9.99.99",
            "10",
            "18446744073709551616",
            "18446744073709551617.1",
        ];
        for (place, one) in ascending.iter().enumerate() {
            for (other_place, other) in ascending.iter().enumerate() {
                assert_eq!(order(one, other), place.cmp(&other_place), "{one} {other}");
            }
        }
    }

    #[test]
    fn what_says_nothing_makes_no_difference() {
        for (one, other) in [
            ("3.1", "3.1.0"),
            ("3", "3.0.0.0"),
            ("0", "0.0"),
            ("3.1", " v3.01 "),
            ("3.1", "3.1+build.7"),
            ("18.1", "18.1 (22B83)"),
            ("3.1", "3.1-"),
            ("3.1-rc.1", "3.1RC1"),
            ("3.1", "3.1."),
            ("3.1", "3.1..7"),
            ("14", "14/API 34"),
        ] {
            assert_eq!(order(one, other), Ordering::Equal, "{one} {other}");
        }
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "v?[0-9]{1,3}(\\.[0-9]{1,3}){0,4}(-?(alpha|beta|rc)?[.-]?[0-9]{0,3}){0,2}( \\(.{0,3}\\))?",
            1 => "[0-9]{1,70}(\\.[0-9]{1,70})?",
            1 => ".{0,12}",
        ]
    }

    proptest! {
        #[test]
        fn keys_compare_as_their_versions(one in text(), other in text()) {
            let (a, b) = (Version::parse(&one), Version::parse(&other));
            prop_assert_eq!(a.sort_key().as_bytes().cmp(b.sort_key().as_bytes()), a.cmp(&b), "{} {}", one, other);
            prop_assert_eq!(a.cmp(&b) == Ordering::Equal, a == b);
        }

        /// Numbers that fit are compared as numbers, whatever the reading does with their digits.
        #[test]
        fn numbers_are_compared_as_numbers(one in proptest::collection::vec(any::<u64>(), 1..5), other in proptest::collection::vec(any::<u64>(), 1..5)) {
            let text = |numbers: &[u64]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(".");
            let bare = |mut numbers: Vec<u64>| {
                while numbers.last() == Some(&0) {
                    numbers.pop();
                }
                numbers
            };
            prop_assert_eq!(order(&text(&one), &text(&other)), bare(one).cmp(&bare(other)));
        }
    }
}
