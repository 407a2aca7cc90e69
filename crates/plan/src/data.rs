//! Data that users bring along: rows of a file or of the plan, and files that are sent as they are.
//!
//! A plan in memory holds the content; a written one holds path, length and hash, so that a record stays small and
//! says exactly what was sent.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// A set of rows: `[data.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSet {
    /// Its name, unique in the plan.
    pub name: String,
    /// The columns, in the order of the file or of the first row.
    pub columns: Vec<String>,
    /// Where the rows are.
    pub source: DataSource,
    /// Which row an iteration gets. All columns an iteration uses come from one row.
    pub take: Take,
}

/// Where the rows of a set are.
#[derive(Clone, Debug, PartialEq)]
pub enum DataSource {
    /// In the plan.
    Plan(Rows),
    /// In a file: CSV with a line of column names, or JSON Lines.
    File {
        /// The file.
        file: FileFact,
        /// How many rows it has; above zero.
        count: usize,
        /// The rows; `None` in a plan that was read back from a record.
        rows: Option<Rows>,
    },
}

/// Which row an iteration gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// One after another, over all users and phases.
    InOrder(AtEnd),
    /// Any, each as likely: a function of the seed, the user and the iteration.
    Random,
    /// Each user has one row of its own and keeps it: user n the n-th. The default end is `stop`.
    Unique(AtEnd),
}

/// What happens when every row was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtEnd {
    /// It begins anew. The default of `in_order`.
    Wrap,
    /// `in_order`: no further iteration of a flow that uses the set starts. `unique`: users beyond the last row do
    /// not run such flows.
    Stop,
}

/// Rows of values; every row has a value for every column. Cheap to clone.
#[derive(Clone, Default, PartialEq)]
pub struct Rows {
    width: usize,
    cells: Arc<[Value]>,
}

impl Rows {
    /// Rows of `width` columns from their cells, row by row; `None` when the last row is not complete.
    #[must_use]
    pub fn new(width: usize, cells: Vec<Value>) -> Option<Self> {
        let whole = if width == 0 { cells.is_empty() } else { cells.len().is_multiple_of(width) };
        whole.then(|| Self { width, cells: cells.into() })
    }

    /// How many rows there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.cells.len().checked_div(self.width).unwrap_or(0)
    }

    /// A row, the first one 0: its values in the order of the columns. Values of CSV are text.
    #[must_use]
    pub fn row(&self, index: usize) -> Option<&[Value]> {
        let start = index.checked_mul(self.width)?;
        self.cells.get(start..start.checked_add(self.width)?).filter(|row| !row.is_empty())
    }

    /// All rows.
    pub fn iter(&self) -> impl Iterator<Item = &[Value]> {
        self.cells.chunks_exact(self.width.max(1))
    }
}

/// Only the size: files are large.
impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rows({} x {})", self.count(), self.width)
    }
}

impl DataSet {
    /// How many rows it has.
    #[must_use]
    pub fn count(&self) -> usize {
        match &self.source {
            DataSource::Plan(rows) => rows.count(),
            DataSource::File { count, .. } => *count,
        }
    }

    /// The rows; `None` in a plan that was read back from a record.
    #[must_use]
    pub fn rows(&self) -> Option<&Rows> {
        match &self.source {
            DataSource::Plan(rows) => Some(rows),
            DataSource::File { rows, .. } => rows.as_ref(),
        }
    }

    /// Where a column stands in a row.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }
}

/// Which file it was: the path as the plan has it, and what stood in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFact {
    /// The path as stated.
    pub path: String,
    /// How many bytes it had.
    pub bytes: u64,
    /// SHA-256 of its content in lower-case hexadecimal digits, as `sha256sum` shows it.
    pub sha256: String,
}

/// A file that is sent as it is: a body, or a part of a multipart body.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Which file.
    pub file: FileFact,
    /// Its content; `None` in a plan that was read back from a record.
    pub content: Option<Arc<[u8]>>,
}

/// Without the content.
impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment").field("file", &self.file).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_whole() {
        let cells = || ["a", "b", "c", "d"].map(Value::from).to_vec();
        let rows = Rows::new(2, cells()).unwrap();
        assert_eq!((rows.count(), rows.row(1), rows.row(2)), (2, Some(&cells()[2..]), None));
        assert_eq!(rows.iter().count(), 2);
        assert!(Rows::new(3, cells()).is_none());
        assert_eq!(Rows::new(0, Vec::new()).unwrap().count(), 0);
        assert_eq!(format!("{rows:?}"), "Rows(2 x 2)");
    }
}
