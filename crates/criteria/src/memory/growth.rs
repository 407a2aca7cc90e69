//! The examination of one series: from its samples to what it does and why.

use plimsoll_record::metric::{Metric, Source};
use plimsoll_record::summary::{Series, Window};
use plimsoll_record::verdict::{CauseKind, GrowthState};

use super::cause::{Cause, Evidence};
use super::horizon::Horizon;
use super::ledger::{Ledger, values};
use super::line::Line;
use super::segments::{after_guard, last_half, longest};
use super::trend::{Call, LONG_ENOUGH_S, Settling, Trend};

/// What is left behind the horizon must be this long to be judged alone, in seconds: with less, nothing is proved.
const ENOUGH_BEHIND_HORIZON_S: f64 = 120.0;

/// What is asked of a series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) series: &'a Series,
    pub(crate) metric: &'a Metric,
    /// The phase, or the whole run: load is taken as constant in it.
    pub(crate) window: Window,
    /// The growth per second that is too much.
    pub(crate) limit: f64,
    /// The longest time to live of keys, in seconds, where they were sampled.
    pub(crate) sampled_ttl_s: Option<f64>,
}

/// What was found.
#[derive(Clone, Debug)]
pub(crate) struct Growth {
    /// The window behind the guard.
    pub(crate) window: Window,
    /// The longest part of it without a break.
    pub(crate) segment: Window,
    /// What of that was judged.
    pub(crate) judged: Window,
    pub(crate) samples: u64,
    pub(crate) ledger: Ledger,
    pub(crate) line: Line,
    pub(crate) outcome: Option<Outcome>,
}

/// What a series with enough data does.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) state: GrowthState,
    pub(crate) trend: Trend,
    pub(crate) cause: Option<Cause>,
    /// Growth that slows down, whether it was judged or dropped.
    pub(crate) settling: Option<Settling>,
}

impl Growth {
    /// Examines a series; `None` without a sample.
    pub(crate) fn of(question: &Question<'_>) -> Option<Self> {
        let window = after_guard(question.window);
        let segment = longest(question.series, window);
        let ttl = TimeToLive::of(question, segment);
        let mut stretch = Stretch::over(question, ttl.judged);
        let samples = stretch.ledger.points.len() as u64;
        if samples == 0 {
            return None;
        }
        let settling = stretch.drop_what_settled(question);
        let outcome = stretch.trend.map(|trend| {
            let cause = stretch.cause(question, &ttl, &trend);
            let state = state(question, &stretch, &trend, cause.as_ref(), settling);
            Outcome { state, trend, cause, settling }
        });
        stretch.ledger.add_unexplained(&stretch.line.buckets);
        Some(Self {
            window,
            segment,
            judged: stretch.window,
            samples,
            ledger: stretch.ledger,
            line: stretch.line,
            outcome,
        })
    }
}

/// Where keys with a time to live have reached their plateau.
#[derive(Clone, Copy, Debug)]
struct TimeToLive {
    horizon: Option<Horizon>,
    /// All that is judged lies behind the horizon.
    passed: bool,
    judged: Window,
}

impl TimeToLive {
    /// The rest of the segment behind the horizon if that is long enough, else all of the segment.
    fn of(question: &Question<'_>, segment: Window) -> Self {
        let expires = |series: &Series| values(series, segment, "expires").iter().any(|(_, count)| *count > 0.0);
        if question.metric.source != Source::Redis || !expires(question.series) {
            return Self { horizon: None, passed: true, judged: segment };
        }
        let Some(horizon) = Horizon::of(question.series, question.sampled_ttl_s) else {
            return Self { horizon: None, passed: false, judged: segment };
        };
        let from = horizon.rest(question.window).from.max(segment.from).min(segment.to);
        let rest = Window { from, to: segment.to };
        let passed = rest.seconds() >= ENOUGH_BEHIND_HORIZON_S;
        Self { horizon: Some(horizon), passed, judged: if passed { rest } else { segment } }
    }
}

/// A stretch under examination.
#[derive(Debug)]
struct Stretch {
    window: Window,
    ledger: Ledger,
    line: Line,
    trend: Option<Trend>,
}

impl Stretch {
    fn over(question: &Question<'_>, window: Window) -> Self {
        let ledger = Ledger::of(question.series, question.metric, window, question.limit);
        let line = Line::through(&ledger.points, window.seconds(), every_s(question));
        let trend = Trend::of(&line, question.limit);
        Self { window, ledger, line, trend }
    }

    /// Drops the first half as long as growth slows down and enough is left; then what was found of its slowing.
    fn drop_what_settled(&mut self, question: &Question<'_>) -> Option<Settling> {
        let mut found = None;
        while self.trend.is_some_and(|trend| matches!(trend.call, Call::Candidate | Call::OnlyEarly)) {
            let Some(settling) = self.settling(question) else { break };
            found = Some(settling);
            let rest = last_half(self.window);
            if rest.seconds() < LONG_ENOUGH_S {
                break;
            }
            *self = Self::over(question, rest);
        }
        found
    }

    fn settling(&self, question: &Question<'_>) -> Option<Settling> {
        Settling::of(&self.ledger.points, self.window.seconds(), every_s(question), question.limit)
    }

    fn cause(&self, question: &Question<'_>, ttl: &TimeToLive, trend: &Trend) -> Option<Cause> {
        let growth = trend.estimate.slope * self.window.seconds();
        let evidence = Evidence {
            series: question.series,
            window: self.window,
            metric: question.metric,
            growth,
            horizon: ttl.horizon,
            settled: ttl.passed,
        };
        if trend.estimate.range.low > 0.0 { evidence.cause() } else { None }
    }
}

fn every_s(question: &Question<'_>) -> f64 {
    question.series.header.every_ns as f64 / 1e9
}

fn state(
    question: &Question<'_>,
    stretch: &Stretch,
    trend: &Trend,
    cause: Option<&Cause>,
    settling: Option<Settling>,
) -> GrowthState {
    let slows = settling.is_some() && stretch.settling(question).is_some();
    let fills = cause.is_some_and(|cause| {
        cause.kind == CauseKind::FillingCache && trend.estimate.range.low * cause.lasting <= question.limit
    });
    match trend.call {
        Call::Stable => GrowthState::Stable,
        Call::Candidate | Call::OnlyEarly if slows => GrowthState::Settling,
        Call::Candidate | Call::Between if fills => GrowthState::Filling,
        Call::Candidate if stretch.window.seconds() < LONG_ENOUGH_S => GrowthState::Growing,
        Call::Candidate => GrowthState::Leaking,
        Call::Between | Call::OnlyEarly | Call::OnlyLate | Call::Wobble => GrowthState::Inconclusive,
    }
}
