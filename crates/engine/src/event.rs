//! What a run tells whoever shows its progress. Everything here is also in the record.

use plimsoll_record::Offset;
use plimsoll_record::summary::Totals;
use plimsoll_record::traffic::SlowRequest;

/// Something happened in a run.
#[derive(Clone, Debug)]
pub enum Event {
    /// The traffic starts.
    Started {
        /// The phases in order.
        phases: Vec<PhaseSpan>,
    },
    /// An interval was recorded.
    Interval(Box<Progress>),
    /// A request was slower than the plan's `slow`. Of each interval the first few are told one by one.
    Slow {
        /// The request.
        request: Box<SlowRequest>,
        /// When it ended, in nanoseconds from the start of the traffic.
        elapsed_ns: i64,
    },
    /// More requests of an interval were slow than were told.
    MoreSlow {
        /// How many.
        count: u64,
        /// When the interval ended, in nanoseconds from the start of the traffic.
        elapsed_ns: i64,
    },
}

/// A phase as planned, in nanoseconds from the start of the traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseSpan {
    /// Its name.
    pub name: String,
    /// When it starts.
    pub start_ns: i64,
    /// When it ends; `None` when it ends with its iterations.
    pub end_ns: Option<i64>,
    /// Arrivals it schedules in all, when the plan alone decides that.
    pub planned_arrivals: Option<u64>,
}

/// One interval of a run, all phases and operations together.
#[derive(Clone, Debug)]
pub struct Progress {
    /// When the interval ended, on the run's clock.
    pub at: Offset,
    /// The same in nanoseconds from the start of the traffic.
    pub elapsed_ns: i64,
    /// What happened in it.
    pub totals: Totals,
    /// Arrivals that ended since the start.
    pub finished: u64,
    /// Of those, failures.
    pub failures: u64,
    /// Arrivals under way or waiting at the interval's end.
    pub pending: u64,
    /// Open connections at the interval's end.
    pub connections: u64,
    /// Requests the generator itself sent late.
    pub sent_late: u64,
}
