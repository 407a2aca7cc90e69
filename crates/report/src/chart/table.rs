//! The data table behind a chart: what the picture shows, for readers who don't see it.

use maud::{Markup, html};

/// Most rows a table shows; a longer one shows every n-th row and says so.
const MOST_ROWS: usize = 60;

/// Rows of text, each with its first cell as a heading.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DataTable {
    /// The column headings, the first one for the rows' headings.
    pub(crate) columns: Vec<String>,
    /// The rows.
    pub(crate) rows: Vec<(String, Vec<String>)>,
}

impl DataTable {
    /// The table, folded away until somebody asks for it.
    pub(crate) fn folded(&self, caption: &str) -> Markup {
        let every = self.rows.len().div_ceil(MOST_ROWS).max(1);
        html! {
            details.data {
                summary { "Data: " (caption) }
                @if every > 1 {
                    p.note { "One in " (every) " of " (self.rows.len()) " points; the picture shows the extremes between them too." }
                }
                div.scroll tabindex="0" role="region" aria-label=(caption) {
                    table.numbers {
                        thead { tr { @for column in &self.columns { th scope="col" { (column) } } } }
                        tbody {
                            @for (heading, cells) in self.rows.iter().step_by(every) {
                                tr { th scope="row" { (heading) } @for cell in cells { td { (cell) } } }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_table_is_thinned_and_says_so() {
        let rows = (0..3600).map(|i| (i.to_string(), vec!["x".to_owned()])).collect();
        let table = DataTable { columns: vec!["time".into(), "value".into()], rows };
        let html = table.folded("memory").into_string();
        assert!(html.matches("<tr>").count() <= MOST_ROWS + 1);
        assert!(html.contains("One in 60 of 3600 points"), "{html}");
    }
}
