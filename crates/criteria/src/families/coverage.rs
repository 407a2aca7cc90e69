//! Was a series really sampled while it is judged? Holes and restarts are where the worst may have happened, so with
//! too many of them nothing passes.

use plimsoll_record::Offset;
use plimsoll_record::metric::Metric;
use plimsoll_record::series::{Gap, Mark, MarkKind};
use plimsoll_record::summary::{Series, Window};

/// More of the time unseen than this, and nothing passes.
const MOST_UNSEEN_TO_PASS: f64 = 0.05;
/// More than this, and nothing is judged at all.
const MOST_UNSEEN: f64 = 0.20;
/// One hole longer than this, and nothing passes (if it is also longer than three sampling intervals).
const LONGEST_HOLE_S: f64 = 10.0;
/// Samples come a little late without being missing.
const TOLERANCE: f64 = 1.5;

/// What was seen of a series in a window.
#[derive(Clone, Debug)]
pub(super) struct Coverage {
    source: &'static str,
    unseen_share: f64,
    longest: Window,
    every_s: f64,
    gap: Option<Gap>,
    break_mark: Option<Mark>,
    sampler_died: bool,
}

/// The window in which a series is judged: the place's, or all of the series when there was no traffic.
pub(crate) fn window(series: &Series, place: Option<Window>) -> Option<Window> {
    let ends = series.samples.iter().map(|sample| sample.at_ns).chain(series.gaps.iter().map(|gap| gap.at_ns));
    let all = || Some(Window { from: ends.clone().min()?, to: Offset(ends.clone().max()?.0 + 1) });
    place.or_else(all)
}

impl Coverage {
    pub(super) fn of(series: &Series, metric: &Metric, window: Window) -> Self {
        let every_s = series.header.every_ns as f64 / 1e9;
        let seen = series.values(metric, Some(window)).into_iter().map(|(at, _)| at);
        let mut unseen_s = 0.0;
        let mut longest = Window::default();
        let mut last = window.from;
        for at in seen.chain([window.to]) {
            let hole = Window { from: last, to: at };
            if hole.seconds() > TOLERANCE * every_s {
                unseen_s += hole.seconds() - every_s;
                longest = if hole.seconds() > longest.seconds() { hole } else { longest };
            }
            last = at;
        }
        let breaks = |mark: &&Mark| window.contains(mark.at_ns) && breaks_values(mark.kind);
        Self {
            source: metric.source.words(),
            unseen_share: unseen_s / window.seconds().max(f64::MIN_POSITIVE),
            longest,
            every_s,
            gap: series.gaps.iter().find(|gap| window.contains(gap.at_ns)).cloned(),
            break_mark: series.marks.iter().find(breaks).cloned(),
            sampler_died: series.partial,
        }
    }

    /// Why there is too little to judge, if so.
    pub(super) fn too_little(&self) -> Option<String> {
        (self.unseen_share > MOST_UNSEEN).then(|| self.unseen_words())
    }

    /// Why nothing passes, if so.
    pub(super) fn obstacle(&self) -> Option<String> {
        if let Some(mark) = &self.break_mark {
            let what = mark_words(mark.kind);
            return Some(format!("{} {what} at {:.1} s", self.source, mark.at_ns.as_secs_f64()));
        }
        let long_hole = self.longest.seconds() > LONGEST_HOLE_S.max(3.0 * self.every_s);
        (self.unseen_share > MOST_UNSEEN_TO_PASS || long_hole).then(|| self.unseen_words())
    }

    fn unseen_words(&self) -> String {
        let why = match &self.gap {
            Some(gap) => format!(" ({})", gap.reason.words()),
            None if self.sampler_died => " (memwatch died)".to_owned(),
            None => String::new(),
        };
        format!(
            "{} was not sampled for {:.0} % of the time{why}, longest from {:.1} s to {:.1} s",
            self.source,
            self.unseen_share * 100.0,
            self.longest.from.as_secs_f64(),
            self.longest.to.as_secs_f64()
        )
    }
}

/// True when values before and after belong to different servers, or to one that is not at work.
fn breaks_values(kind: MarkKind) -> bool {
    matches!(kind, MarkKind::Restarted | MarkKind::RoleChanged | MarkKind::Loading)
}

pub(crate) fn mark_words(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::Restarted => "was restarted",
        MarkKind::RoleChanged => "changed its role",
        MarkKind::Flushed => "was flushed",
        MarkKind::Loading => "was loading its data",
        MarkKind::SaveStarted => "began a save",
        MarkKind::OomKilled => "had a process killed for lack of memory",
        MarkKind::Down => "stopped answering as it should",
        MarkKind::Up => "answered as it should again",
        MarkKind::SaveEnded => "ended a save",
        MarkKind::RewriteStarted => "began to rewrite its append-only file",
        MarkKind::RewriteEnded => "ended rewriting its append-only file",
        MarkKind::StatsReset => "reset its counters",
    }
}
