//! Slow requests on their way from the workers to whoever shows progress and to the record.
//!
//! The first few of an interval are shown as they happen; the record gets the slowest ones and the number of all.

use std::sync::mpsc::SyncSender;

use plimsoll_record::Offset;
use plimsoll_record::traffic::{SlowInterval, SlowRequest};

use crate::event::Event;

/// The slow requests of intervals that are not written yet.
#[derive(Debug, Default)]
pub(super) struct SlowLog {
    waiting: Vec<SlowRequest>,
    /// How many were shown since the last interval was written.
    shown: usize,
}

impl SlowLog {
    /// A worker says that a request was slow.
    pub(super) fn take(&mut self, request: SlowRequest, start: Offset, events: &SyncSender<Event>) {
        if self.shown < SlowInterval::MOST {
            let elapsed_ns = request.done().0.saturating_sub(start.0);
            // Whoever shows progress and is behind misses it; the record has it.
            let shown = events.try_send(Event::Slow { request: Box::new(request.clone()), elapsed_ns });
            self.shown += usize::from(shown.is_ok());
        }
        self.waiting.push(request);
    }

    /// What the record says of an interval in which `count` requests were slow; `None` when none was.
    pub(super) fn turn(
        &mut self,
        count: u64,
        at_ns: Offset,
        len_ns: u64,
        start: Offset,
        events: &SyncSender<Event>,
    ) -> Option<SlowInterval> {
        let shown = std::mem::take(&mut self.shown) as u64;
        if count == 0 {
            return None;
        }
        let end = Offset(at_ns.0.saturating_add_unsigned(len_ns));
        if count > shown {
            let elapsed_ns = end.0.saturating_sub(start.0);
            let _ = events.try_send(Event::MoreSlow { count: count - shown, elapsed_ns });
        }
        // A worker that is ahead may have told of requests of the next interval.
        let (mut slowest, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|request| request.done() <= end);
        self.waiting = later;
        slowest.sort_by_key(|request| std::cmp::Reverse(request.response_ns));
        slowest.truncate(SlowInterval::MOST);
        Some(SlowInterval { at_ns, len_ns, count, slowest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_record::ledger::Outcome;

    const START: Offset = Offset(1_000);

    fn slow(intended: i64, response_ns: u64) -> SlowRequest {
        SlowRequest {
            phase: 0,
            operation: 0,
            user: 1,
            iteration: 0,
            intended_ns: Offset(intended),
            response_ns,
            service_ns: response_ns,
            outcome: Some(Outcome::Ok),
            status: 200,
        }
    }

    #[test]
    fn an_interval_lists_its_slowest_and_counts_all() {
        let (events, shown) = std::sync::mpsc::sync_channel(100);
        let mut log = SlowLog::default();
        for response in 1..=25 {
            log.take(slow(1_000, response), START, &events);
        }
        log.take(slow(2_000, 500), START, &events);
        let row = log.turn(40, START, 1_000, START, &events).unwrap();
        let listed: Vec<u64> = row.slowest.iter().map(|request| request.response_ns).collect();
        assert_eq!((row.count, listed), (40, (16..=25).rev().collect()));
        let told: Vec<Event> = shown.try_iter().collect();
        assert_eq!(told.len(), SlowInterval::MOST + 1);
        assert!(matches!(told[0], Event::Slow { elapsed_ns: 1, .. }), "{:?}", told[0]);
        assert!(matches!(told.last(), Some(Event::MoreSlow { count: 30, elapsed_ns: 1_000 })), "{told:?}");
        let next = log.turn(1, Offset(2_000), 1_000, START, &events).unwrap();
        assert_eq!(next.slowest, [slow(2_000, 500)]);
    }

    #[test]
    fn an_interval_without_slow_requests_has_no_row() {
        let (events, _shown) = std::sync::mpsc::sync_channel(1);
        assert_eq!(SlowLog::default().turn(0, START, 1, START, &events), None);
    }
}
