//! Where a series is one and the same thing: after the guard, between restarts, role changes, flushes and loading.

use std::time::Duration;

use plimsoll_record::Offset;
use plimsoll_record::series::Mark;
use plimsoll_record::summary::{Series, Window};

use super::line::usual_guard;

/// The window without its beginning, where connections and caches of the new load still fill.
pub(super) fn after_guard(window: Window) -> Window {
    later(window, usual_guard(window.seconds()))
}

/// The window from `seconds` after its beginning; empty when it is not that long.
pub(super) fn later(window: Window, seconds: f64) -> Window {
    let from = window.from.after(Duration::from_secs_f64(seconds.max(0.0)));
    Window { from: from.min(window.to), to: window.to }
}

/// The last half of a window.
pub(super) fn last_half(window: Window) -> Window {
    later(window, window.seconds() / 2.0)
}

/// The longest stretch of `window` that no mark breaks; the first of several equally long ones, so that the choice
/// depends on nothing else.
pub(super) fn longest(series: &Series, window: Window) -> Window {
    let mut edges: Vec<Offset> =
        breaks(series, window).map(|mark| mark.at_ns).chain([window.from, window.to]).collect();
    edges.sort();
    let segments = edges.windows(2).map(|pair| Window { from: pair[0], to: pair[1] });
    segments.fold(Window { from: window.from, to: window.from }, |longest, segment| {
        if segment.seconds() > longest.seconds() { segment } else { longest }
    })
}

/// The marks that end one segment and begin the next.
pub(super) fn breaks(series: &Series, window: Window) -> impl Iterator<Item = &Mark> {
    series.marks.iter().filter(move |mark| mark.kind.cuts() && window.contains(mark.at_ns))
}

/// Saves and rewrites in the window: a fork copies pages, so resident memory moves without any growth.
pub(super) fn saves(series: &Series, window: Window) -> impl Iterator<Item = &Mark> {
    series.marks.iter().filter(move |mark| mark.kind.is_fork() && window.contains(mark.at_ns))
}
