//! Columns of text that line up, for people, and the same as Markdown.

use plimsoll_report::plain;

/// A table; numbers stand at the right of their columns.
#[derive(Debug, Default)]
pub(super) struct Table {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns. Those whose name begins with `>` hold numbers.
    pub(super) fn new(heads: &[&str]) -> Self {
        Self::of(heads.iter().map(|head| (*head).to_owned()))
    }

    /// The same with columns that are not known beforehand.
    pub(super) fn of(heads: impl Iterator<Item = String>) -> Self {
        Self { heads: heads.map(|head| plain(&head)).collect(), rows: Vec::new() }
    }

    /// Adds a row. Its cells may come from a record: they cannot steer a terminal.
    pub(super) fn row(&mut self, cells: &[String]) {
        self.rows.push(cells.iter().map(|cell| plain(cell)).collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// As lines of text.
    pub(super) fn text(&self) -> String {
        let heads: Vec<String> = self.heads.iter().map(|head| head.trim_start_matches('>').to_owned()).collect();
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&heads]).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..heads.len()).map(width).collect();
        let mut out = String::new();
        for row in std::iter::once(&heads).chain(&self.rows) {
            let cells = row.iter().zip(&widths).zip(&self.heads).map(|((cell, width), head)| {
                if head.starts_with('>') { format!("{cell:>width$}") } else { format!("{cell:width$}") }
            });
            out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            out.push('\n');
        }
        out
    }

    /// As a table of Markdown.
    pub(super) fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut out = line(self.heads.iter().map(|head| head.trim_start_matches('>').to_owned()).collect());
        out += &line(
            self.heads.iter().map(|head| if head.starts_with('>') { "---:" } else { "---" }.to_owned()).collect(),
        );
        for row in &self.rows {
            out += &line(row.iter().map(|cell| plimsoll_report::markdown_text(cell)).collect());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_hostile_cells_stay_text() {
        let mut table = Table::new(&["name", ">p95"]);
        table.row(&["a".into(), "1.00 s".into()]);
        table.row(&["long|name\u{1b}[31m".into(), "10 ms".into()]);
        assert_eq!(
            table.text(),
            "name                    p95\na                    1.00 s\nlong|name\\u{1b}[31m   10 ms\n"
        );
        let markdown = table.markdown();
        assert!(markdown.starts_with("| name | p95 |\n| --- | ---: |\n"), "{markdown}");
        assert!(markdown.contains("long\\|name") && !markdown.contains('\u{1b}'), "{markdown}");
    }
}
