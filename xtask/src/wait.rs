//! Waiting with an end: for a condition, until a deadline, unless the user asks to stop.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::interrupt;

/// Short enough that a start-up feels immediate, long enough to cost nothing beside a measurement.
pub(crate) const PAUSE: Duration = Duration::from_millis(25);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    started: Instant,
    limit: Duration,
}

impl Deadline {
    #[expect(clippy::disallowed_methods, reason = "a time limit of our own: nothing here is measured or recorded")]
    pub(crate) fn after(limit: Duration) -> Deadline {
        Deadline { started: Instant::now(), limit }
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.elapsed() >= self.limit
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Tries until there is a value. The last refusal is part of the error, for it says what was missing.
pub(crate) fn until<T>(
    what: &str,
    limit: Duration,
    mut attempt: impl FnMut() -> anyhow::Result<Attempt<T>>,
) -> anyhow::Result<T> {
    let deadline = Deadline::after(limit);
    loop {
        interrupt::check()?;
        match attempt()? {
            Attempt::Done(value) => return Ok(value),
            Attempt::NotYet(why) if deadline.has_passed() => {
                bail!("waited {} s for {what}: {why}", limit.as_secs())
            }
            Attempt::NotYet(_) => thread::sleep(PAUSE),
        }
    }
}

/// The answer of one attempt; an error instead of it means that waiting on is pointless.
#[derive(Debug)]
pub(crate) enum Attempt<T> {
    Done(T),
    NotYet(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_the_first_value() {
        let mut left = 3;
        let value = until("a countdown", Duration::from_secs(5), || {
            left -= 1;
            Ok(if left == 0 { Attempt::Done("now") } else { Attempt::NotYet(format!("{left} left")) })
        });
        assert_eq!(value.unwrap(), "now");
    }

    #[test]
    fn a_deadline_names_what_was_missing_and_why() {
        let error = until::<()>("the moon", Duration::ZERO, || Ok(Attempt::NotYet("clouds".to_owned()))).unwrap_err();
        assert_eq!(error.to_string(), "waited 0 s for the moon: clouds");
    }

    #[test]
    fn an_error_ends_the_wait_at_once() {
        let error = until::<()>("x", Duration::from_secs(60), || bail!("it died")).unwrap_err();
        assert_eq!(error.to_string(), "it died");
    }
}
