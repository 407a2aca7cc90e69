//! Rust source with its texts and comments blanked out, so that a rule about code does not trip over words. It knows
//! just enough of the language for that: strings, raw strings, characters, lifetimes, nested comments.

/// The same number of lines and columns as the source, twice: only its code, and only its comments.
#[derive(Debug)]
pub(super) struct Split {
    pub(super) code: String,
    pub(super) comments: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Text,
}

pub(super) fn split(source: &str) -> Split {
    let chars: Vec<char> = source.chars().collect();
    let mut split = Split { code: String::new(), comments: String::new() };
    let mut at = 0;
    while at < chars.len() {
        let (kind, end) = token(&chars, at);
        for &c in &chars[at..end] {
            split.push(kind, c);
        }
        at = end;
    }
    split
}

impl Split {
    fn push(&mut self, kind: Kind, c: char) {
        let blank = if c == '\n' { '\n' } else { ' ' };
        self.code.push(if kind == Kind::Code { c } else { blank });
        self.comments.push(if kind == Kind::Comment { c } else { blank });
    }
}

/// The kind of what starts here, and where it ends; the end is always further on.
fn token(chars: &[char], at: usize) -> (Kind, usize) {
    let rest = &chars[at..];
    if rest.starts_with(&['/', '/']) {
        return (Kind::Comment, at + position(rest, |c| c == '\n').unwrap_or(rest.len()));
    }
    if rest.starts_with(&['/', '*']) {
        return (Kind::Comment, at + block_comment_len(rest));
    }
    if let Some(len) = raw_string_len(chars, at) {
        return (Kind::Text, at + len);
    }
    match rest[0] {
        '"' => (Kind::Text, at + quoted_len(rest, '"')),
        '\'' if is_character(rest) => (Kind::Text, at + quoted_len(rest, '\'')),
        _ => (Kind::Code, at + 1),
    }
}

/// A character literal, and not a lifetime: an escape, or a quote right after one character.
fn is_character(rest: &[char]) -> bool {
    rest.get(1) == Some(&'\\') || rest.get(2) == Some(&'\'')
}

/// Up to and with the closing quote, escapes jumped over.
fn quoted_len(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn block_comment_len(rest: &[char]) -> usize {
    let (mut at, mut depth) = (2, 1);
    while at < rest.len() && depth > 0 {
        if rest[at..].starts_with(&['/', '*']) {
            (at, depth) = (at + 2, depth + 1);
        } else if rest[at..].starts_with(&['*', '/']) {
            (at, depth) = (at + 2, depth - 1);
        } else {
            at += 1;
        }
    }
    at
}

/// `r"..."`, `r#"..."#`, `br"..."`: None where no such text starts, as with `r#type` or the r in `for`.
fn raw_string_len(chars: &[char], at: usize) -> Option<usize> {
    let rest = &chars[at..];
    let prefix = if rest.starts_with(&['b', 'r']) { 2 } else { usize::from(rest[0] == 'r') };
    let in_a_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    if prefix == 0 || in_a_word {
        return None;
    }
    let hashes = rest[prefix..].iter().take_while(|c| **c == '#').count();
    let start = prefix + hashes + 1;
    if rest.get(start - 1) != Some(&'"') {
        return None;
    }
    let closing: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let found = rest[start..].windows(closing.len()).position(|window| window == closing);
    Some(found.map_or(rest.len(), |found| start + found + closing.len()))
}

fn position(chars: &[char], is_wanted: impl Fn(char) -> bool) -> Option<usize> {
    chars.iter().position(|c| is_wanted(*c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(source: &str) -> String {
        split(source).code.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn texts_are_no_code() {
        assert_eq!(code(r#"a("x.unwrap() \" {"); b"#), "a( ); b");
        assert_eq!(code(r##"a(r#"{ " "#, br"{"); b"##), "a( , ); b");
        assert_eq!(code(r"a('{', '\'', b'\\', '\u{7b}'); b"), "a( , , b , ); b");
    }

    #[test]
    fn lifetimes_and_raw_names_are_code() {
        assert_eq!(code("fn f<'a>(r#type: &'a str) {}"), "fn f<'a>(r#type: &'a str) {}");
    }

    #[test]
    fn comments_stand_apart_and_may_nest() {
        let split = split("a /* b /* c */ d */ e // f\ng");
        assert_eq!(split.code.split_whitespace().collect::<Vec<_>>(), ["a", "e", "g"]);
        assert_eq!(split.comments.trim(), "/* b /* c */ d */   // f");
    }

    #[test]
    fn lines_keep_their_numbers() {
        let source = "a\n\"b\nc\"\n/*\n*/ d";
        let split = split(source);
        assert_eq!(split.code.lines().count(), source.lines().count());
        assert_eq!(split.code.lines().nth(4), Some("   d"));
    }

    #[test]
    fn text_that_never_ends_ends_with_the_file() {
        for source in ["\"abc", "r#\"abc\"", "/* abc", "'\\", "\"abc\\"] {
            assert_eq!(code(source), "", "{source}");
        }
    }
}
