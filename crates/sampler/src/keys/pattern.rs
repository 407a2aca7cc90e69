//! From the name of a key to its pattern: what differs from key to key becomes a placeholder, the rest stays.
//!
//! One name at a time, by its shape alone: `user:1234:cart` is `user:{n}:cart` whatever else there is. Words that turn out to
//! differ (`cart:alice`, `cart:bob`, ...) are found by looking at many names, in [`super::tree`].

use std::sync::LazyLock;

use regex::Regex;

/// Names are looked at up to this many bytes; a redis key may have half a gigabyte.
const LONGEST: usize = 256;
/// And up to this many parts.
const MOST_PARTS: usize = 24;

/// What is recognised before a name is cut at its separators, because separators are in it.
static SHAPES: LazyLock<Regex> = LazyLock::new(|| {
    let shapes = r"(?x)
        (?P<uuid> [0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12} )
        | (?P<email> [A-Za-z0-9._%+]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+ )
        | (?P<date> [0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T\ ][0-9:.]+Z?)? )
        | (?P<ip> [0-9]{1,3}(?:\.[0-9]{1,3}){3} )
        | (?P<id> [A-Za-z0-9_-]{20,} )";
    Regex::new(shapes).expect("the expression is a constant that compiles")
});
const NAMES: [(&str, &str); 5] =
    [("uuid", "{uuid}"), ("email", "{email}"), ("date", "{date}"), ("ip", "{ip}"), ("id", "{id}")];

/// A part of a name, and the separator that ends it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    /// The word or the placeholder.
    pub(super) text: String,
    /// What follows it; nothing after the last part.
    pub(super) end: Option<char>,
    /// True when something was replaced in it.
    pub(super) placeholder: bool,
}

/// The pattern of a name, in parts.
pub(super) fn parts(name: &[u8]) -> Vec<Part> {
    let cut = name.len() > LONGEST;
    let name = String::from_utf8_lossy(&name[..name.len().min(LONGEST)]);
    let mut parts = Parts { done: vec![Part { text: String::new(), end: None, placeholder: false }] };
    let mut plain = 0;
    for found in SHAPES.captures_iter(&name) {
        let known = NAMES.iter().find_map(|(group, word)| Some((found.name(group)?, *word)));
        let Some((found, placeholder)) = known else { continue };
        if placeholder == "{id}" && !looks_random(found.as_str()) {
            continue;
        }
        parts.words(&name[plain..found.start()]);
        parts.placeholder(placeholder);
        plain = found.end();
    }
    parts.words(&name[plain..]);
    if cut {
        parts.placeholder("{rest}");
    }
    parts.done
}

/// The pattern as it is shown.
pub(super) fn show(parts: &[Part]) -> String {
    let mut shown = String::new();
    for part in parts {
        shown.push_str(&part.text);
        shown.extend(part.end);
    }
    shown
}

struct Parts {
    done: Vec<Part>,
}

impl Parts {
    fn last(&mut self) -> &mut Part {
        self.done.last_mut().expect("there is always a part under construction")
    }

    fn placeholder(&mut self, word: &str) {
        let last = self.last();
        // Two in a row say no more than one: `{n}{n}`.
        if !last.text.ends_with(word) {
            last.text.push_str(word);
        }
        last.placeholder = true;
    }

    /// Plain text: cut at its separators, each word by itself.
    fn words(&mut self, text: &str) {
        for piece in text.split_inclusive(|c: char| !c.is_alphanumeric() && c != char::REPLACEMENT_CHARACTER) {
            let separator =
                piece.chars().next_back().filter(|c| !c.is_alphanumeric() && *c != char::REPLACEMENT_CHARACTER);
            let word = separator.map_or(piece, |separator| &piece[..piece.len() - separator.len_utf8()]);
            self.word(word);
            if let Some(separator) = separator {
                // A line break or a bell in a name must not reach a terminal.
                let end = if separator.is_control() { char::REPLACEMENT_CHARACTER } else { separator };
                self.next(end);
            }
        }
    }

    fn next(&mut self, end: char) {
        if self.done.len() >= MOST_PARTS {
            return self.placeholder("{rest}");
        }
        self.last().end = Some(end);
        self.done.push(Part { text: String::new(), end: None, placeholder: false });
    }

    fn word(&mut self, word: &str) {
        if word.contains(char::REPLACEMENT_CHARACTER) {
            self.placeholder("{binary}");
        } else if word.bytes().all(|byte| byte.is_ascii_digit()) {
            if !word.is_empty() {
                self.placeholder("{n}");
            }
        } else if is_hex(word) {
            self.placeholder("{hex}");
        } else if looks_random(word) {
            self.placeholder("{id}");
        } else if is_version(word) {
            self.last().text.push_str(word);
        } else {
            self.numbered(word);
        }
    }

    /// A word with numbers in it: `user42`.
    fn numbered(&mut self, word: &str) {
        for piece in word.split_inclusive(|c: char| c.is_ascii_digit()) {
            let digit = piece.ends_with(|c: char| c.is_ascii_digit());
            self.last().text.push_str(if digit { &piece[..piece.len() - 1] } else { piece });
            if digit {
                self.placeholder("{n}");
            }
        }
    }
}

/// At least eight hexadecimal digits, some of them letters and some not: `9f86d081`.
fn is_hex(word: &str) -> bool {
    word.len() >= 8
        && word.bytes().all(|byte| byte.is_ascii_hexdigit())
        && word.bytes().any(|byte| byte.is_ascii_digit())
        && word.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// `v2` and the like say which kind of key it is, not which key.
fn is_version(word: &str) -> bool {
    let digits = word.strip_prefix(['v', 'V']).unwrap_or_default();
    (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Letters and digits that change their kind every few characters, as no word does: identifiers in base 36, 58 or 64.
fn looks_random(word: &str) -> bool {
    if word.len() < 10 || !word.is_ascii() {
        return false;
    }
    let kind = |byte: u8| match byte {
        b'0'..=b'9' => 0,
        b'A'..=b'Z' => 1,
        b'a'..=b'z' => 2,
        _ => 3,
    };
    let changes = word.as_bytes().windows(2).filter(|pair| kind(pair[0]) != kind(pair[1])).count();
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let breaks = word.bytes().filter(|byte| kind(*byte) == 3).count();
    // Separators of words are changes of kind too, and no sign of chance: each takes two.
    let changes = changes.saturating_sub(2 * breaks);
    digits >= 1 && changes * 10 >= word.len() * 3
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    #[track_caller]
    fn check(name: &str, pattern: &str) {
        assert_eq!(show(&parts(name.as_bytes())), pattern);
    }

    #[test]
    fn what_identifies_a_key_becomes_a_placeholder() {
        check("user:1234:cart", "user:{n}:cart");
        check("tenant-17", "tenant-{n}");
        check("loadtest_user_42", "loadtest_user_{n}");
        check("user42", "user{n}");
        check("session:123e4567-e89b-12d3-a456-426614174000", "session:{uuid}");
        check("etag:9f86d081884c7d65", "etag:{hex}");
        check("token:V1StGXR8Z5jdHi6B", "token:{id}");
        check("sess:dQw4w9WgXcQ-_x3Jk9Lm2Np8Qr5", "sess:{id}");
        check("order:01ARZ3NDEKTSV4RRFFQ69G5FAV", "order:{id}");
        check("mail:jane.doe@example.org", "mail:{email}");
        check("stats:2026-01-31:hits", "stats:{date}:hits");
        check("limit:10.1.2.3", "limit:{ip}");
        check("1234", "{n}");
    }

    #[test]
    fn what_says_which_kind_of_key_it_is_stays() {
        check("cache:v2:page", "cache:v2:page");
        check("feature_flags", "feature_flags");
        check("deadbeef", "deadbeef");
        check("AVeryLongNameInCamelCase", "AVeryLongNameInCamelCase");
        check("a-very-long-name-in-kebab-case", "a-very-long-name-in-kebab-case");
        check("{user:7}:cart", "{user:{n}}:cart");
        check("", "");
    }

    #[test]
    fn what_is_no_text_and_what_is_endless_is_bounded() {
        assert_eq!(show(&parts(b"blob:\xff\xfe\x00")), "blob:{binary}\u{fffd}");
        assert_eq!(show(&parts("x".repeat(5000).as_bytes())), format!("{}{{rest}}", "x".repeat(LONGEST)));
        assert!(parts("a:".repeat(120).as_bytes()).len() <= MOST_PARTS);
        check("line\nbreak", "line\u{fffd}break");
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(3), ..ProptestConfig::default() })]
        #[test]
        fn any_name_has_a_pattern_and_numbers_do_not_matter(
            name in prop::collection::vec(any::<u8>(), 0..300), one in 1_u64..1 << 40, other in 1_u64..1 << 40,
        ) {
            let _ = show(&parts(&name));
            let keys = [format!("job:{one}:state"), format!("job:{other}:state")];
            prop_assert_eq!(parts(keys[0].as_bytes()), parts(keys[1].as_bytes()));
        }
    }
}
