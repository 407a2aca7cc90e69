//! Headers of the target and of steps.

use crate::diagnostics::Problem;
use crate::reader::{Context, Field};
use crate::template::Template;
use crate::tree::{Entry, Table};

use super::names::Names;
use super::templates;

/// Headers that say where a message ends: the client sets them, a second opinion would tear the connection.
const FRAMING: [&str; 4] = ["connection", "content-length", "te", "transfer-encoding"];

/// Reads a table of headers, in the order stated.
pub(super) fn read(field: &Field<'_>, names: &Names) -> Vec<(String, Template)> {
    let reader = field.table(&format!("`{}`", field.key));
    for entry in &reader.table.entries {
        check_name(entry, reader.table, field.context);
    }
    let header = |entry: &Entry| (entry.key.clone(), templates::header(&Field::of(entry, field.context), names));
    reader.table.entries.iter().map(header).collect()
}

fn check_name(entry: &Entry, table: &Table, context: &Context<'_>) {
    let same = |other: &&Entry| other.key.eq_ignore_ascii_case(&entry.key);
    let first = table.entries.iter().find(same).is_none_or(|first| std::ptr::eq(first, entry));
    let problem = |title: String| Problem::new(&entry.origin, title);
    if !is_token(&entry.key) {
        let help = "header names are made of letters, digits, `-`, `_` and the like, without spaces";
        context.report(problem(format!("`{}` is not a header's name", entry.key)).help(help));
    } else if FRAMING.iter().any(|name| name.eq_ignore_ascii_case(&entry.key)) {
        context.report(problem(format!("`{}` is set by the client itself", entry.key)).help("leave it out"));
    } else if !first {
        let help = "header names differ by more than capitals";
        context.report(problem(format!("the header `{}` is stated twice", entry.key)).help(help));
    }
}

/// A token of RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}
