//! `calibration.json`: how far loadgen's numbers can be trusted on one machine, found by comparing them with truths
//! known beforehand.
//!
//! loadgen measures it once per machine, keeps it with the user's data, and copies it into the run directories it
//! fits. It vouches for nothing by itself: every run still measures its own health.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::FORMAT;
use crate::run::{Machine, RunDir, RunError};
use crate::units::Unit;
use crate::verdict::Judgement;

/// The file's name, in a run directory and where the user's data are.
pub const CALIBRATION_FILE: &str = "calibration.json";

/// What was found on one machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The format version: [`FORMAT`].
    pub format: u32,
    /// The tool and version that was calibrated.
    pub by: String,
    /// When, in Unix nanoseconds.
    pub unix_ns: i64,
    /// Where.
    pub machine: Machine,
    /// How thoroughly: `quick`, `usual` or `full`.
    pub effort: String,
    /// The worst of all trials.
    pub judgement: Judgement,
    /// What was tried, in order.
    pub trials: Vec<Trial>,
    /// Up to which rate arrivals were punctual; absent when that was not tried.
    pub rate: Option<TrustedRate>,
}

/// One truth, and what loadgen made of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its name on the command line, e.g. `freeze-50`.
    pub name: String,
    /// What happened, in words.
    pub setting: String,
    /// Within tolerance; missed; or missed while the machine was busy with something else.
    pub judgement: Judgement,
    /// Why, in one sentence.
    pub reason: String,
    /// Truth and measurement, number by number.
    pub values: Vec<Compared>,
    /// The largest distance between measured and true distribution of response times.
    pub distance: f64,
    /// The largest distance allowed.
    pub allowed_distance: f64,
    /// What became of the arrivals.
    pub counts: Counts,
}

/// One number: what is true and what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Which, e.g. `p99` or `mean`.
    pub what: String,
    /// The truth, in seconds.
    pub truth_s: f64,
    /// The measurement, in seconds; absent when there was none.
    pub measured_s: Option<f64>,
    /// True when the measurement is a lower bound, because requests had no answer when the run ended.
    #[serde(default)]
    pub at_least: bool,
    /// How far the two may be apart, in seconds.
    pub allowed_s: f64,
}

/// What became of the arrivals of a trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// What the plan asked for.
    pub planned: u64,
    /// What the ledger says was scheduled.
    pub scheduled: u64,
    /// Arrivals with a complete answer.
    pub answered: u64,
    /// Arrivals without one when the run ended.
    pub unfinished: u64,
    /// How many of them the truth leaves without one.
    pub expected_unfinished: u64,
    /// Requests the server counted.
    pub seen_by_server: u64,
}

/// Up to which rate arrivals were sent on time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrustedRate {
    /// The highest rate that was kept, per second; absent when none was.
    pub per_second: Option<f64>,
    /// True when no rate that was tried was too high, so that the limit lies above.
    pub at_least: bool,
    /// The rates tried, ascending.
    pub steps: Vec<RateStep>,
}

/// One rate tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateStep {
    /// The rate asked for, per second.
    pub rate: f64,
    /// Requests sent / requests planned in the time.
    pub offered_share: f64,
    /// Mean send lag in nanoseconds.
    pub lag_mean_ns: u64,
    /// 99th percentile of the send lag in nanoseconds.
    pub lag_p99_ns: u64,
    /// The busiest worker's share of its core.
    pub busiest_worker: f64,
    /// What was wrong with it; empty when nothing was.
    pub trouble: String,
}

/// Why a calibration could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// The file system said no.
    #[error("cannot read {path}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// It is not what the format says.
    #[error("{path} is no calibration of loadgen; replace it with `loadgen calibrate`", path = path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A later version wrote it.
    #[error("{path}: format {found}, this version reads up to {FORMAT}; replace it with `loadgen calibrate`", path = path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u32,
    },
}

/// Errors of times below this are taken as a share of this: nobody cares for 10 % of 100 us, and no clock that is
/// read twice across a network stack gives it.
const SMALLEST_WHOLE_S: f64 = 0.1;

impl Compared {
    /// How far the measurement is off, as a share of the truth or, where that is smaller, of 100 ms. A lower bound is
    /// off only as far as it is above the truth.
    #[must_use]
    pub fn error(&self) -> Option<f64> {
        Some(self.off()? / self.truth_s.max(SMALLEST_WHOLE_S))
    }

    /// True when the measurement is as near to the truth as it has to be.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.off().is_some_and(|off| off <= self.allowed_s)
    }

    fn off(&self) -> Option<f64> {
        let above = self.measured_s? - self.truth_s;
        Some(if self.at_least { above.max(0.0) } else { above.abs() })
    }

    /// What a relative error of `share` is here, in seconds.
    #[must_use]
    pub fn tolerance(share: f64, truth_s: f64) -> f64 {
        share * truth_s.max(SMALLEST_WHOLE_S)
    }
}

impl Counts {
    /// True when every planned arrival was scheduled, ended in one way, and those that were sent reached the server.
    #[must_use]
    pub fn are_conserved(&self) -> bool {
        self.scheduled == self.planned
            && self.answered + self.unfinished == self.scheduled
            && (self.answered..=self.scheduled).contains(&self.seen_by_server)
    }
}

impl Calibration {
    /// Reads the file at `path`; `None` when there is none.
    ///
    /// # Errors
    /// [`CalibrationError`] when it cannot be read, or is not a calibration this version knows.
    pub fn read(path: &Path) -> Result<Option<Self>, CalibrationError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CalibrationError::Unreadable { path: path.into(), source }),
        };
        let foreign = |source| CalibrationError::Foreign { path: path.into(), source };
        let version: Version = serde_json::from_str(&text).map_err(foreign)?;
        if version.format > FORMAT {
            return Err(CalibrationError::TooNew { path: path.into(), found: version.format });
        }
        serde_json::from_str(&text).map(Some).map_err(foreign)
    }

    /// The stored form.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text =
            serde_json::to_string_pretty(self).expect("a calibration has string keys and plain numbers only");
        text.push('\n');
        text
    }

    /// True when it was made with `by` on a machine like `machine`. Another boot of the same machine is the same.
    #[must_use]
    pub fn fits(&self, machine: &Machine, by: &str) -> bool {
        let of = |machine: &Machine| Machine { boot_id: String::new(), ..machine.clone() };
        self.by == by && of(&self.machine) == of(machine)
    }

    /// The largest error of the freeze trials, as a share; `None` when none was made.
    #[must_use]
    pub fn freeze_error(&self) -> Option<f64> {
        let trials = self.trials.iter().filter(|trial| trial.name.starts_with("freeze"));
        trials.flat_map(|trial| &trial.values).filter_map(Compared::error).reduce(f64::max)
    }

    /// What a report says about it, for a run whose load came to `peak` arrivals per second.
    #[must_use]
    pub fn sentence(&self, peak: Option<f64>) -> String {
        let time = jiff::Timestamp::from_nanosecond(self.unix_ns.into()).unwrap_or_default();
        let mut parts = vec![format!("calibrated on this machine on {}", time.strftime("%Y-%m-%d"))];
        parts[0].push_str(": ");
        let mut found = Vec::new();
        found.extend(self.freeze_error().map(|error| format!("freeze test within {}", Unit::Share.show(error))));
        found.extend(self.rate.as_ref().map(TrustedRate::words));
        let bad = self.trials.iter().filter(|trial| trial.judgement != Judgement::Pass);
        let bad: Vec<String> = bad.map(|trial| format!("{} {}", trial.name, trial.judgement.word())).collect();
        if !bad.is_empty() {
            found.push(format!("not within tolerance: {}", bad.join(", ")));
        }
        parts.push(found.join(", "));
        parts.extend(self.rate.as_ref().zip(peak).and_then(|(rate, peak)| rate.exceeded_by(peak)));
        parts.concat()
    }
}

impl TrustedRate {
    fn words(&self) -> String {
        let Some(rate) = self.per_second else { return "trusted at no rate that was tried".to_owned() };
        let more = if self.at_least { "at least " } else { "" };
        format!("trusted up to {more}{}/s", crate::units::show_count(rate))
    }

    fn exceeded_by(&self, peak: f64) -> Option<String> {
        // Arrivals of a Poisson process and the edges of intervals put a little more into one interval than into another.
        const ROOM: f64 = 1.05;
        let trusted = self.per_second.unwrap_or(0.0);
        (peak > ROOM * trusted).then(|| {
            format!(
                "; the peak of this run, {}/s, is above that: its own send lag tells whether it was kept",
                crate::units::show_count(peak)
            )
        })
    }
}

impl RunDir {
    /// Puts a calibration beside the facts, replacing an earlier one.
    ///
    /// # Errors
    /// [`RunError::Unwritable`] when it cannot be written.
    pub fn store_calibration(&self, calibration: &Calibration) -> Result<(), RunError> {
        self.write_derived(CALIBRATION_FILE, &calibration.to_json()).map(|_| ())
    }

    /// The calibration that fits the machine of the run; `None` when there is none.
    ///
    /// # Errors
    /// [`CalibrationError`] when the file is not one.
    pub fn calibration(&self) -> Result<Option<Calibration>, CalibrationError> {
        Calibration::read(&self.path().join(CALIBRATION_FILE))
    }
}

#[derive(Deserialize)]
struct Version {
    format: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(truth_s: f64, measured_s: f64) -> Compared {
        Compared { what: "p99".to_owned(), truth_s, measured_s: Some(measured_s), at_least: false, allowed_s: 0.01 }
    }

    fn calibration() -> Calibration {
        let counts = Counts { planned: 10, scheduled: 10, answered: 10, seen_by_server: 10, ..Counts::default() };
        Calibration {
            format: FORMAT,
            by: "loadgen 1".to_owned(),
            unix_ns: 1_769_860_800_000_000_000,
            machine: Machine { cores: 2, boot_id: "one".to_owned(), ..Machine::default() },
            effort: "quick".to_owned(),
            judgement: Judgement::Pass,
            trials: vec![Trial {
                name: "freeze-50".to_owned(),
                setting: "50 connections".to_owned(),
                judgement: Judgement::Pass,
                reason: String::new(),
                values: vec![compared(0.5, 0.502), compared(0.0001, 0.0002)],
                distance: 0.001,
                allowed_distance: 0.005,
                counts,
            }],
            rate: Some(TrustedRate { per_second: Some(40_000.0), at_least: false, steps: Vec::new() }),
        }
    }

    #[test]
    fn it_is_quoted_in_a_sentence() {
        let sentence = "calibrated on this machine on 2026-01-31: freeze test within 0.40 %, trusted up to 40,000/s";
        assert_eq!(calibration().sentence(None), sentence);
        assert_eq!(calibration().sentence(Some(41_000.0)), sentence);
        let above = calibration().sentence(Some(52_000.0));
        assert!(above.starts_with(sentence) && above.contains("52,000/s, is above"), "{above}");
    }

    #[test]
    fn a_bad_trial_is_named_in_the_sentence() {
        let mut bad = calibration();
        bad.trials[0].judgement = Judgement::Fail;
        bad.rate = Some(TrustedRate { per_second: None, at_least: false, steps: Vec::new() });
        let said = bad.sentence(Some(1.0));
        for words in ["freeze-50 fail", "trusted at no rate", "is above"] {
            assert!(said.contains(words), "`{words}` is not in `{said}`");
        }
    }

    #[test]
    fn it_fits_the_same_machine_after_a_restart_and_no_other() {
        let calibration = calibration();
        let here = Machine { boot_id: "two".to_owned(), ..calibration.machine.clone() };
        assert!(calibration.fits(&here, "loadgen 1"));
        assert!(!calibration.fits(&here, "loadgen 2"));
        assert!(!calibration.fits(&Machine { cores: 4, ..here }, "loadgen 1"));
    }

    #[test]
    fn small_times_are_not_held_to_a_share_of_themselves() {
        assert_eq!(compared(0.0001, 0.0002).error().map(|error| error < 0.002), Some(true));
        assert!(!compared(0.5, 0.52).holds() && compared(0.5, 0.505).holds());
        assert!(!Compared { measured_s: None, ..compared(0.5, 0.5) }.holds());
    }

    #[test]
    fn a_lower_bound_is_wrong_only_above_the_truth() {
        let bound = |measured_s| Compared { at_least: true, ..compared(0.5, measured_s) };
        assert!(bound(0.1).holds() && bound(0.505).holds() && !bound(0.52).holds());
    }

    #[test]
    fn a_lost_arrival_is_noticed() {
        let counts = calibration().trials[0].counts;
        assert!(counts.are_conserved());
        assert!(!Counts { answered: 9, ..counts }.are_conserved());
        assert!(!Counts { scheduled: 9, answered: 9, ..counts }.are_conserved());
        assert!(!Counts { seen_by_server: 9, ..counts }.are_conserved());
    }

    #[test]
    fn what_was_stored_is_read_and_anything_else_is_refused_with_the_fix() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(CALIBRATION_FILE);
        assert_eq!(Calibration::read(&path).unwrap(), None);
        fs::write(&path, calibration().to_json()).unwrap();
        assert_eq!(Calibration::read(&path).unwrap(), Some(calibration()));
        for (content, words) in [("{", "loadgen calibrate"), ("{\"format\":9}", "format 9"), ("[1]", "no calibration")]
        {
            fs::write(&path, content).unwrap();
            let error = Calibration::read(&path).unwrap_err().to_string();
            assert!(error.contains(words), "{content}: {error}");
        }
    }
}
