//! Which paths a file names: a small reader of Rust that knows comments, strings, `use` trees and `super`.

use std::collections::BTreeMap;

/// What a file says, as far as the architecture is concerned.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// Every path it names, resolved: `crate::store::Error`, `sqlx::Row`, `std::env::var`.
    pub(crate) paths: Vec<String>,
    /// Its words, without comments, strings and tests.
    pub(crate) words: Vec<String>,
    /// Lines that are neither blank nor of its test module.
    pub(crate) lines: usize,
    /// Modules that exist for tests only, as paths from `src/` without an extension.
    pub(crate) test_modules: Vec<String>,
}

impl Source {
    /// Reads the text of the file of this name, from `src/`.
    pub(crate) fn read(name: &str, text: &str) -> Self {
        let (text, lines) = without_tests(text);
        let tokens = tokens(&without_comments_and_strings(&text));
        let module = module_of(name);
        let mut source = Self { lines, test_modules: test_modules(&tokens, &module), ..Self::default() };
        let mut imports = BTreeMap::new();
        let mut at = 0;
        while at < tokens.len() {
            let is_use = tokens[at] == "use";
            let mut found = Vec::new();
            let next = if is_use { path(&tokens, at + 1, "", &mut found) } else { path(&tokens, at, "", &mut found) };
            for (full, alias) in found {
                let full = resolve(&full, &module, &imports);
                if is_use {
                    imports.insert(alias, full.clone());
                }
                source.paths.push(full);
            }
            at = next.max(at + 1);
        }
        source.words = tokens;
        source
    }
}

/// Whether a file is a module, or within it.
pub(crate) fn is_within(name: &str, module: &str) -> bool {
    name.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// The text without its inline test modules, which come last, and its lines that are not blank.
fn without_tests(text: &str) -> (String, usize) {
    let lines: Vec<&str> = text.lines().collect();
    let is_end = |at: &usize| {
        let inline = lines.get(at + 1).is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'));
        lines[*at].trim() == "#[cfg(test)]" && inline
    };
    let end = (0..lines.len()).find(is_end).unwrap_or(lines.len());
    let kept = &lines[..end];
    (kept.join("\n"), kept.iter().filter(|line| !line.trim().is_empty()).count())
}

fn without_comments_and_strings(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let mut kept = String::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let next = if rest.starts_with(&['/', '/']) {
            length_to(rest, |tail| tail.starts_with(&['\n']), 0)
        } else if rest.starts_with(&['/', '*']) {
            length_to(rest, |tail| tail.starts_with(&['*', '/']), 2)
        } else if rest[0] == '"' {
            string_length(rest)
        } else if rest[0] == 'r' && !kept.ends_with(is_word) && raw_hashes(rest).is_some() {
            raw_length(rest, raw_hashes(rest).unwrap_or_default())
        } else if rest[0] == '\'' && (rest.get(2) == Some(&'\'') || rest.get(1) == Some(&'\\')) {
            1 + length_to(&rest[1..], |tail| tail.starts_with(&['\'']), 1).max(if rest.get(2) == Some(&'\'') { 2 } else { 0 })
        } else {
            kept.push(rest[0]);
            at += 1;
            continue;
        };
        kept.push(' ');
        at += next.max(1);
    }
    kept
}

/// How far to the place where `is_end` holds, with what ends it.
fn length_to(text: &[char], is_end: impl Fn(&[char]) -> bool, with: usize) -> usize {
    (1..text.len()).find(|at| is_end(&text[*at..])).map_or(text.len(), |at| at + with)
}

fn string_length(text: &[char]) -> usize {
    let mut at = 1;
    while at < text.len() && text[at] != '"' {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn raw_hashes(text: &[char]) -> Option<usize> {
    let hashes = text[1..].iter().take_while(|mark| **mark == '#').count();
    (text.get(1 + hashes) == Some(&'"')).then_some(hashes)
}

fn raw_length(text: &[char], hashes: usize) -> usize {
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let start = 2 + hashes;
    (start..text.len()).find(|at| text[*at..].starts_with(&end)).map_or(text.len(), |at| at + end.len())
}

fn is_word(mark: char) -> bool {
    mark.is_alphanumeric() || mark == '_'
}

/// Words, `::` and single marks.
fn tokens(text: &str) -> Vec<String> {
    let marks: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < marks.len() {
        let length = match marks[at] {
            mark if is_word(mark) => marks[at..].iter().take_while(|mark| is_word(**mark)).count(),
            ':' if marks.get(at + 1) == Some(&':') => 2,
            _ => 1,
        };
        if !marks[at].is_whitespace() {
            tokens.push(marks[at..at + length].iter().collect());
        }
        at += length;
    }
    tokens
}

/// Reads a path or a `use` tree at `at`; each of its paths with the name that it brings in. Answers where it ends.
fn path(tokens: &[String], mut at: usize, before: &str, found: &mut Vec<(String, String)>) -> usize {
    let mut full = before.to_owned();
    let mut last = String::new();
    while let Some(word) = tokens.get(at).filter(|token| token.starts_with(is_word)) {
        full = if full.is_empty() { word.clone() } else { format!("{full}::{word}") };
        last.clone_from(word);
        at += 1;
        if tokens.get(at).is_none_or(|token| token != "::") {
            break;
        }
        at += 1;
        if tokens.get(at).is_some_and(|token| token == "{") {
            at += 1;
            while tokens.get(at).is_some_and(|token| token != "}") {
                at = path(tokens, at, &full, found).max(at + 1);
                at += usize::from(tokens.get(at).is_some_and(|token| token == ","));
            }
            return at + 1;
        }
    }
    if tokens.get(at).is_some_and(|token| token == "as") {
        if let Some(alias) = tokens.get(at + 1) {
            last.clone_from(alias);
        }
        at += 2;
    }
    if !full.is_empty() {
        if let Some(module) = full.strip_suffix("::self").map(str::to_owned) {
            module.rsplit("::").next().unwrap_or_default().clone_into(&mut last);
            full = module;
        }
        found.push((full, last));
    }
    at
}

/// The module that a file is, in words.
fn module_of(name: &str) -> Vec<String> {
    let name = name.trim_end_matches(".rs");
    let name = name.strip_suffix("/mod").unwrap_or(name);
    if matches!(name, "lib" | "main") { Vec::new() } else { name.split('/').map(str::to_owned).collect() }
}

/// A path with `super`, `self` and what was imported written out.
fn resolve(path: &str, module: &[String], imports: &BTreeMap<String, String>) -> String {
    let mut words: Vec<&str> = path.split("::").collect();
    let mut base = module.to_vec();
    match words[0] {
        "super" | "self" => {
            while matches!(words.first(), Some(&"super" | &"self")) {
                if words.remove(0) == "super" {
                    base.pop();
                }
            }
            std::iter::once("crate").chain(base.iter().map(String::as_str)).chain(words).collect::<Vec<_>>().join("::")
        }
        first => match imports.get(first) {
            Some(full) if words.len() > 1 => format!("{full}::{}", words[1..].join("::")),
            _ => path.to_owned(),
        },
    }
}

/// Modules declared as `#[cfg(test)] mod name;`.
fn test_modules(tokens: &[String], module: &[String]) -> Vec<String> {
    let mark: Vec<String> = ["#", "[", "cfg", "(", "test", ")", "]"].map(str::to_owned).to_vec();
    let shared = ["pub", "(", "crate", ")"].map(str::to_owned);
    (0..tokens.len())
        .filter_map(|at| tokens[at..].strip_prefix(mark.as_slice()))
        .map(|rest| rest.strip_prefix(shared.as_slice()).unwrap_or(rest))
        .filter_map(|rest| match rest {
            [word, name, end, ..] if word == "mod" && end == ";" => Some(name),
            _ => None,
        })
        .map(|name| module.iter().chain([name]).map(String::as_str).collect::<Vec<_>>().join("/"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(name: &str, text: &str) -> Vec<String> {
        Source::read(name, text).paths.into_iter().filter(|path| path.contains("::")).collect()
    }

    #[test]
    fn use_trees_are_written_out() {
        let text = "use crate::{app, store::{self, key::Scope as S}};\nuse std::{env, fs::File};";
        let expected = ["crate::app", "crate::store", "crate::store::key::Scope", "std::env", "std::fs::File"];
        assert_eq!(paths("cli/key.rs", text), expected);
    }

    #[test]
    fn imported_names_are_resolved_where_they_are_used() {
        assert_eq!(paths("api/x.rs", "use crate::store;\nfn f() { store::sqlite::open() }")[1], "crate::store::sqlite::open");
    }

    #[test]
    fn super_is_resolved_from_the_file() {
        assert_eq!(paths("store/sqlite/work.rs", "use super::super::Error;"), ["crate::store::Error"]);
        assert_eq!(paths("store/mod.rs", "use super::queue::Queue;"), ["crate::queue::Queue"]);
        assert_eq!(paths("app.rs", "use super::config::Settings;"), ["crate::config::Settings"]);
    }

    #[test]
    fn comments_strings_and_tests_do_not_count() {
        let text = "//! [`crate::api`]\n/* sqlx::x */ fn f<'a>(c: char) -> &'a str { if c == '\"' || c == '\\'' { \"redis::x\" } else { r#\"h2::\"x\"# } }\n\
                    fn g() { hyper::x() }\n\n#[cfg(test)]\nmod tests {\n    use axum::Router;\n}\n";
        let source = Source::read("domain/x.rs", text);
        assert_eq!(source.paths.iter().filter(|path| path.contains("::")).collect::<Vec<_>>(), ["hyper::x"]);
        assert_eq!(source.lines, 3);
    }

    #[test]
    fn modules_for_tests_are_found() {
        let source = Source::read("store/mod.rs", "mod a;\n#[cfg(test)]\nmod testing;\nmod b;\n#[cfg(test)]\npub(crate) mod faults;");
        assert_eq!(source.test_modules, ["store/testing", "store/faults"]);
        assert!(is_within("store/testing.rs", "store/testing") && is_within("store/testing/x.rs", "store/testing"));
        assert!(!is_within("store/testing_ground.rs", "store/testing"));
    }
}
