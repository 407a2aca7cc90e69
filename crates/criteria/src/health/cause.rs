//! Why the generator was late: which of the few possible causes the record of itself points to, and what to do.
//!
//! Pure: rows in, a cause out. Where the record does not tell, no cause is claimed.

use plimsoll_record::traffic::GeneratorInterval;
use plimsoll_record::units::Unit;

use super::lateness::BUSIEST_WORKER;
use crate::words;

/// A cause that explains this much of the lost time is named.
const EXPLAINS: f64 = 0.5;
/// A generator that was stopped once shows it as one long delay. Its rows are longer than the stop, by less than an
/// interval at each end.
const STOP_EXPLAINS: f64 = 0.4;
/// Beside a stop, waits for a core are named when they are this much of the lost time.
const WORTH_NAMING: f64 = 0.25;
/// Shorter delays are not called a stop: anything may have caused them.
const SHORTEST_STOP_S: f64 = 0.1;

/// An interval that lies in a contaminated span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspect<'a> {
    pub(super) row: &'a GeneratorInterval,
    /// Time in which it could not send; 0 when it is a neighbour only.
    pub(super) lost_s: f64,
    /// Far longer than planned.
    pub(super) frozen: bool,
}

/// What held the generator up.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cause {
    /// A worker had more to do than one core can.
    Saturated { share: f64 },
    /// Workers waited for cores that others had.
    Starved { waited_s: f64 },
    /// It did nothing, and did not wait for a core either.
    Stopped { longest_s: f64 },
    /// The record does not tell.
    Unknown { frozen: bool },
}

/// The cause of the `lost_s` seconds that were lost in these intervals, in words, with what to do.
pub(super) fn words(suspects: &[Suspect<'_>], lost_s: f64, workers: u64, cores: u64) -> String {
    let lag_ns = suspects.iter().map(|suspect| suspect.row.send_lag_max_ns).max().unwrap_or(0);
    let lag = format!("sent up to {} late although a connection was free", Unit::Seconds.show(lag_ns as f64 / 1e9));
    let causes = find(suspects, lost_s);
    causes.into_iter().map(|cause| say(cause, &lag, workers, cores)).collect::<Vec<_>>().join("; also ")
}

fn say(cause: Cause, lag: &str, workers: u64, cores: u64) -> String {
    match cause {
        Cause::Saturated { share } => format!(
            "a worker used {} of its core, {lag}; give loadgen more cores and more `workers` under [generator], or lower the rate",
            Unit::Share.show(share)
        ),
        Cause::Starved { waited_s } if workers > cores && cores > 0 => format!(
            "loadgen was starved of CPU: its {workers} workers share {cores} cores and waited {} for one, {lag}; lower `workers` under [generator], or give it more cores",
            words::duration(waited_s)
        ),
        Cause::Starved { waited_s } => format!(
            "loadgen was starved of CPU: a worker waited {} for a core that other processes had, {lag}; stop them, lift loadgen's CPU quota if it has one, or run it on a machine of its own",
            words::duration(waited_s)
        ),
        Cause::Stopped { longest_s } => format!(
            "loadgen was stopped for {}: it got no time and did not wait for a core (SIGSTOP, a debugger, a paused virtual machine), {lag}; run it again undisturbed",
            words::duration(longest_s)
        ),
        Cause::Unknown { frozen: true } => {
            format!("loadgen stood still (suspended or starved of CPU), {lag}; run it on a machine that is not busy")
        }
        Cause::Unknown { frozen: false } => format!("{lag}; run loadgen on a machine of its own, or lower the rate"),
    }
}

/// One cause, or a stop and starvation together.
fn find(suspects: &[Suspect<'_>], lost_s: f64) -> Vec<Cause> {
    type Suspects<'a> = Vec<&'a Suspect<'a>>;
    let (busy, rest): (Suspects<'_>, Suspects<'_>) =
        suspects.iter().partition(|suspect| suspect.row.busiest_worker > BUSIEST_WORKER);
    let busy_s: f64 = busy.iter().map(|suspect| suspect.lost_s).sum();
    if busy_s > 0.0 && busy_s >= EXPLAINS * lost_s {
        let share = busy.iter().map(|suspect| suspect.row.busiest_worker).fold(0.0, f64::max);
        return vec![Cause::Saturated { share }];
    }
    let untold = |suspect: &&Suspect<'_>| suspect.lost_s > 0.0 && suspect.row.waited_most_s().is_none();
    if rest.iter().any(untold) {
        return vec![Cause::Unknown { frozen: suspects.iter().any(|suspect| suspect.frozen) }];
    }
    let rows: Vec<&GeneratorInterval> = rest.iter().map(|suspect| suspect.row).collect();
    let causes = stopped_or_starved(&rows, (lost_s - busy_s).max(0.0));
    if causes.is_empty() { vec![Cause::Unknown { frozen: false }] } else { causes }
}

fn stopped_or_starved(rows: &[&GeneratorInterval], lost_s: f64) -> Vec<Cause> {
    let waits: Vec<f64> = rows.iter().map(|row| row.waited_most_s().unwrap_or(0.0)).collect();
    let stops = rows.iter().enumerate().filter_map(|(i, row)| {
        // The wait behind a delay may stand in the interval before it.
        let waited_s = waits[i] + if i > 0 { waits[i - 1] } else { 0.0 };
        stop_s(row, waited_s)
    });
    let stops: Vec<f64> = stops.collect();
    let (stopped_s, waited_s) = (stops.iter().sum::<f64>(), waits.iter().sum::<f64>());
    let mut causes = Vec::new();
    let stopped = !stops.is_empty() && stopped_s >= STOP_EXPLAINS * lost_s;
    if stopped {
        causes.push(Cause::Stopped { longest_s: stops.into_iter().fold(0.0, f64::max) });
    }
    if waited_s >= lost_s * if stopped { WORTH_NAMING } else { EXPLAINS } {
        causes.push(Cause::Starved { waited_s });
    }
    causes
}

/// The longest delay of an interval, when neither waits for a core nor work of its own explain half of it.
fn stop_s(row: &GeneratorInterval, waited_s: f64) -> Option<f64> {
    let delay_s = row.loop_delay_max_ns? as f64 / 1e9;
    (delay_s >= SHORTEST_STOP_S && waited_s.max(row.cpu_s) < EXPLAINS * delay_s).then_some(delay_s)
}

#[cfg(test)]
mod tests {
    use plimsoll_record::traffic::WorkerInterval;

    use super::*;

    /// A second in which a worker ran, waited for its core and overslept for this long.
    fn second(ran_s: f64, waited_s: Option<f64>, delay_s: f64) -> GeneratorInterval {
        GeneratorInterval {
            len_ns: 1_000_000_000,
            cpu_s: ran_s,
            busiest_worker: ran_s,
            send_lag_max_ns: (delay_s * 1e9) as u64,
            loop_delay_max_ns: Some((delay_s * 1e9) as u64),
            workers: vec![WorkerInterval { cpu_s: ran_s, waited_s }],
            ..GeneratorInterval::default()
        }
    }

    #[track_caller]
    fn check(rows: &[(GeneratorInterval, f64)], expected: Cause) {
        let suspects: Vec<Suspect<'_>> =
            rows.iter().map(|(row, lost_s)| Suspect { row, lost_s: *lost_s, frozen: false }).collect();
        assert_eq!(find(&suspects, rows.iter().map(|(_, lost_s)| lost_s).sum()), [expected]);
    }

    #[test]
    fn a_worker_that_ran_all_the_time_was_saturated_however_long_it_waited_elsewhere() {
        let rows = [(second(0.97, Some(0.02), 0.4), 1.0), (second(0.99, Some(0.01), 0.5), 1.0)];
        check(&rows, Cause::Saturated { share: 0.99 });
        let mostly_starved = [(second(0.95, Some(0.0), 0.1), 1.0), (second(0.1, Some(1.8), 0.9), 2.5)];
        check(&mostly_starved, Cause::Starved { waited_s: 1.8 });
    }

    #[test]
    fn waits_that_explain_the_lost_time_are_starvation() {
        check(&[(second(0.1, Some(0.7), 0.3), 1.0)], Cause::Starved { waited_s: 0.7 });
        // The wait stands in the interval before the one whose requests were late.
        let rows = [(second(0.1, Some(0.8), 0.9), 0.0), (second(0.1, Some(0.0), 0.1), 0.9)];
        check(&rows, Cause::Starved { waited_s: 0.8 });
    }

    #[test]
    fn a_long_delay_without_a_wait_is_a_stop() {
        check(&[(second(0.05, Some(0.1), 0.9), 1.0)], Cause::Stopped { longest_s: 0.9 });
        let rows = [(second(0.05, Some(0.01), 1.2), 0.0), (second(0.05, Some(0.02), 0.0), 1.2)];
        check(&rows, Cause::Stopped { longest_s: 1.2 });
    }

    #[test]
    fn a_stop_on_a_machine_that_is_busy_as_well_names_both() {
        let busy = second(0.05, Some(0.4), 0.02);
        let stopped = second(0.03, Some(0.2), 1.5);
        let suspects = [(&busy, 0.4), (&stopped, 1.0), (&busy, 1.0)];
        let suspects = suspects.map(|(row, lost_s)| Suspect { row, lost_s, frozen: false });
        assert_eq!(find(&suspects, 2.4), [Cause::Stopped { longest_s: 1.5 }, Cause::Starved { waited_s: 1.0 }]);
        let story = words(&suspects, 2.4, 1, 2);
        assert!(story.contains("stopped for 1.50 s") && story.contains("; also loadgen was starved of CPU"), "{story}");
    }

    #[test]
    fn work_of_its_own_is_no_stop_and_short_delays_have_no_name() {
        check(&[(second(0.8, Some(0.0), 0.5), 0.5)], Cause::Unknown { frozen: false });
        check(&[(second(0.01, Some(0.0), 0.05), 0.05)], Cause::Unknown { frozen: false });
    }

    #[test]
    fn a_record_without_waits_claims_no_cause() {
        check(&[(second(0.1, None, 0.9), 1.0)], Cause::Unknown { frozen: false });
        let old = GeneratorInterval { workers: Vec::new(), ..second(0.1, None, 0.9) };
        let suspect = Suspect { row: &old, lost_s: 1.0, frozen: true };
        assert!(words(&[suspect], 1.0, 1, 2).contains("stood still"));
    }

    #[test]
    fn the_words_name_the_resource_and_the_way_out() {
        let say = |row: GeneratorInterval, workers| {
            let suspect = Suspect { row: &row, lost_s: 1.0, frozen: false };
            words(&[suspect], 1.0, workers, 2)
        };
        assert!(say(second(0.1, Some(0.7), 0.3), 2).contains("waited 700 ms for a core that other processes had"));
        assert!(say(second(0.1, Some(0.7), 0.3), 5).contains("its 5 workers share 2 cores"));
        assert!(say(second(0.97, Some(0.0), 0.3), 1).contains("more `workers`"));
        assert!(say(second(0.01, Some(0.0), 0.9), 1).contains("stopped for 900 ms"));
    }
}
