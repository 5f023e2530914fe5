//! What commands print: tables for people, JSON for programs.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use serde_json::Value;

use super::client::Problem;

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// Tables and sentences.
    Human,
    /// The daemon's own JSON.
    Json,
}

/// A column of a table, or a line of a record: its heading and the JSON pointer to its value.
pub(super) type Column = (&'static str, &'static str);

/// Where a command prints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    form: Form,
}

impl Output {
    pub(super) fn new(form: Form) -> Self {
        Self { form }
    }

    pub(super) fn is_json(self) -> bool {
        self.form == Form::Json
    }

    /// Whether progress can be drawn: for people, on a terminal.
    pub(super) fn draws_progress(self) -> bool {
        !self.is_json() && io::stderr().is_terminal()
    }

    /// A sentence for people, or its JSON.
    pub(super) fn say(self, sentence: &str, json: &Value) {
        if self.is_json() { self.json(json) } else { self.line(sentence) }
    }

    /// One line on standard output.
    #[expect(clippy::unused_self, reason = "printing is this type's")]
    pub(super) fn line(self, text: &str) {
        // A reader that has gone (`| head`) is no error of ours, and nobody is left to be told.
        drop(writeln!(io::stdout().lock(), "{text}"));
    }

    /// One line on standard error.
    #[expect(clippy::unused_self, reason = "printing is this type's")]
    pub(super) fn note(self, text: &str) {
        drop(writeln!(io::stderr().lock(), "{text}"));
    }

    /// A question on standard error, whose answer is typed behind it.
    #[expect(clippy::unused_self, reason = "printing is this type's")]
    pub(super) fn ask(self, question: &str) {
        let mut to = io::stderr().lock();
        drop(write!(to, "{question}").and_then(|()| to.flush()));
    }

    pub(super) fn json(self, value: &Value) {
        self.line(&format!("{value:#}"));
    }

    /// A list: the daemon's page for programs, a table for people.
    pub(super) fn list(self, items: &[Value], columns: &[Column]) {
        if self.is_json() {
            self.json(&serde_json::json!({ "items": items }));
            return;
        }
        let rows: Vec<Vec<String>> =
            items.iter().map(|item| columns.iter().map(|(_, pointer)| cell(item.pointer(pointer))).collect()).collect();
        let headings = columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
        for line in table(headings, rows) {
            self.line(&line);
        }
    }

    /// One thing: the daemon's object for programs, a line for each field that it has for people.
    pub(super) fn record(self, item: &Value, fields: &[Column]) {
        if self.is_json() {
            self.json(item);
            return;
        }
        let width = fields.iter().map(|(heading, _)| heading.len()).max().unwrap_or_default();
        for (heading, pointer) in fields {
            let text = cell(item.pointer(pointer));
            if !text.is_empty() {
                self.line(&format!("{heading:width$}  {text}"));
            }
        }
    }

    /// An error, on standard error.
    pub(super) fn error(self, error: &anyhow::Error) {
        let problem = error.downcast_ref::<Problem>();
        match (self.form, problem) {
            (Form::Human, _) => self.note(&format!("herald: {error:#}")),
            (Form::Json, Some(problem)) => self.note(&format!("{:#}", problem.document())),
            (Form::Json, None) => self.note(&format!("{:#}", serde_json::json!({ "title": format!("{error:#}") }))),
        }
    }
}

/// Rows under headings, each column as wide as its widest cell.
fn table(headings: Vec<String>, mut rows: Vec<Vec<String>>) -> Vec<String> {
    rows.insert(0, headings);
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count()).max().unwrap_or_default())
        .collect();
    let padded = |row: &Vec<String>| row.iter().zip(&widths).map(|(text, width)| format!("{text:width$}")).collect::<Vec<_>>().join("  ");
    rows.iter().map(|row| padded(row).trim_end().to_owned()).collect()
}

/// A value as people read it. Control characters could redraw the terminal, and come from elsewhere.
pub(super) fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items.iter().map(|item| cell(Some(item))).collect::<Vec<_>>().join(", "),
        Some(Value::Object(entries)) => {
            entries.iter().map(|(key, item)| format!("{key} {}", cell(Some(item)))).collect::<Vec<_>>().join(", ")
        }
        Some(other) => other.to_string(),
    };
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_is_as_wide_as_its_cells() {
        let rows = vec![vec!["a".to_owned(), "long enough".to_owned()], vec!["née".to_owned(), String::new()]];
        assert_eq!(table(vec!["ID".to_owned(), "NAME".to_owned()], rows), ["ID   NAME", "a    long enough", "née"]);
    }

    #[test]
    fn a_cell_cannot_redraw_the_terminal() {
        assert_eq!(cell(Some(&json!("a\u{1b}[2Jb"))), "a [2Jb");
        assert_eq!(cell(Some(&json!(["send", "read"]))), "send, read");
        assert_eq!(cell(Some(&json!({"token_dead": 1}))), "token_dead 1");
        assert_eq!(cell(Some(&json!(null))), "");
    }
}
