//! What is shown: Markdown tables in aligned columns, a figure as median, least and greatest. A figure that could not
//! be had is a dash, and the reason stands below the table.

use std::fmt::Write as _;

/// What stands where there is no figure.
const NONE: &str = "-";

#[derive(Debug, Default)]
pub(super) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    pub(super) fn new(head: &[&str]) -> Table {
        Table { head: head.iter().map(|&title| title.to_owned()).collect(), ..Table::default() }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// A sentence below the table, once.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    pub(super) fn show(&self) -> String {
        let widths: Vec<usize> = (0..self.head.len()).map(|column| self.width(column)).collect();
        let mut out = line(&self.head, &widths);
        let rules = widths.iter().enumerate().map(|(column, width)| match column {
            0 => "-".repeat(*width),
            _ => format!("{}:", "-".repeat(width - 1)),
        });
        out.push_str(&line(&rules.collect::<Vec<_>>(), &widths));
        self.rows.iter().for_each(|row| out.push_str(&line(row, &widths)));
        if !self.notes.is_empty() {
            out.push('\n');
        }
        for note in &self.notes {
            let _ = writeln!(out, "- {note}");
        }
        out
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.chain(self.head.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0).max(3)
    }
}

/// The first column names things, the others hold figures.
fn line(cells: &[String], widths: &[usize]) -> String {
    let cells = cells.iter().zip(widths).enumerate().map(|(column, (cell, &width))| match column {
        0 => format!("{cell:<width$}"),
        _ => format!("{cell:>width$}"),
    });
    format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

/// Figures of several runs, of which some may be missing.
#[derive(Debug, Clone)]
pub(super) struct Figures(Vec<f64>);

impl Figures {
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Figures {
        let mut sorted: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        Figures(sorted)
    }

    pub(super) fn of_known(values: impl IntoIterator<Item = Option<f64>>) -> Figures {
        Figures::of(values.into_iter().flatten())
    }

    /// The middle value, or the mean of the two in the middle.
    pub(super) fn median(&self) -> Option<f64> {
        let middle = self.0.len() / 2;
        match self.0.len() {
            0 => None,
            count if count % 2 == 1 => Some(self.0[middle]),
            _ => Some(f64::midpoint(self.0[middle - 1], self.0[middle])),
        }
    }

    /// The median alone.
    pub(super) fn show(&self, digits: usize) -> String {
        show(self.median(), digits)
    }

    /// `median [least, greatest]`; one figure stands for itself.
    pub(super) fn show_spread(&self, digits: usize) -> String {
        match (self.0.first(), self.0.last()) {
            (Some(least), Some(most)) if self.0.len() > 1 => {
                format!("{} [{least:.digits$}, {most:.digits$}]", self.show(digits))
            }
            _ => self.show(digits),
        }
    }
}

pub(super) fn show(figure: Option<f64>, digits: usize) -> String {
    figure.filter(|figure| figure.is_finite()).map_or_else(|| NONE.to_owned(), |figure| format!("{figure:.digits$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert_eq!(Figures::of([4.0, 1.0, 3.0]).median(), Some(3.0));
        assert_eq!(Figures::of([4.0, 1.0, 3.0, 2.0]).median(), Some(2.5));
    }

    #[test]
    fn a_figure_that_is_missing_is_a_dash_and_never_a_number() {
        assert_eq!(Figures::of_known([None, None]).show_spread(2), "-");
        assert_eq!(Figures::of([f64::NAN]).show(1), "-");
        assert_eq!(Figures::of_known([None, Some(2.0)]).show_spread(1), "2.0");
        assert_eq!(Figures::of([2.0, 1.0, 4.0]).show_spread(1), "2.0 [1.0, 4.0]");
    }

    #[test]
    fn columns_are_aligned_and_notes_stand_below_once() {
        let mut table = Table::new(&["peer", "us"]);
        table.row(vec!["wrk 4.1.0".to_owned(), "5.25".to_owned()]);
        table.row(vec!["hey".to_owned(), "18.50".to_owned()]);
        table.note("measured");
        table.note("measured");
        let shown = "| peer      |    us |\n| --------- | ----: |\n| wrk 4.1.0 |  5.25 |\n| hey       | 18.50 |\n\n- measured\n";
        assert_eq!(table.show(), shown);
    }
}
