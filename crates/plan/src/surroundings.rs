//! What a plan may refer to outside its text: variables and files. The caller decides what they are.
//!
//! This crate never looks either up itself: programs hand in their environment and their files, tests hand in theirs.

use std::fmt;
use std::io;

/// The lookups a plan is read with.
///
/// # Example
/// ```
/// use plimsoll_plan::Surroundings;
///
/// let home = Surroundings { environment: &|name| (name == "HOST").then(|| "10.0.0.1".to_owned()), ..Surroundings::NONE };
/// assert_eq!((home.environment)("HOST").as_deref(), Some("10.0.0.1"));
/// assert!((home.file)("users.csv").is_err());
/// ```
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The value of a variable, `None` when it is not set.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// The content of a file the plan names, by the path as it stands there. Programs take relative paths from the
    /// plan's own directory.
    pub file: &'a dyn Fn(&str) -> io::Result<Vec<u8>>,
}

impl Surroundings<'_> {
    /// No variable is set and no file exists.
    pub const NONE: Self = Self { environment: &|_| None, file: &|_| Err(io::ErrorKind::NotFound.into()) };
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").finish_non_exhaustive()
    }
}
