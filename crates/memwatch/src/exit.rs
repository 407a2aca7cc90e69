//! How memwatch ends: the exit codes, and what is said when it fails.

use std::fmt::Display;
use std::process::ExitCode;

use plimsoll_plan::Problems;
use plimsoll_record::RunError;
use plimsoll_record::files::WriteError;
use plimsoll_sampler::StartError;

/// An alarm stopped the command.
pub(crate) const STOPPED: u8 = 1;
/// A wrong plan, option or command.
pub(crate) const USAGE: u8 = 2;
/// Redis cannot be reached, or a file cannot be written.
pub(crate) const ENVIRONMENT: u8 = 4;
/// Interrupted before its time.
pub(crate) const INTERRUPTED: u8 = 130;

/// Why memwatch could not do what it was asked to do.
#[derive(Debug)]
pub(crate) struct Fatal {
    code: u8,
    message: Message,
}

#[derive(Debug)]
enum Message {
    Error(anyhow::Error),
    Plan(Problems),
}

impl Fatal {
    /// The way it was called is wrong.
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { code: USAGE, message: Message::Error(error.into()) }
    }

    /// The way it was called is wrong, in words.
    pub(crate) fn usage_message(message: impl Display) -> Self {
        Self::usage(anyhow::anyhow!("{message}"))
    }

    /// The world is not as it should be.
    pub(crate) fn environment(error: impl Into<anyhow::Error>) -> Self {
        Self { code: ENVIRONMENT, message: Message::Error(error.into()) }
    }

    /// Tells the user on stderr.
    pub(crate) fn report(self) -> ExitCode {
        match &self.message {
            Message::Error(error) => anstream::eprintln!("memwatch: {error:#}"),
            // anstream drops the colours where they are not wanted.
            Message::Plan(problems) => anstream::eprintln!("{}", problems.render(true)),
        }
        ExitCode::from(self.code)
    }
}

impl From<Problems> for Fatal {
    fn from(problems: Problems) -> Self {
        Self { code: USAGE, message: Message::Plan(problems) }
    }
}

impl From<WriteError> for Fatal {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Exists { .. } => Self::usage(error),
            WriteError::Io { .. } => Self::environment(error),
        }
    }
}

impl From<StartError> for Fatal {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Redis { .. } | StartError::Postgres { .. } => Self::environment(error),
            StartError::Record(error) => error.into(),
        }
    }
}

impl From<RunError> for Fatal {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Unwritable { .. } | RunError::Unreadable { .. } => Self::environment(error),
            _ => Self::usage(error),
        }
    }
}
