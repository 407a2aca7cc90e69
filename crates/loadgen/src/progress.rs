//! What is seen while a run goes on, on standard error: one line that renews itself on a terminal, else a plain line
//! every few seconds.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use plimsoll_engine::Event;
use plimsoll_engine::event::{PhaseSpan, Progress};
use plimsoll_plan::{Plan, UserPattern};
use plimsoll_record::ledger::{Class, Outcome};
use plimsoll_record::summary::Totals;
use plimsoll_record::traffic::SlowRequest;
use plimsoll_record::units::{Unit, show_count, show_duration};

/// Seconds between plain lines.
const PLAIN_EVERY: i64 = 5_000_000_000;

/// What indices in events stand for.
#[derive(Clone, Debug)]
struct Names {
    operations: Vec<String>,
    users: UserPattern,
}

impl Names {
    fn of(plan: &Plan) -> Self {
        Self { operations: plan.operations(), users: plan.users.id.clone() }
    }
}

/// Shows events as they come.
pub(crate) struct Screen {
    display: Display,
    names: Names,
    phases: Vec<PhaseSpan>,
}

impl Screen {
    pub(crate) fn new(plan: &Plan, quiet: bool) -> Self {
        let display = if quiet { Display::None } else { Display::choose() };
        Self { display, names: Names::of(plan), phases: Vec::new() }
    }

    pub(crate) fn show(&mut self, event: Event) {
        match event {
            Event::Started { phases } => self.phases = phases,
            Event::Interval(progress) => self.display.update(&self.phases, &progress),
            Event::Slow { request, elapsed_ns } => self.display.say(&slow(&request, elapsed_ns, &self.names)),
            Event::MoreSlow { count, elapsed_ns } => self.display.say(&more_slow(count, elapsed_ns)),
        }
    }

    /// Shows a line that stays; nothing when it is to be quiet.
    pub(crate) fn say(&self, line: &str) {
        self.display.say(line);
    }

    /// Takes away what renews itself.
    pub(crate) fn finish(self) {
        self.display.finish();
    }
}

enum Display {
    None,
    Renewed(ProgressBar),
    Plain { next: i64 },
}

impl Display {
    fn choose() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Plain { next: 0 };
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar.set_message("starting");
        bar.enable_steady_tick(Duration::from_millis(200));
        Self::Renewed(bar)
    }

    fn update(&mut self, phases: &[PhaseSpan], progress: &Progress) {
        match self {
            Self::None => {}
            Self::Renewed(bar) => bar.set_message(line(phases, progress)),
            Self::Plain { next } if progress.elapsed_ns < *next => {}
            Self::Plain { next } => {
                *next = progress.elapsed_ns + PLAIN_EVERY;
                anstream::eprintln!("{}", line(phases, progress));
            }
        }
    }

    /// Shows a line that stays.
    fn say(&self, line: &str) {
        match self {
            Self::None => {}
            Self::Renewed(bar) => bar.suspend(|| anstream::eprintln!("{line}")),
            Self::Plain { .. } => anstream::eprintln!("{line}"),
        }
    }

    fn finish(self) {
        if let Self::Renewed(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// `slow: chat 3.42 s user loadtest_user_17 at 0:41`, and how it ended when it did not end well.
fn slow(request: &SlowRequest, elapsed_ns: i64, names: &Names) -> String {
    let operation = names.operations.get(request.operation as usize).map_or("?", String::as_str);
    let (took, user) = (show_duration(Duration::from_nanos(request.response_ns)), names.users.id(request.user));
    let at = clock(elapsed_ns.max(0).cast_unsigned());
    let ended = request.outcome.filter(|outcome| *outcome != Outcome::Ok);
    let ended = ended.map_or_else(String::new, |outcome| format!(", {}", outcome.name().replace('_', " ")));
    format!("slow: {operation} {took} user {user} at {at}{ended}")
}

fn more_slow(count: u64, elapsed_ns: i64) -> String {
    let until = clock(elapsed_ns.max(0).cast_unsigned());
    format!("slow: {} more until {until}", show_count(count as f64))
}

fn line(phases: &[PhaseSpan], progress: &Progress) -> String {
    let totals = &progress.totals;
    let rate = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| Unit::PerSecond.show(value));
    let mut line = format!(
        "{} {}  offered {} achieved {}{}  {}  errors {}  open {}",
        phase_names(phases, progress.elapsed_ns),
        clock(progress.elapsed_ns.max(0).cast_unsigned()),
        rate(totals.offered()),
        rate(totals.throughput()),
        limited(totals),
        latency(totals),
        show_count(progress.failures as f64),
        show_count(progress.pending as f64),
    );
    if progress.sent_late > 0 {
        line.push_str(&format!("  generator late {}", show_count(progress.sent_late as f64)));
    }
    if let Some(left) = time_left(phases, progress) {
        line.push_str(&format!("  {} left", clock(left)));
    }
    line
}

fn limited(totals: &Totals) -> String {
    let count = totals.ledger.class(Class::Limited);
    if count == 0 { String::new() } else { format!(" ({} limited)", show_count(count as f64)) }
}

/// Of served answers; where there are none, of the refusals, and said to be.
fn latency(totals: &Totals) -> String {
    let shown = |what: &str, p50: u64, p99: u64| {
        let nanos = |nanos| show_duration(Duration::from_nanos(nanos));
        format!("{what}p50 {} p99 {}", nanos(p50), nanos(p99))
    };
    let refusals = &totals.limited.response;
    match (totals.response(0.5), totals.response(0.99), refusals.quantile(0.5), refusals.quantile(0.99)) {
        (Some(p50), Some(p99), ..) => shown("", p50.nanos, p99.nanos),
        (.., Some(p50), Some(p99)) => shown("limited ", p50, p99),
        _ => "no answers".to_owned(),
    }
}

/// Minutes and seconds: `1:05`.
fn clock(nanos: u64) -> String {
    let seconds = nanos.div_ceil(1_000_000_000);
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// The phases an interval ends in; between or after phases, the one that ended last.
fn phase_names(phases: &[PhaseSpan], elapsed_ns: i64) -> String {
    let begun = || phases.iter().filter(|phase| phase.start_ns < elapsed_ns);
    let runs = |phase: &&PhaseSpan| phase.end_ns.is_none_or(|end| elapsed_ns <= end);
    let names: Vec<&str> = begun().filter(runs).map(|phase| phase.name.as_str()).collect();
    if names.is_empty() {
        let last = begun().max_by_key(|phase| phase.end_ns).or(phases.first());
        return last.map_or_else(String::new, |phase| phase.name.clone());
    }
    names.join(" + ")
}

/// Until the planned end, or until the iterations are done at the present pace.
fn time_left(phases: &[PhaseSpan], progress: &Progress) -> Option<u64> {
    let ends: Option<Vec<i64>> = phases.iter().map(|phase| phase.end_ns).collect();
    let by_time = ends.and_then(|ends| ends.into_iter().max()).map(|end| end - progress.elapsed_ns);
    let planned = phases.iter().map(|phase| phase.planned_arrivals).sum::<Option<u64>>();
    let by_count = planned.map(|planned| {
        let share = progress.finished as f64 / planned.max(1) as f64;
        if share > 0.0 { (progress.elapsed_ns as f64 * (1.0 - share) / share) as i64 } else { i64::MAX }
    });
    let left = by_time.or(by_count)?;
    (left > 0 && left != i64::MAX).then_some(left.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_record::Offset;

    fn phase(name: &str, start_ns: i64, end_ns: Option<i64>) -> PhaseSpan {
        PhaseSpan { name: name.to_owned(), start_ns, end_ns, planned_arrivals: None }
    }

    #[test]
    fn a_slow_request_is_one_line() {
        let users = UserPattern { prefix: "loadtest_user_".to_owned(), suffix: String::new() };
        let names = Names { operations: vec!["chat".to_owned()], users };
        let request = |outcome| SlowRequest {
            phase: 0,
            operation: 0,
            user: 17,
            iteration: 0,
            intended_ns: Offset(0),
            response_ns: 3_420_000_000,
            service_ns: 3_000_000_000,
            outcome: Some(outcome),
            status: 200,
        };
        let line = |outcome| slow(&request(outcome), 40_100_000_000, &names);
        assert_eq!(line(Outcome::Ok), "slow: chat 3.42 s user loadtest_user_17 at 0:41");
        assert_eq!(line(Outcome::TimedOut), "slow: chat 3.42 s user loadtest_user_17 at 0:41, timed out");
        assert_eq!(more_slow(1_234, 42_000_000_000), "slow: 1,234 more until 0:42");
    }

    #[test]
    fn a_clock_counts_minutes_and_seconds() {
        assert_eq!((clock(5_000_000_000).as_str(), clock(125_300_000_000).as_str()), ("0:05", "2:06"));
    }

    #[test]
    fn where_all_is_refused_the_refusals_latency_is_shown_as_such() {
        let mut totals = Totals::default();
        assert_eq!(latency(&totals), "no answers");
        totals.limited.record(2_000_000, 1_000_000);
        assert!(latency(&totals).starts_with("limited p50 2.00 ms"), "{}", latency(&totals));
    }

    #[test]
    fn an_interval_belongs_to_the_phase_it_ends_in() {
        let phases = [phase("warm-up", 0, Some(10)), phase("steady", 10, Some(30)), phase("burst", 15, Some(20))];
        let at = |elapsed_ns| phase_names(&phases, elapsed_ns);
        assert_eq!((at(10).as_str(), at(11).as_str(), at(16).as_str()), ("warm-up", "steady", "steady + burst"));
        assert_eq!((at(21).as_str(), at(31).as_str()), ("steady", "steady"));
    }
}
