//! Exit codes: 0 pass, warn or done; 1 fail; 2 usage or configuration; 3 inconclusive; 4 environment.

use std::process::ExitCode;

use plimsoll_record::verdict::Judgement;

use crate::judging::Trouble;

const DONE: u8 = 0;
const FAIL: u8 = 1;
const USAGE: u8 = 2;
const INCONCLUSIVE: u8 = 3;
const ENVIRONMENT: u8 = 4;

/// The exit code of a verdict; with `strict` a warning is a failure.
pub(crate) fn of_verdict(judgement: Judgement, strict: bool) -> ExitCode {
    ExitCode::from(match judgement {
        Judgement::Pass => DONE,
        Judgement::Warn if strict => FAIL,
        Judgement::Warn => DONE,
        Judgement::Fail => FAIL,
        Judgement::Inconclusive => INCONCLUSIVE,
    })
}

/// The exit code of a report that was written, whatever it says.
pub(crate) fn done() -> ExitCode {
    ExitCode::from(DONE)
}

/// The exit code of a comparison that found something much worse.
pub(crate) fn failed() -> ExitCode {
    ExitCode::from(FAIL)
}

/// The exit code of a plan that cannot decide what it requires.
pub(crate) fn undecided() -> ExitCode {
    ExitCode::from(INCONCLUSIVE)
}

/// The exit code of an error.
pub(crate) fn of_error(error: &anyhow::Error) -> ExitCode {
    let usage = error.downcast_ref::<Trouble>().is_some_and(Trouble::is_usage);
    ExitCode::from(if usage { USAGE } else { ENVIRONMENT })
}
