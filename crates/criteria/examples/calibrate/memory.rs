//! Simulated memory: families of series whose truth is known, judged by the code that judges runs.

use std::collections::BTreeMap;
use std::path::Path;

use plimsoll_criteria::judge;
use plimsoll_plan::{Plan, SourceText, Surroundings};
use plimsoll_record::Offset;
use plimsoll_record::run::RunDir;
use plimsoll_record::series::{Gap, GapReason, Mark, MarkKind, Sample, SeriesHeader};
use plimsoll_record::summary::{Facts, Series};
use plimsoll_record::verdict::{GrowthState, Judgement};

use super::noise::Noise;

const MB: f64 = 1e6;
const PER_MINUTE: f64 = MB / 60.0;
/// What is there before anything happens, in bytes.
const BASE: f64 = 50.0 * MB;
/// What a key of a simulated cache takes, in bytes.
const KEY_BYTES: f64 = 500.0;

/// A kind of series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Family {
    /// A level and measurement noise of 20 kB.
    Flat,
    /// Noise of 1 MB that remembers 30 s.
    Autoregressive,
    /// A random walk with steps of 50 kB a second: 1.2 MB in ten minutes.
    RandomWalk,
    /// The same with steps of 200 kB: 5 MB in ten minutes, without a direction.
    WildWalk,
    /// Keys that expire in batches: teeth of 3 MB, 20 to 150 s long.
    Sawtooth,
    /// A cache that fills with keys that live for 30 s to 30 min, with their time to live known.
    FillingCache,
    /// The key count crosses a power of two, and the table of keys doubles.
    HashTable,
    /// A thousand clients connect.
    Clients,
    /// Growth that slows down: 5 to 40 MB/min at first, falling to 37 % in 1 to 3 min.
    Decelerating,
    /// Redis is restarted in the middle and fills up again.
    Restart,
    /// A level, of which a fifth to a third was not sampled.
    Gaps,
    /// So many MB a minute, in noise of 1 MB that remembers 30 s.
    Leak(f64),
    /// 2 MB a minute, of which a tenth was not sampled.
    LeakWithGaps,
}

/// Everything that is simulated, in the order of the table.
pub(crate) const FAMILIES: [Family; 17] = [
    Family::Flat,
    Family::Autoregressive,
    Family::RandomWalk,
    Family::WildWalk,
    Family::Sawtooth,
    Family::FillingCache,
    Family::HashTable,
    Family::Clients,
    Family::Decelerating,
    Family::Restart,
    Family::Gaps,
    Family::Leak(0.5),
    Family::Leak(1.0),
    Family::Leak(2.0),
    Family::Leak(5.0),
    Family::Leak(50.0),
    Family::LeakWithGaps,
];

impl Family {
    /// What it is called in tables.
    #[must_use]
    pub(crate) fn name(self) -> String {
        match self {
            Self::Flat => "flat".to_owned(),
            Self::Autoregressive => "noise with a memory".to_owned(),
            Self::RandomWalk => "random walk".to_owned(),
            Self::WildWalk => "wild random walk".to_owned(),
            Self::Sawtooth => "sawtooth of expiring keys".to_owned(),
            Self::FillingCache => "filling cache".to_owned(),
            Self::HashTable => "hash table doubles".to_owned(),
            Self::Clients => "clients connect".to_owned(),
            Self::Decelerating => "growth that slows down".to_owned(),
            Self::Restart => "restart".to_owned(),
            Self::Gaps => "flat, with gaps".to_owned(),
            Self::Leak(rate) => format!("leak of {rate} MB/min"),
            Self::LeakWithGaps => "leak of 2 MB/min, with gaps".to_owned(),
        }
    }

    /// True when nothing in it grows by the limit of 1 MB/min for good.
    #[must_use]
    pub(crate) fn is_harmless(self) -> bool {
        !matches!(self, Self::Leak(rate) if rate >= 1.0) && self != Self::LeakWithGaps
    }

    fn number(self) -> u64 {
        FAMILIES.iter().position(|family| *family == self).unwrap_or(FAMILIES.len()) as u64
    }

    fn series(self, minutes: u64, noise: &mut Noise) -> Series {
        let seconds = (minutes * 60) as usize;
        let mut made = Made::level(seconds, noise);
        match self {
            Self::Flat | Self::Gaps => {}
            Self::Autoregressive => made.add_wobble(noise),
            Self::RandomWalk => made.add(noise.walk(seconds).iter().map(|step| 0.05 * MB * step)),
            Self::WildWalk => made.add(noise.walk(seconds).iter().map(|step| 0.2 * MB * step)),
            Self::Sawtooth => made.add_teeth(noise),
            Self::FillingCache => made.add_cache(noise),
            Self::HashTable => made.add_doubling(noise),
            Self::Clients => made.add_clients(noise),
            Self::Decelerating => made.add_slowing(noise),
            Self::Restart => made.restart(noise),
            Self::Leak(rate) => {
                made.add_wobble(noise);
                made.add_growth(rate);
            }
            Self::LeakWithGaps => {
                made.add_wobble(noise);
                made.add_growth(2.0);
            }
        }
        match self {
            Self::Gaps => made.punch(noise, 0.2, 0.33),
            Self::LeakWithGaps => made.punch(noise, 0.05, 0.15),
            _ => {}
        }
        made.into_series()
    }
}

/// A series in the making: values per second.
struct Made {
    used: Vec<f64>,
    others: BTreeMap<&'static str, Vec<f64>>,
    marks: Vec<Mark>,
    missing: Vec<bool>,
}

impl Made {
    fn level(seconds: usize, noise: &mut Noise) -> Self {
        let used = (0..seconds).map(|_| BASE + 20e3 * noise.normal()).collect();
        Self { used, others: BTreeMap::new(), marks: Vec::new(), missing: vec![false; seconds] }
    }

    fn add(&mut self, more: impl IntoIterator<Item = f64>) {
        self.used.iter_mut().zip(more).for_each(|(used, more)| *used += more);
    }

    fn per_second(&self, value: impl Fn(f64) -> f64) -> Vec<f64> {
        (0..self.used.len()).map(|i| value(i as f64 + 0.5)).collect()
    }

    fn add_wobble(&mut self, noise: &mut Noise) {
        self.add(noise.autoregressive(self.used.len(), 30.0).iter().map(|wobble| MB * wobble));
    }

    fn add_growth(&mut self, mb_per_minute: f64) {
        self.add(self.per_second(|t| mb_per_minute * PER_MINUTE * t));
    }

    fn add_teeth(&mut self, noise: &mut Noise) {
        let (period, phase) = (noise.between(20.0, 150.0), noise.uniform());
        let tooth = |t: f64| (t / period + phase).fract();
        let keys = self.per_second(|t| (3.0 * MB / KEY_BYTES * tooth(t)).round());
        self.add(keys.iter().map(|keys| KEY_BYTES * keys));
        self.others.insert("avg_ttl", self.per_second(|t| period * (1.0 - tooth(t))));
        self.others.insert("expires", keys.clone());
        self.others.insert("keys", keys);
    }

    fn add_cache(&mut self, noise: &mut Noise) {
        // Times to live from 30 s to 30 min, evenly on a logarithmic scale; 1 to 20 MB a minute of new keys.
        let ttl = 30.0 * 60f64.powf(noise.uniform());
        let per_second = noise.between(1.0, 20.0) * PER_MINUTE / KEY_BYTES;
        let keys = self.per_second(|t| (per_second * t.min(ttl)).round());
        self.add(keys.iter().map(|keys| KEY_BYTES * keys));
        // New keys have all their time left; when there are keys of every age, half of it on average.
        self.others.insert("avg_ttl", self.per_second(|t| ttl - t.min(ttl) / 2.0));
        self.others.insert("expired_keys", self.per_second(|t| (per_second * (t - ttl).max(0.0)).round()));
        self.others.insert("expires", keys.clone());
        self.others.insert("keys", keys);
    }

    fn add_doubling(&mut self, noise: &mut Noise) {
        let slots = [17, 18, 19, 20][(noise.uniform() * 4.0) as usize];
        let slots = f64::from(slots).exp2();
        let seconds = self.used.len() as f64;
        let (crossing, rehash) = (noise.between(0.1, 0.9) * seconds, noise.between(1.0, 20.0));
        // A key a second of 100 bytes: 6 kB a minute.
        let keys = self.per_second(|t| (slots + t - crossing).floor());
        self.add(keys.iter().map(|keys| 100.0 * (keys - slots)));
        let full = |t: f64| if t - crossing >= 1.0 { 16.0 * slots } else { 0.0 };
        self.add(self.per_second(full));
        self.add(self.per_second(|t| if t - crossing >= 1.0 + rehash { -8.0 * slots } else { 0.0 }));
        self.others.insert("keys", keys);
    }

    fn add_clients(&mut self, noise: &mut Noise) {
        let seconds = self.used.len() as f64;
        let (from, takes) = (noise.between(0.1, 0.4) * seconds, noise.between(1.0, 30.0));
        let each = noise.between(2_300.0, 20_000.0);
        let clients = self.per_second(|t| 10.0 + (1_000.0 * ((t - from) / takes).clamp(0.0, 1.0)).round());
        let bytes: Vec<f64> = clients.iter().map(|clients| each * clients).collect();
        self.add(bytes.clone());
        self.others.insert("mem_clients_normal", bytes);
        self.others.insert("connected_clients", clients);
    }

    fn add_slowing(&mut self, noise: &mut Noise) {
        let (tau, first) = (noise.between(60.0, 180.0), noise.between(5.0, 40.0) * PER_MINUTE);
        self.add(self.per_second(|t| first * tau * (1.0 - (-t / tau).exp())));
    }

    fn restart(&mut self, noise: &mut Noise) {
        let at = (noise.between(0.3, 0.7) * self.used.len() as f64) as usize;
        let after = (self.used.len() - at) as f64;
        for (i, used) in self.used.iter_mut().enumerate().skip(at) {
            *used -= 40.0 * MB * (1.0 - 5.0 * (i - at) as f64 / after).max(0.0);
        }
        let down = 3.min(self.used.len() - at);
        self.missing[at..at + down].fill(true);
        let at_ns = offset(at as f64);
        self.marks.push(Mark { at_ns, kind: MarkKind::Restarted, detail: String::new() });
    }

    /// Takes samples out, in holes of 1 to 8 s.
    fn punch(&mut self, noise: &mut Noise, least: f64, most: f64) {
        let wanted = noise.between(least, most) * self.used.len() as f64;
        while (self.missing.iter().filter(|missing| **missing).count() as f64) < wanted {
            let (at, long) = (noise.uniform() * self.used.len() as f64, noise.between(1.0, 8.0));
            let end = ((at + long) as usize).min(self.used.len());
            self.missing[at as usize..end].fill(true);
        }
    }

    fn into_series(self) -> Series {
        let header =
            SeriesHeader { source: "simulated".to_owned(), identity: BTreeMap::new(), every_ns: 1_000_000_000 };
        let (details, nodes) = (Vec::new(), BTreeMap::new());
        let (samples, gaps, marks) = (Vec::new(), Vec::new(), self.marks);
        let mut series = Series { header, samples, gaps, marks, details, nodes, partial: false };
        for (i, used) in self.used.iter().enumerate() {
            let at_ns = offset(i as f64 + 0.5);
            if self.missing[i] {
                series.gaps.push(Gap { at_ns, reason: GapReason::TimedOut, detail: String::new() });
                continue;
            }
            let others = self.others.iter().map(|(key, values)| ((*key).to_owned(), values[i]));
            let values = others.chain([("used_memory".to_owned(), *used)]).collect();
            series.samples.push(Sample { at_ns, took_ns: 50_000, values });
        }
        series
    }
}

fn offset(seconds: f64) -> Offset {
    Offset((seconds * 1e9).round() as i64)
}

/// What became of the series of one family and length.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// How many were judged.
    pub(crate) runs: u64,
    /// The criterion `slope(redis.used_memory) < 1 MB/min` passed.
    pub(crate) passed: u64,
    /// It failed.
    pub(crate) failed: u64,
    /// By what the memory was said to do.
    pub(crate) leaking: u64,
    pub(crate) growing: u64,
    pub(crate) filling: u64,
    pub(crate) settling: u64,
}

impl Tally {
    /// A count as a share of the runs.
    #[must_use]
    pub(crate) fn share(&self, count: u64) -> f64 {
        count as f64 / self.runs.max(1) as f64
    }

    fn count(&mut self, judgement: Judgement, state: Option<GrowthState>) {
        self.runs += 1;
        self.passed += u64::from(judgement == Judgement::Pass);
        self.failed += u64::from(judgement == Judgement::Fail);
        match state {
            Some(GrowthState::Leaking) => self.leaking += 1,
            Some(GrowthState::Growing) => self.growing += 1,
            Some(GrowthState::Filling) => self.filling += 1,
            Some(GrowthState::Settling) => self.settling += 1,
            Some(GrowthState::Stable | GrowthState::Inconclusive) | None => {}
        }
    }
}

/// Judges simulated series. It needs a directory because every run has one; nothing of the series is written to it.
pub(crate) struct Bench {
    facts: Facts,
    plan: Plan,
}

impl Bench {
    /// A bench in `dir`, which must be empty.
    pub(crate) fn in_dir(dir: &Path) -> Self {
        RunDir::create_or_join(dir, "calibrate", "calibrate").expect("an empty directory takes a run");
        let facts = Facts::load(dir).expect("a run that was just made can be loaded");
        Self { facts, plan: plan() }
    }

    /// Judges `runs` series of a family.
    pub(crate) fn tally(&mut self, family: Family, minutes: u64, base: u64, runs: u64) -> Tally {
        let mut tally = Tally::default();
        for number in 0..runs {
            let mut noise = Noise::of(base, family.number(), minutes, number);
            self.facts.redis = Some(family.series(minutes, &mut noise));
            let verdict = judge(&self.facts, &self.plan, &self.plan.criteria).expect("there is no file to be damaged");
            let memory = verdict.memory.iter().flat_map(|memory| &memory.components).next();
            tally.count(verdict.criteria[0].judgement, memory.map(|row| row.state));
        }
        tally
    }
}

/// A plan that only watches.
fn plan() -> Plan {
    let text = r#"
schema = 1
name = "calibrate"
[target]
url = "http://127.0.0.1:1"
[[phases]]
name = "steady"
duration = "1s"
rate = "1/s"
[flows.one]
[[flows.one.steps]]
name = "one"
get = "/"
[watch]
redis = "redis://127.0.0.1:1"
[criteria]
require = "slope(redis.used_memory) < 1 MB/min"
"#;
    let source = SourceText { name: "calibrate".to_owned(), text: text.to_owned() };
    let mut plan = plimsoll_plan::parse(&source, &[], &Surroundings::NONE).expect("the plan is valid");
    plan.phases.clear();
    plan
}
