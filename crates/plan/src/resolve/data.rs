//! `[data.NAME]`: rows in the plan or in a file of CSV or JSON Lines.

use serde_json::Value as Json;

use crate::data::{AtEnd, DataSet, DataSource, Rows, Take};
use crate::diagnostics::Problem;
use crate::reader::{Context, Field, Reader};
use crate::tree::{Entry, Value};
use crate::words;

use super::files::{self, Stated};

/// Reads all sets; one that could not be read keeps its name, so that its users are not reported too.
pub(super) fn read(field: &Field<'_>) -> Vec<(String, Option<DataSet>)> {
    let reader = field.table("[data]");
    reader.table.entries.iter().map(|entry| (entry.key.clone(), set(entry, field.context))).collect()
}

fn set(entry: &Entry, context: &Context<'_>) -> Option<DataSet> {
    if !words::is_name(&entry.key) {
        let problem = Problem::new(&entry.origin, format!("`{}` is not a name", entry.key));
        context.report(problem.help("names are made of letters, digits, `-` and `_`"));
    }
    let what = format!("[data.{}]", entry.key);
    let reader = Field::of(entry, context).table(&what);
    let take = take(&reader);
    let content = match (reader.field("file"), reader.field("rows")) {
        (Some(file), None) => from_file(&file, &reader),
        (None, Some(rows)) => from_plan(&rows),
        (Some(_), Some(rows)) => {
            rows.reject(format!("{what} has both `file` and `rows`"), "keep one of them");
            None
        }
        (None, None) => {
            reader.reject(format!("{what} has no rows"), "add `file = \"users.csv\"` or `rows = [{ name = \"ann\" }]`");
            None
        }
    };
    reader.finish();
    let (columns, source) = content?;
    Some(DataSet { name: entry.key.clone(), columns, source, take })
}

fn take(reader: &Reader<'_>) -> Take {
    type Taking = fn(AtEnd) -> Take;
    let words: [(&str, (Taking, AtEnd)); 3] = [
        ("in_order", (Take::InOrder, AtEnd::Wrap)),
        ("random", (|_| Take::Random, AtEnd::Wrap)),
        ("unique", (Take::Unique, AtEnd::Stop)),
    ];
    let (take, default) = reader.optional("take", |field| field.choice(&words)).unwrap_or(words[0].1);
    let at_end = reader.field("at_end");
    let end = at_end.as_ref().and_then(|field| field.choice(&[("wrap", AtEnd::Wrap), ("stop", AtEnd::Stop)]));
    let take = take(end.unwrap_or(default));
    if let (Take::Random, Some(field)) = (take, at_end) {
        field.reject("rows taken at random have no end", "leave `at_end` out, or write `take = \"in_order\"`");
    }
    take
}

type Content = (Vec<String>, DataSource);

fn from_file(field: &Field<'_>, reader: &Reader<'_>) -> Option<Content> {
    let Stated { fact, content } = files::read(field, reader);
    let columns = reader.optional("columns", |field| {
        Some(field.items().iter().filter_map(|item| item.text("a column")).map(|text| text.content).collect())
    });
    let count = reader.optional("count", |field| field.whole(1));
    if field.context.recorded {
        return Some((columns?, DataSource::File { file: fact, count: count?, rows: None }));
    }
    let table = match fact.path.to_ascii_lowercase().rsplit('.').next() {
        Some("csv") => csv_rows(&content?),
        Some("jsonl" | "ndjson") => json_rows(&content?),
        _ => Err("the format of the file is not known".to_owned()),
    };
    match table {
        Ok((columns, rows)) => {
            let count = rows.count();
            Some((columns, DataSource::File { file: fact, count, rows: Some(rows) }))
        }
        Err(title) => {
            let help = "`.csv` files have a line of column names and UTF-8 text, `.jsonl` files an object in every line, with the same keys";
            field.reject(format!("`{}`: {title}", fact.path), help);
            None
        }
    }
}

fn csv_rows(content: &[u8]) -> Result<(Vec<String>, Rows), String> {
    let content = content.strip_prefix("\u{feff}".as_bytes()).unwrap_or(content);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(content);
    let columns: Vec<String> = reader.headers().map_err(|error| error.to_string())?.iter().map(str::to_owned).collect();
    check_columns(&columns)?;
    let mut cells = Vec::new();
    for record in reader.records() {
        cells.extend(record.map_err(|error| error.to_string())?.iter().map(Json::from));
    }
    whole(columns, cells)
}

fn json_rows(content: &[u8]) -> Result<(Vec<String>, Rows), String> {
    let mut columns: Vec<String> = Vec::new();
    let mut cells = Vec::new();
    for (number, line) in content.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let number = number + 1;
        let row: serde_json::Map<String, Json> =
            serde_json::from_slice(line).map_err(|error| format!("line {number} is no object: {error}"))?;
        if columns.is_empty() {
            columns = row.keys().cloned().collect();
        }
        push_row(&columns, row, &mut cells).map_err(|problem| format!("line {number} {problem}"))?;
    }
    check_columns(&columns)?;
    whole(columns, cells)
}

fn push_row(columns: &[String], mut row: serde_json::Map<String, Json>, cells: &mut Vec<Json>) -> Result<(), String> {
    for column in columns {
        cells.push(row.remove(column).ok_or_else(|| format!("has no `{column}`"))?);
    }
    match row.keys().next() {
        Some(key) => Err(format!("has `{key}`, which the first row does not have")),
        None => Ok(()),
    }
}

fn check_columns(columns: &[String]) -> Result<(), String> {
    let double = columns.iter().enumerate().find(|(i, column)| columns[..*i].contains(column));
    match double {
        Some((_, column)) => Err(format!("two columns are named `{column}`")),
        None if columns.iter().any(String::is_empty) => Err("a column has no name".to_owned()),
        None => Ok(()),
    }
}

fn whole(columns: Vec<String>, cells: Vec<Json>) -> Result<(Vec<String>, Rows), String> {
    let rows = Rows::new(columns.len(), cells).filter(|rows| rows.count() > 0);
    rows.map(|rows| (columns, rows)).ok_or_else(|| "there are no rows".to_owned())
}

fn from_plan(field: &Field<'_>) -> Option<Content> {
    let mut columns: Vec<String> = Vec::new();
    let mut cells = Vec::new();
    for reader in field.tables("a row") {
        let keys = || reader.table.entries.iter().map(|entry| entry.key.clone());
        if columns.is_empty() {
            columns = keys().collect();
        }
        let row = reader.table.entries.iter().map(|entry| (entry.key.clone(), json(&Field::of(entry, field.context))));
        if let Err(problem) = push_row(&columns, row.collect(), &mut cells) {
            reader.reject(
                format!("the row {problem}"),
                format!("every row has the columns of the first: {}", words::list(columns.iter().map(String::as_str))),
            );
            return None;
        }
    }
    let rows = Rows::new(columns.len(), cells).filter(|rows| rows.count() > 0);
    if rows.is_none() && matches!(field.node.value, Value::List(_)) {
        field.reject("there are no rows", "add for example `{ name = \"ann\", plan = \"free\" }`");
    }
    Some((columns, DataSource::Plan(rows?)))
}

fn unfit(field: &Field<'_>) -> Json {
    field.reject("the number does not fit", "write it as text");
    Json::Null
}

/// Rows are written to the record as they are, so that no secret may stand in them.
fn text(field: &Field<'_>) -> Option<String> {
    let text = field.text("text")?;
    if text.has_environment() && !field.context.recorded {
        let help = "the record shows rows: put it into a header, a body or `set = { key = \"${NAME}\" }`";
        field.reject("a value of the environment cannot stand in a row", help);
    }
    Some(text.content)
}

/// A value of a row.
fn json(field: &Field<'_>) -> Json {
    match &field.node.value {
        Value::Text(_) => text(field).map_or(Json::Null, Json::from),
        Value::Integer(integer) => i64::try_from(*integer).map_or_else(|_| unfit(field), Json::from),
        Value::Float(float) if !float.is_finite() => unfit(field),
        Value::Float(float) => Json::from(*float),
        Value::Boolean(boolean) => Json::from(*boolean),
        Value::Datetime(datetime) => Json::from(datetime.as_str()),
        Value::List(list) => {
            list.iter().map(|node| json(&Field { node, key: field.key, context: field.context })).collect()
        }
        Value::Table(table) => {
            let entries = table.entries.iter();
            Json::Object(entries.map(|entry| (entry.key.clone(), json(&Field::of(entry, field.context)))).collect())
        }
    }
}
