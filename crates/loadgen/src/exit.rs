//! How the program ends: the exit codes of all plimsoll tools, and one place that says what went wrong.

use std::error::Error;
use std::process::ExitCode;

/// Nothing succeeded, or the generator broke down.
pub(crate) const FAILED: u8 = 1;
/// The command line or the plan is wrong.
pub(crate) const USAGE: u8 = 2;
/// Nothing was measured.
pub(crate) const INCONCLUSIVE: u8 = 3;
/// The target or the run directory is out of reach.
pub(crate) const ENVIRONMENT: u8 = 4;
/// Interrupted by a signal.
pub(crate) const INTERRUPTED: u8 = 130;

/// An end before the end.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// A failure with a message of its own.
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A failure from an error and its causes.
    pub(crate) fn from_error(code: u8, error: &dyn Error) -> Self {
        let mut message = format!("error: {error}");
        let mut cause = error.source();
        while let Some(inner) = cause {
            message.push_str(&format!("\n  because: {inner}"));
            cause = inner.source();
        }
        Self { code, message }
    }

    /// Says what happened on standard error; the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        anstream::eprintln!("{}", self.message.trim_end());
        ExitCode::from(self.code)
    }
}
