//! Spans of time: cut to a window, merged, and put into words.

use plimsoll_record::Offset;
use plimsoll_record::summary::Window;

/// From `from_ns` for `len_ns`.
pub(super) fn span(from: Offset, len_ns: u64) -> Window {
    Window { from, to: Offset(from.0.saturating_add_unsigned(len_ns)) }
}

/// What two windows share.
pub(super) fn overlap(span: Window, window: Window) -> Option<Window> {
    let both = Window { from: span.from.max(window.from), to: span.to.min(window.to) };
    (both.from < both.to).then_some(both)
}

/// Spans that touch become one.
pub(super) fn merged(mut spans: Vec<Window>) -> Vec<Window> {
    spans.sort_by_key(|span| (span.from, span.to));
    let mut merged: Vec<Window> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => merged.push(span),
        }
    }
    merged
}

/// The first few, in seconds.
pub(super) fn words(windows: &[Window]) -> String {
    const SHOWN: usize = 5;
    let shown = windows.iter().take(SHOWN);
    let text = shown.map(|window| format!("{:.1}-{:.1} s", window.from.as_secs_f64(), window.to.as_secs_f64()));
    let text = text.collect::<Vec<_>>().join(", ");
    match windows.len().saturating_sub(SHOWN) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_spans_become_one() {
        let span = |from, to| Window { from: Offset(from), to: Offset(to) };
        assert_eq!(merged(vec![span(5, 9), span(0, 2), span(1, 5), span(20, 21)]), [span(0, 9), span(20, 21)]);
    }

    #[test]
    fn many_spans_are_cut_short() {
        let many: Vec<Window> = (0..7).map(|i| span(Offset(i * 2_000_000_000), 500_000_000)).collect();
        assert_eq!(words(&many[..2]), "0.0-0.5 s, 2.0-2.5 s");
        assert!(words(&many).ends_with("8.0-8.5 s and 2 more"));
    }
}
