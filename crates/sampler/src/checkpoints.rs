//! Checkpoints of keys in a run: before the load, after it, and in between if the plan wants that.
//!
//! When they are due and what becomes of one that fails; how keys are read is in [`crate::keys`].

use std::time::Duration;

use plimsoll_plan::{KeysWatch, RedisSource, Watch};
use plimsoll_record::RunClock;
use plimsoll_record::keys::{Checkpoint, KeysFact, KeysHeader, Occasion};
use tokio::sync::{mpsc, watch as signal};

use crate::keys::{Options, read};
use crate::recorder::Message;

/// Longer than any run.
const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// What takes the checkpoints of a run.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoints {
    source: RedisSource,
    wanted: KeysWatch,
    clock: RunClock,
}

impl Checkpoints {
    /// For a plan that wants them and has a Redis that can be asked.
    pub(crate) fn of(watch: &Watch, clock: RunClock) -> Option<Self> {
        let source = watch.redis.as_ref()?.each().iter().find(|source| matches!(source, RedisSource::Server(_)))?;
        Some(Self { source: source.clone(), wanted: watch.keys?, clock })
    }

    /// The head of their file.
    pub(crate) fn header(&self) -> KeysHeader {
        let budget_ns = u64::try_from(self.wanted.affordable().as_nanos()).unwrap_or(u64::MAX);
        KeysHeader { source: self.source.to_string(), samples: self.wanted.samples, budget_ns }
    }

    /// Takes one. What cannot be taken is a gap with its reason.
    pub(crate) async fn take(&self, occasion: Occasion) -> KeysFact {
        let options = Options { samples: self.wanted.samples, budget: self.wanted.affordable(), ..Options::default() };
        let at_ns = self.clock.now();
        match read(&self.source, &options, occasion, self.clock).await {
            Ok(checkpoint) => KeysFact::Checkpoint(checkpoint),
            Err(failure) => KeysFact::Gap { at_ns, reason: failure.reason, detail: failure.detail },
        }
    }

    /// Takes those in between, and the last one when it is told to stop.
    pub(crate) async fn run(self, mut stopped: signal::Receiver<bool>, messages: mpsc::Sender<Message>) {
        loop {
            let last = tokio::select! {
                biased;
                // An error means that the watcher was dropped: there is nobody to take a checkpoint for.
                told = stopped.changed() => match told {
                    Ok(()) => true,
                    Err(_) => return,
                },
                () = tokio::time::sleep(self.wanted.every.unwrap_or(NEVER)) => false,
            };
            let fact = self.take(if last { Occasion::End } else { Occasion::During }).await;
            if messages.send(Message::Keys(fact)).await.is_err() || last {
                return;
            }
        }
    }
}

/// The databases that hold keys and were not meant to, with how many.
pub(crate) fn elsewhere(checkpoint: &Checkpoint, expected: &[u32]) -> Vec<(u32, u64)> {
    let unexpected = |number| !expected.is_empty() && !expected.contains(&number);
    let holding = checkpoint.databases.iter().filter(|database| unexpected(database.number));
    holding.map(|database| (database.number, database.keys)).collect()
}
