//! The `leak` fault: keys `session:<n>` without an expiry, written in the background at a steady rate.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use fred::interfaces::KeysInterface as _;
use tokio::time;

use crate::{
    clock::{Tick, UnixMillis},
    faults::Leak,
    link::{CallError, Link},
    logs::ErrorEvent,
    state::Shared,
};

const PERIOD: Duration = Duration::from_millis(50);

/// How far a leak has come since it was set.
#[derive(Debug)]
struct Progress {
    leak: Leak,
    since: Tick,
    keys: u64,
}

/// Leaks for as long as the fault is on, and waits for it otherwise.
pub(crate) async fn run(shared: Arc<Shared>, link: Arc<Link>) {
    // Numbers go on from the present microsecond: a service started again on the same Redis must add
    // keys, not overwrite the ones it left.
    let mut number = UnixMillis::now().0 * 1000;
    let mut progress: Option<Progress> = None;
    loop {
        time::sleep(PERIOD).await;
        let Some(leak) = shared.faults().leak else {
            progress = None;
            continue;
        };
        if progress.as_ref().is_none_or(|progress| progress.leak != leak) {
            progress = Some(Progress::start(leak));
        }
        let due = progress.as_mut().map_or(0, |progress| progress.take_due());
        if let Err(error) = write(&link, number, due, leak.value_bytes).await {
            let message = format!("the leak could not write {due} keys: {error}");
            shared.logs.error(ErrorEvent::RedisError, None, &message);
        }
        number += due;
    }
}

impl Progress {
    fn start(leak: Leak) -> Self {
        Self { leak, since: Tick::now(), keys: 0 }
    }

    fn take_due(&mut self) -> u64 {
        let due = due(self.leak.keys_per_second, self.since.elapsed(), self.keys);
        self.keys += due.total();
        due.now
    }
}

/// Keys to write now, and keys given up because the writer fell more than a second behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    now: u64,
    given_up: u64,
}

impl Due {
    fn total(self) -> u64 {
        self.now + self.given_up
    }
}

/// A leak that was held up (a stalled Redis) goes on at its rate; it does not catch up in one blow.
fn due(keys_per_second: u32, elapsed: Duration, done: u64) -> Due {
    let rate = u64::from(keys_per_second);
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let owed = (millis.saturating_mul(rate) / 1000).saturating_sub(done);
    let now = owed.min(rate);
    Due { now, given_up: owed - now }
}

async fn write(link: &Link, first: u64, count: u64, value_bytes: u32) -> Result<(), CallError> {
    if count == 0 {
        return Ok(());
    }
    let session = link.session()?;
    let length = usize::try_from(value_bytes).unwrap_or(usize::MAX);
    let value = Bytes::from(vec![b'x'; length]);
    let pairs: Vec<(String, Bytes)> =
        (first..first + count).map(|number| (format!("session:{number}"), value.clone())).collect();
    let written = session.client.mset(pairs).await;
    written.map_err(|error| link.failed(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_kept_whatever_the_rhythm_of_the_writer() {
        let mut done = 0;
        for at_ms in [3u64, 50, 51, 400, 1000] {
            done += due(100, Duration::from_millis(at_ms), done).total();
            assert_eq!(done, at_ms / 10);
        }
    }

    #[test]
    fn a_leak_that_was_held_up_does_not_catch_up_in_one_blow() {
        let after_a_stall = due(100, Duration::from_secs(30), 100);
        assert_eq!(after_a_stall, Due { now: 100, given_up: 2800 });
    }
}
