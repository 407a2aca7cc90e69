//! Logged requests as text, CSV or JSON Lines, with names instead of indices and wall time beside the run's clock.

use std::io::Write as _;

use jiff::Timestamp;

use super::RequestRow;
use crate::clock::{Anchor, Offset};

const COLUMNS: [&str; 13] = [
    "time",
    "intended_ns",
    "send_lag_ns",
    "service_ns",
    "response_ns",
    "user",
    "user_id",
    "phase",
    "operation",
    "iteration",
    "outcome",
    "status",
    "body_bytes",
];
const SECOND: i64 = 1_000_000_000;

/// How requests are written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextForm {
    /// Comma-separated values with a line of column names (RFC 4180, with line feeds).
    Csv,
    /// One JSON object per line.
    JsonLines,
}

/// What the indices of rows stand for.
#[derive(Clone, Debug, Default)]
pub struct RequestNames {
    /// Phases.
    pub phases: Vec<String>,
    /// Operations.
    pub operations: Vec<String>,
    /// What a user's identity has before and after its number.
    pub user: (String, String),
}

/// Writes rows as text.
#[derive(Debug)]
pub struct TextWriter {
    form: TextForm,
    unix_ns: i64,
    /// As they stand in the text.
    phases: Vec<String>,
    operations: Vec<String>,
    /// What a user's identity begins and ends with, as it stands in the text.
    user: (String, String),
    /// The second of the last row, and its text.
    second: (i64, String),
}

impl TextWriter {
    /// A writer for the rows of a run with this anchor.
    #[must_use]
    pub fn new(form: TextForm, names: &RequestNames, anchor: Anchor) -> Self {
        let all = |names: &[String]| names.iter().map(|name| form.quote(name)).collect();
        Self {
            form,
            unix_ns: anchor.unix_ns,
            phases: all(&names.phases),
            operations: all(&names.operations),
            user: form.quote_around(&names.user.0, &names.user.1),
            second: (i64::MIN, String::new()),
        }
    }

    /// Appends what stands above the rows.
    pub fn head(&self, out: &mut Vec<u8>) {
        if self.form == TextForm::Csv {
            out.extend_from_slice(COLUMNS.join(",").as_bytes());
            out.push(b'\n');
        }
    }

    /// Appends one row.
    pub fn row(&mut self, row: &RequestRow, out: &mut Vec<u8>) {
        let nanos = self.look_up_second(row.intended);
        let name = |names: &'_ [String], index: u16| names.get(usize::from(index)).cloned();
        let unknown = |index: u16| self.form.quote(&format!("{index}"));
        let phase = name(&self.phases, row.phase).unwrap_or_else(|| unknown(row.phase));
        let operation = name(&self.operations, row.operation).unwrap_or_else(|| unknown(row.operation));
        let RequestRow { send_lag_ns, service_ns, user, iteration, status, body_bytes, .. } = row;
        let (second, before, after) = (&self.second.1, &self.user.0, &self.user.1);
        let (intended, response, outcome) = (row.intended.0, row.response_ns(), row.outcome.name());
        let written = match self.form {
            TextForm::Csv => writeln!(
                out,
                "{second}.{nanos:09}Z,{intended},{send_lag_ns},{service_ns},{response},{user},{before}{user}{after},\
                 {phase},{operation},{iteration},{outcome},{status},{body_bytes}"
            ),
            TextForm::JsonLines => writeln!(
                out,
                "{{\"time\":\"{second}.{nanos:09}Z\",\"intended_ns\":{intended},\"send_lag_ns\":{send_lag_ns},\
                 \"service_ns\":{service_ns},\"response_ns\":{response},\"user\":{user},\
                 \"user_id\":{before}{user}{after},\"phase\":{phase},\"operation\":{operation},\
                 \"iteration\":{iteration},\"outcome\":\"{outcome}\",\"status\":{status},\"body_bytes\":{body_bytes}}}"
            ),
        };
        written.expect("writing to a Vec cannot fail");
    }

    /// Makes the text of the second `at` lies in; the nanoseconds within it. Rows of one second come together, so
    /// calendar arithmetic is rare.
    fn look_up_second(&mut self, at: Offset) -> i64 {
        let unix_ns = self.unix_ns.saturating_add(at.0);
        let second = unix_ns.div_euclid(SECOND);
        if self.second.0 != second {
            let time = Timestamp::from_second(second).unwrap_or_default();
            self.second = (second, time.strftime("%Y-%m-%dT%H:%M:%S").to_string());
        }
        unix_ns.rem_euclid(SECOND)
    }
}

impl TextForm {
    fn quote(self, text: &str) -> String {
        match self {
            Self::Csv if text.contains(['"', ',', '\n', '\r']) => format!("\"{}\"", text.replace('"', "\"\"")),
            Self::Csv => text.to_owned(),
            Self::JsonLines => serde_json::Value::from(text).to_string(),
        }
    }

    /// What stands before and after a number, so that all three together are one text.
    fn quote_around(self, before: &str, after: &str) -> (String, String) {
        // A character that no number has, and that is never escaped.
        let quoted = self.quote(&format!("{before}\u{1}{after}"));
        let around = quoted.split_once('\u{1}').or_else(|| quoted.split_once("\\u0001"));
        let (before, after) = around.unwrap_or_default();
        (before.to_owned(), after.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Outcome;

    fn names(operation: &str, user: (&str, &str)) -> RequestNames {
        let user = (user.0.to_owned(), user.1.to_owned());
        RequestNames { phases: vec!["steady".to_owned()], operations: vec![operation.to_owned()], user }
    }

    fn row(intended: i64) -> RequestRow {
        RequestRow {
            intended: Offset(intended),
            send_lag_ns: 20,
            service_ns: 1_000,
            user: 17,
            iteration: 3,
            body_bytes: 5,
            phase: 0,
            operation: 0,
            status: 503,
            outcome: Outcome::UnexpectedStatus,
        }
    }

    fn text(form: TextForm, names: &RequestNames, rows: &[RequestRow]) -> String {
        // 2026-03-01T12:00:00.25Z
        let anchor = Anchor { monotonic_ns: 5, unix_ns: 1_772_366_400_250_000_000 };
        let (mut writer, mut out) = (TextWriter::new(form, names, anchor), Vec::new());
        writer.head(&mut out);
        rows.iter().for_each(|row| writer.row(row, &mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_row_of_csv_has_names_and_both_times() {
        let text = text(TextForm::Csv, &names("chat", ("user-", "")), &[row(750_000_001), row(-250_000_001)]);
        let expected = "\
time,intended_ns,send_lag_ns,service_ns,response_ns,user,user_id,phase,operation,iteration,outcome,status,body_bytes
2026-03-01T12:00:01.000000001Z,750000001,20,1000,1020,17,user-17,steady,chat,3,unexpected_status,503,5
2026-03-01T11:59:59.999999999Z,-250000001,20,1000,1020,17,user-17,steady,chat,3,unexpected_status,503,5
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_row_of_json_lines_is_an_object() {
        let text = text(TextForm::JsonLines, &names("a\"b", ("u\"", "@x")), &[row(0)]);
        let value: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!((&value["operation"], &value["user_id"]), (&"a\"b".into(), &"u\"17@x".into()));
        assert_eq!((&value["response_ns"], &value["status"]), (&1_020.into(), &503.into()));
        let object = value.as_object().unwrap();
        assert!(COLUMNS.iter().all(|column| object.contains_key(*column)) && object.len() == COLUMNS.len());
    }

    #[test]
    fn names_cannot_break_a_row_of_csv() {
        let text = text(TextForm::Csv, &names("a,\"b\"\nc", ("x,", "\"")), &[row(0)]);
        let data = text.split_once('\n').unwrap().1;
        assert!(data.contains(r#","x,17""","#) && data.contains("\"a,\"\"b\"\"\nc\""), "{data}");
    }

    #[test]
    fn an_index_without_a_name_stays_a_number() {
        let text = text(TextForm::Csv, &RequestNames::default(), &[row(0)]);
        assert!(text.contains(",17,17,0,0,3,"), "{text}");
    }
}
