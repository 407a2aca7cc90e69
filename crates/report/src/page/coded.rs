//! Sentences in which a program, an option or a key stands between backticks: shown as code, and inert.

use maud::{Markup, html};

use crate::text;

/// The text with what stands between backticks as code; unpaired backticks stay as they are.
pub(super) fn coded(words: &str) -> Markup {
    let plain = text::plain(words);
    let parts: Vec<&str> = plain.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return html! { (plain) };
    }
    html! {
        @for (i, part) in parts.into_iter().enumerate() {
            @if i % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backticks_become_code_and_markup_stays_text() {
        assert_eq!(coded("see `memwatch keys`.").into_string(), "see <code>memwatch keys</code>.");
        assert_eq!(coded("a ` b").into_string(), "a ` b");
        assert_eq!(coded("`<b>`").into_string(), "<code>&lt;b&gt;</code>");
    }
}
