//! Exit codes: the ones the tools share, and which of them an error of ours stands for.

use std::fmt;

use crate::interrupt::Interrupted;

pub(crate) const PASS: u8 = 0;
pub(crate) const FAIL: u8 = 1;
pub(crate) const USAGE: u8 = 2;
pub(crate) const INCONCLUSIVE: u8 = 3;
pub(crate) const ENVIRONMENT: u8 = 4;
pub(crate) const INTERRUPTED: u8 = 130;

/// The command line asks for something that cannot be; the message says what can.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Whatever is neither a usage error nor an interrupt is this machine's: a tool missing, a port taken, a disk full.
pub(crate) fn code_of(error: &anyhow::Error) -> u8 {
    if error.is::<Usage>() {
        USAGE
    } else if error.is::<Interrupted>() {
        INTERRUPTED
    } else {
        ENVIRONMENT
    }
}

/// One exit code for a chain: the tools that made the record, then the verdict on it.
///
/// A producer that refused its plan (2) or its environment (4) or was interrupted explains everything after it.
/// Else the verdict decides, but a producer that ended in any other unforeseen way never turns into a pass.
pub(crate) fn of_chain(producer: u8, verdict: Option<u8>) -> u8 {
    match (producer, verdict) {
        (USAGE | ENVIRONMENT | INTERRUPTED, _) => producer,
        (PASS, None) => INCONCLUSIVE,
        (FAIL | INCONCLUSIVE, None) => producer,
        (_, None) => ENVIRONMENT,
        (FAIL | INCONCLUSIVE, Some(PASS)) => producer,
        (PASS | FAIL | INCONCLUSIVE, Some(verdict)) => verdict,
        (_, Some(PASS)) => ENVIRONMENT,
        (_, Some(verdict)) => verdict,
    }
}

/// In words, for the table after several plans.
pub(crate) fn word(code: u8) -> &'static str {
    match code {
        PASS => "pass",
        FAIL => "fail",
        USAGE => "configuration error",
        INCONCLUSIVE => "inconclusive",
        ENVIRONMENT => "environment error",
        INTERRUPTED => "interrupted",
        _ => "unknown",
    }
}

/// The exit code for several plans: the one that asks for most attention.
pub(crate) fn worst(codes: impl IntoIterator<Item = u8>) -> u8 {
    codes.into_iter().max_by_key(|code| gravity(*code)).unwrap_or(USAGE)
}

fn gravity(code: u8) -> u8 {
    match code {
        PASS => 0,
        INCONCLUSIVE => 1,
        FAIL => 2,
        USAGE => 3,
        ENVIRONMENT => 4,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_decides_when_the_tools_did_their_work() {
        for verdict in [PASS, FAIL, USAGE, INCONCLUSIVE, ENVIRONMENT] {
            assert_eq!(of_chain(PASS, Some(verdict)), verdict);
        }
    }

    #[test]
    fn a_refused_plan_or_environment_wins_over_the_verdict() {
        assert_eq!(of_chain(USAGE, Some(FAIL)), USAGE);
        assert_eq!(of_chain(ENVIRONMENT, Some(INCONCLUSIVE)), ENVIRONMENT);
        assert_eq!(of_chain(INTERRUPTED, Some(PASS)), INTERRUPTED);
    }

    #[test]
    fn only_a_clean_producer_and_a_passing_verdict_make_a_pass() {
        for producer in 0..=u8::MAX {
            for verdict in [None, Some(PASS), Some(FAIL), Some(INCONCLUSIVE)] {
                let passed = of_chain(producer, verdict) == PASS;
                assert_eq!(passed, producer == PASS && verdict == Some(PASS), "{producer} {verdict:?}");
            }
        }
    }

    #[test]
    fn of_several_plans_the_gravest_code_is_taken() {
        assert_eq!(worst([PASS, INCONCLUSIVE]), INCONCLUSIVE);
        assert_eq!(worst([INCONCLUSIVE, FAIL, PASS]), FAIL);
        assert_eq!(worst([FAIL, ENVIRONMENT]), ENVIRONMENT);
        assert_eq!(worst([]), USAGE);
    }

    #[test]
    fn errors_of_usage_keep_their_code_under_context() {
        let error = anyhow::Error::new(Usage("no such plan".to_owned())).context("loadtest");
        assert_eq!(code_of(&error), USAGE);
    }
}
