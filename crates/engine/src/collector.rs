//! The collector: merges the workers' intervals and writes the record.
//!
//! Workers report at the same grid lines, each on its own time. An interval is written when every worker has reached
//! its end; where a worker was held up and reported several at once, the row covers them all. The collector never
//! keeps a worker waiting, and nobody who shows progress keeps the collector waiting.

mod files;
mod integrity;
mod slow;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use plimsoll_record::Offset;
use plimsoll_record::files::{EndReason, WriteError};
use plimsoll_record::integrity::ReadBack;
use plimsoll_record::ledger::Outcome;
use plimsoll_record::summary::Totals;
use plimsoll_record::traffic::{GeneratorInterval, Interval, TrafficFact, TrafficWriter, WorkerInterval};
use plimsoll_record::units::show_duration;
use tokio::sync::mpsc;

use crate::event::{Event, Progress};
use crate::own::Inventory;
use crate::recorder::{Cell, Message, OwnCosts, Report};
use crate::workload::{NEVER, Workload};
pub(crate) use files::Files;
pub(crate) use integrity::IntegrityFile;
use slow::SlowLog;

/// What the collector knows when all workers have ended.
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) scheduled: u64,
    pub(crate) answered: u64,
    pub(crate) failures: u64,
    /// Workers that broke down.
    pub(crate) broken: Vec<usize>,
    /// When the last worker ended, on the run's clock.
    pub(crate) ended: Offset,
}

const CUT_SHORT: &str = "iterations ended before their last step although no request of theirs failed: a `while` \
                         reached its `limit`, a `set` lacked a value, or there were 100,000 steps without a request";

/// Writes one run's traffic.
pub(crate) struct Collector {
    work: Arc<Workload>,
    start: Offset,
    every: i64,
    max_send_lag: i64,
    out: TrafficWriter,
    files: Files,
    slow: SlowLog,
    events: SyncSender<Event>,
    workers: Vec<WorkerState>,
    /// The grid line up to which rows are written.
    line: u64,
    /// The same as a time; the end of the last row, which need not lie on the grid.
    written_to: i64,
    process_cpu_ns: i64,
    inventory: Inventory,
    pending: Vec<u64>,
    ended_phases: BTreeMap<u32, i64>,
    totals: Collected,
    /// Iterations that could not go on although no request of theirs failed.
    cut_short: u64,
}

/// What is known of one worker.
#[derive(Default)]
struct WorkerState {
    reports: VecDeque<Report>,
    /// Its last report is in.
    last: bool,
    /// Its thread has ended.
    finished: bool,
    /// Arrivals it has reported as scheduled and not as finished, by cell.
    pending: BTreeMap<usize, u64>,
    ended_phases: BTreeMap<u32, i64>,
}

/// What a collector needs to know beforehand.
pub(crate) struct CollectorSetup {
    pub(crate) work: Arc<Workload>,
    pub(crate) workers: usize,
    pub(crate) start: Offset,
    pub(crate) every: i64,
    /// A worker that was held up longer than this gets a note.
    pub(crate) max_send_lag: i64,
    pub(crate) process_cpu_ns: i64,
    /// Addresses of this machine that connections leave from.
    pub(crate) local_addresses: u64,
}

impl Collector {
    pub(crate) fn new(setup: CollectorSetup, out: TrafficWriter, files: Files, events: SyncSender<Event>) -> Self {
        let pending = vec![0; setup.work.cells()];
        Self {
            work: setup.work,
            start: setup.start,
            every: setup.every,
            max_send_lag: setup.max_send_lag,
            out,
            files,
            slow: SlowLog::default(),
            events,
            workers: (0..setup.workers).map(|_| WorkerState::default()).collect(),
            line: 0,
            written_to: 0,
            process_cpu_ns: setup.process_cpu_ns,
            inventory: Inventory::open(setup.local_addresses),
            pending,
            ended_phases: BTreeMap::new(),
            cut_short: 0,
            totals: Collected { scheduled: 0, answered: 0, failures: 0, broken: Vec::new(), ended: setup.start },
        }
    }

    /// Takes messages until every worker has finished, then settles the books of those that broke down.
    pub(crate) fn run(&mut self, mut inbox: mpsc::Receiver<Message>) -> Result<(), WriteError> {
        while let Some(message) = inbox.blocking_recv() {
            match message {
                Message::Rows(rows) => self.files.log(&rows)?,
                Message::Slow(request) => self.slow.take(*request, self.start, &self.events),
                Message::Failed(failed) => self.files.keep_failure(&failed, self.start)?,
                Message::Report(report) => self.take(*report)?,
                Message::Finished { worker, sound } => {
                    self.workers[worker].finished = true;
                    if !sound {
                        self.totals.broken.push(worker);
                        self.settle_broken(worker);
                    }
                }
            }
            self.write_complete()?;
            if self.workers.iter().all(|worker| worker.finished && worker.reports.is_empty()) {
                break;
            }
        }
        Ok(())
    }

    /// Writes the last rows and the end.
    pub(crate) fn finish(mut self, now: Offset, reason: EndReason) -> Result<Collected, WriteError> {
        let stopped_at = now.as_nanos() - self.start.as_nanos();
        for (index, phase) in self.work.phases.iter().enumerate() {
            let ended = self.ended_phases.get(&(index as u32)).copied();
            let cut = reason != EndReason::Completed && (phase.end == NEVER || stopped_at < phase.end);
            if let Some(at) = ended.or(cut.then(|| stopped_at.max(phase.start))) {
                let at_ns = self.on_run_clock(at);
                self.out.write(&TrafficFact::PhaseEnded { phase: index as u32, at_ns })?;
            }
        }
        self.files.finish(now, reason)?;
        if self.cut_short > 0 {
            self.note(now, format!("{} {CUT_SHORT}", self.cut_short))?;
        }
        self.out.finish(now, reason)?;
        Ok(self.totals)
    }

    /// Takes note of how the plan's sets of keys fared.
    pub(crate) fn read_back(&mut self, back: &[ReadBack], at: Offset) -> Result<(), WriteError> {
        self.files.read_back(back, at, self.start)
    }

    /// How many workers broke down.
    pub(crate) fn broken(&self) -> usize {
        self.totals.broken.len()
    }

    /// Says something about the run in the record.
    pub(crate) fn note(&mut self, at_ns: Offset, text: String) -> Result<(), WriteError> {
        self.out.write(&TrafficFact::Note { at_ns, text })
    }

    fn take(&mut self, mut report: Report) -> Result<(), WriteError> {
        self.files.log(&std::mem::take(&mut report.rows))?;
        let worker = &mut self.workers[report.worker];
        for (cell, counts) in &report.cells {
            let pending = worker.pending.entry(*cell).or_default();
            *pending = (*pending + counts.ledger.scheduled()).saturating_sub(counts.ledger.finished());
        }
        worker.ended_phases.extend(report.ended.drain(..));
        worker.last |= report.last;
        worker.reports.push_back(report);
        Ok(())
    }

    /// A worker that broke down took its open arrivals with it: they count as unfinished. What it scheduled since
    /// its last report is lost, and so is in no count.
    fn settle_broken(&mut self, index: usize) {
        let (line, written_to) = (self.line, self.written_to);
        let worker = &mut self.workers[index];
        let cells = std::mem::take(&mut worker.pending).into_iter().filter(|(_, pending)| *pending > 0);
        let cells = cells.map(|(index, pending)| {
            let mut cell = Cell::default();
            cell.ledger.finish_many(Outcome::Unfinished, pending);
            (index, cell)
        });
        let last = worker.reports.back().map_or((line, written_to), |report| (report.to_line, report.to));
        let (to_line, to) = (last.0 + 1, last.1);
        let (own, rows, ended) = (OwnCosts::default(), Vec::new(), Vec::new());
        let report = Report { worker: index, to_line, to, last: true, cells: cells.collect(), own, rows, ended };
        worker.last = true;
        worker.reports.push_back(report);
    }

    /// Writes every interval whose end all workers have reached.
    fn write_complete(&mut self) -> Result<(), WriteError> {
        while let Some(line) = self.next_line() {
            let mut reports = Vec::new();
            for worker in &mut self.workers {
                while worker.reports.front().is_some_and(|report| report.to_line <= line) {
                    reports.extend(worker.reports.pop_front());
                }
            }
            self.write_interval(line, reports)?;
        }
        Ok(())
    }

    /// The first grid line that ends a report of every worker still running; with all reports in, the last one.
    fn next_line(&self) -> Option<u64> {
        let mut candidate = self.workers.iter().filter_map(|worker| Some(worker.reports.front()?.to_line)).max()?;
        loop {
            let mut agreed = candidate;
            for worker in &self.workers {
                // A worker that has finished has nothing to say about later lines.
                let next = worker.reports.iter().map(|report| report.to_line).find(|line| *line >= candidate);
                match next {
                    Some(line) => agreed = agreed.max(line),
                    None if worker.last => {}
                    None => return None,
                }
            }
            if agreed == candidate {
                return Some(candidate);
            }
            candidate = agreed;
        }
    }

    fn write_interval(&mut self, line: u64, reports: Vec<Report>) -> Result<(), WriteError> {
        let from = self.written_to;
        let grid = i64::try_from(line).unwrap_or(NEVER).saturating_mul(self.every);
        // All reports that end short of the line are last ones: so is the row.
        let to = if reports.iter().any(|report| report.to >= grid) || self.someone_runs() {
            grid
        } else {
            reports.iter().map(|report| report.to).max().unwrap_or(from).max(from)
        };
        let (at_ns, len_ns) = (self.on_run_clock(from), (to - from).max(0).cast_unsigned());
        let workers = worker_rows(&reports, self.workers.len());
        let (cells, own) = merge(reports);
        (self.line, self.written_to) = (line, to);
        self.totals.ended = self.on_run_clock(to);
        let progress = self.write_cells(cells, at_ns, len_ns)?;
        let generator = self.generator_row(&own, workers, at_ns, len_ns);
        self.show(progress, &generator);
        self.out.write(&TrafficFact::Generator(generator))?;
        self.files.acknowledged(self.on_run_clock(to))?;
        self.cut_short += own.cut_short;
        if own.held_up_ns > self.max_send_lag.cast_unsigned() {
            let held_up = show_duration(Duration::from_nanos(own.held_up_ns));
            self.note(at_ns, format!("the generator was held up for {held_up} in the interval that begins here"))?;
        }
        if let Some(slow) = self.slow.turn(own.slow, at_ns, len_ns, self.start, &self.events) {
            self.out.write(&TrafficFact::Slow(slow))?;
        }
        self.end_phases();
        self.files.flush()?;
        self.out.flush()
    }

    fn someone_runs(&self) -> bool {
        self.workers.iter().any(|worker| !worker.last || !worker.reports.is_empty())
    }

    fn write_cells(&mut self, cells: BTreeMap<usize, Cell>, at_ns: Offset, len_ns: u64) -> Result<Totals, WriteError> {
        let mut totals = Totals { seconds: len_ns as f64 / 1e9, ..Totals::default() };
        for (index, cell) in cells {
            let (phase, operation) = self.work.place(index);
            let pending = &mut self.pending[index];
            *pending = (*pending + cell.ledger.scheduled()).saturating_sub(cell.ledger.finished());
            totals.ledger.merge(&cell.ledger);
            self.files.count(operation, &cell.ledger);
            totals.served.merge(&cell.served);
            if let Some(limited) = &cell.limited {
                totals.limited.merge(limited);
            }
            if let Some(censored) = &cell.censored {
                totals.censored.merge(censored);
            }
            totals.timings.merge(&cell.timings);
            let checks = self.work.checks.counted(operation, &cell.checks);
            totals.count_checks(&checks);
            let interval = Interval {
                at_ns,
                len_ns,
                phase,
                operation,
                ledger: cell.ledger,
                pending: *pending,
                served: cell.served,
                limited: cell.limited.map(|limited| *limited).unwrap_or_default(),
                censored: cell.censored.map(|censored| *censored).unwrap_or_default(),
                timings: cell.timings,
                statuses: cell.statuses.into_iter().collect(),
                checks,
                body_bytes: cell.body_bytes,
                retries: cell.retries,
                worst: cell.worst,
            };
            self.out.write(&TrafficFact::Interval(Box::new(interval)))?;
        }
        self.totals.scheduled += totals.ledger.scheduled();
        self.totals.answered += totals.ledger.answered();
        self.totals.failures += totals.ledger.failures();
        Ok(totals)
    }

    fn generator_row(
        &mut self,
        own: &OwnCosts,
        workers: Vec<WorkerInterval>,
        at_ns: Offset,
        len_ns: u64,
    ) -> GeneratorInterval {
        let cpu_ns = (own.process_cpu_ns - self.process_cpu_ns).max(0);
        self.process_cpu_ns += cpu_ns;
        let busiest_s = workers.iter().map(|worker| worker.cpu_s).fold(0.0, f64::max);
        let holdings = self.inventory.take(own.connections);
        GeneratorInterval {
            at_ns,
            len_ns,
            sent: own.sent,
            sent_late: own.sent_late,
            send_lag_max_ns: own.lag.max().unwrap_or(0),
            send_lag_p99_ns: own.lag.quantile(0.99).unwrap_or(0),
            cpu_s: cpu_ns as f64 / 1e9,
            busiest_worker: (busiest_s * 1e9 / (len_ns as f64).max(1.0)).min(1.0),
            waited_for_connection: own.waited,
            connections: own.connections,
            log_rows_dropped: own.rows_dropped,
            loop_delay_max_ns: own.loop_delay.max(),
            loop_delay_p99_ns: own.loop_delay.quantile(0.99),
            workers,
            open_files: holdings.open_files,
            open_files_limit: holdings.open_files_limit,
            free_ports: holdings.free_ports,
        }
    }

    fn show(&self, totals: Totals, generator: &GeneratorInterval) {
        let progress = Progress {
            at: self.on_run_clock(self.written_to),
            elapsed_ns: self.written_to,
            totals,
            finished: self.totals.scheduled - self.pending.iter().sum::<u64>(),
            failures: self.totals.failures,
            pending: self.pending.iter().sum(),
            connections: generator.connections,
            sent_late: generator.sent_late,
        };
        // Whoever shows progress and is behind misses an interval; the record has it.
        let _ = self.events.try_send(Event::Interval(Box::new(progress)));
    }

    /// Phases that ended with their iterations on every worker.
    fn end_phases(&mut self) {
        let candidates: Vec<u32> = self.workers.iter().flat_map(|worker| worker.ended_phases.keys().copied()).collect();
        for phase in candidates {
            let ends: Option<Vec<i64>> =
                self.workers.iter().map(|worker| worker.ended_phases.get(&phase).copied()).collect();
            if let Some(last) = ends.and_then(|ends| ends.into_iter().max()) {
                self.ended_phases.insert(phase, last);
            }
        }
    }

    fn on_run_clock(&self, at: i64) -> Offset {
        Offset(self.start.as_nanos().saturating_add(at))
    }
}

/// What each of `count` workers used and lacked, over all its reports. A worker that broke down used nothing more.
fn worker_rows(reports: &[Report], count: usize) -> Vec<WorkerInterval> {
    let of_worker = |worker: usize| {
        let own: Vec<&OwnCosts> =
            reports.iter().filter(|report| report.worker == worker).map(|report| &report.own).collect();
        let waited_ns = own.iter().map(|own| own.core_wait_ns).sum::<Option<u64>>().filter(|_| !own.is_empty());
        WorkerInterval {
            cpu_s: own.iter().map(|own| own.cpu_ns).sum::<i64>() as f64 / 1e9,
            waited_s: waited_ns.map(|nanos| nanos as f64 / 1e9),
        }
    };
    (0..count).map(of_worker).collect()
}

/// One row's worth of counts from the reports of all workers.
fn merge(reports: Vec<Report>) -> (BTreeMap<usize, Cell>, OwnCosts) {
    let mut cells: BTreeMap<usize, Cell> = BTreeMap::new();
    let mut own = OwnCosts::default();
    for report in reports {
        own.merge(&report.own);
        for (index, cell) in report.cells {
            match cells.entry(index) {
                Entry::Vacant(vacant) => drop(vacant.insert(cell)),
                Entry::Occupied(mut known) => known.get_mut().merge(&cell),
            }
        }
    }
    (cells, own)
}

impl OwnCosts {
    fn merge(&mut self, other: &Self) {
        self.sent += other.sent;
        self.sent_late += other.sent_late;
        self.lag.merge(&other.lag);
        self.loop_delay.merge(&other.loop_delay);
        self.waited += other.waited;
        self.connections += other.connections;
        self.rows_dropped += other.rows_dropped;
        self.slow += other.slow;
        self.cpu_ns += other.cpu_ns;
        self.process_cpu_ns = self.process_cpu_ns.max(other.process_cpu_ns);
        self.held_up_ns = self.held_up_ns.max(other.held_up_ns);
        self.cut_short += other.cut_short;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{open_phase, plan_for};
    use plimsoll_record::traffic::{PhaseFact, TrafficHeader, read};

    const EVERY: i64 = 1_000;

    /// Collects `messages` of two workers and returns the rows: when, how long, scheduled, finished, pending.
    fn collect(messages: Vec<Message>) -> Vec<(i64, u64, u64, u64, u64)> {
        let directory = tempfile::tempdir().unwrap();
        let mut plan = plan_for("http://127.0.0.1:1");
        plan.phases = vec![open_phase("a", 1.0, Duration::from_secs(1))];
        let work = Arc::new(Workload::compile(&plan, crate::schedule::Share::WHOLE).unwrap());
        let phase = PhaseFact { name: "a".to_owned(), start_ns: Offset(0), end_ns: None, planned_arrivals: None };
        let header = TrafficHeader {
            start_ns: Offset(0),
            every_ns: 1_000,
            phases: vec![phase],
            operations: vec!["request".to_owned()],
            checks: Vec::new(),
            workers: 2,
            segment: None,
            tick_ns: None,
            max_send_lag_ns: 1,
            lookup_ns: None,
        };
        let out = TrafficWriter::create(directory.path(), "test 1.0", Offset(0), header).unwrap();
        let (events, _shown) = std::sync::mpsc::sync_channel(1);
        let setup = CollectorSetup {
            work,
            workers: 2,
            start: Offset(0),
            every: EVERY,
            max_send_lag: 1,
            process_cpu_ns: 0,
            local_addresses: 1,
        };
        let mut collector = Collector::new(setup, out, Files::default(), events);
        let (sender, inbox) = mpsc::channel(100);
        messages.into_iter().for_each(|message| sender.try_send(message).unwrap());
        drop(sender);
        collector.run(inbox).unwrap();
        collector.finish(Offset(100 * EVERY), EndReason::Completed).unwrap();
        let rows = read(directory.path()).unwrap().unwrap().facts;
        let rows = rows.into_iter().filter_map(|fact| match fact {
            TrafficFact::Interval(row) => {
                Some((row.at_ns.0, row.len_ns, row.ledger.scheduled(), row.ledger.finished(), row.pending))
            }
            _ => None,
        });
        rows.collect()
    }

    fn report(worker: usize, to_line: u64, scheduled: u64, ok: u64) -> Report {
        let mut cell = Cell::default();
        cell.ledger.schedule(scheduled);
        cell.ledger.finish_many(Outcome::Ok, ok);
        let (cells, own) = (vec![(0, cell)], OwnCosts::default());
        let to = i64::try_from(to_line).unwrap() * EVERY;
        Report { worker, to_line, to, last: false, cells, own, rows: Vec::new(), ended: Vec::new() }
    }

    fn interval(worker: usize, to_line: u64, scheduled: u64, ok: u64) -> Message {
        Message::Report(Box::new(report(worker, to_line, scheduled, ok)))
    }

    fn last(worker: usize, to: i64, scheduled: u64, ok: u64) -> Message {
        let line = to.div_euclid(EVERY).cast_unsigned() + 1;
        Message::Report(Box::new(Report { to, last: true, ..report(worker, line, scheduled, ok) }))
    }

    fn finished(worker: usize, sound: bool) -> Message {
        Message::Finished { worker, sound }
    }

    #[test]
    fn an_interval_is_written_when_all_workers_have_reported_it() {
        let rows = collect(vec![
            interval(0, 1, 5, 3),
            interval(0, 2, 0, 2),
            interval(1, 1, 1, 1),
            interval(1, 2, 1, 1),
            last(0, 2 * EVERY + 500, 0, 0),
            last(1, 2 * EVERY + 300, 2, 2),
            finished(0, true),
            finished(1, true),
        ]);
        assert_eq!(rows, [(0, 1000, 6, 4, 2), (1000, 1000, 1, 3, 0), (2000, 500, 2, 2, 0)]);
    }

    #[test]
    fn a_worker_that_was_held_up_makes_the_row_longer() {
        let rows = collect(vec![
            interval(0, 1, 1, 1),
            interval(0, 2, 1, 1),
            interval(0, 3, 1, 1),
            interval(1, 3, 10, 10),
            last(0, 3 * EVERY, 0, 0),
            last(1, 3 * EVERY, 0, 0),
            finished(0, true),
            finished(1, true),
        ]);
        assert_eq!(rows[0], (0, 3000, 13, 13, 0));
    }

    #[test]
    fn a_worker_that_ended_early_holds_nobody_up() {
        let rows = collect(vec![
            last(0, 10, 4, 4),
            finished(0, true),
            interval(1, 1, 1, 1),
            interval(1, 2, 1, 1),
            last(1, 2 * EVERY + 1, 1, 1),
            finished(1, true),
        ]);
        assert_eq!(rows, [(0, 1000, 5, 5, 0), (1000, 1000, 1, 1, 0), (2000, 1, 1, 1, 0)]);
    }

    #[test]
    fn what_a_broken_worker_had_open_is_unfinished_and_the_books_balance() {
        let rows = collect(vec![
            interval(0, 1, 9, 4),
            interval(1, 1, 1, 1),
            finished(0, false),
            last(1, EVERY + 10, 1, 1),
            finished(1, true),
        ]);
        assert_eq!(rows, [(0, 1000, 10, 5, 5), (1000, 10, 1, 6, 0)]);
    }
}
