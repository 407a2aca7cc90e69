//! Holes: `{user.id}`, `{random.int(1, 100)}`, `{data.users.name}`, `{id:json}`. Finds them in text and reads them.
//!
//! Whether a name is known at its place is for [`super::names`] to say.

use std::ops::Range;

use crate::template::{Form, Hole, Random};
use crate::words;

/// What is wrong with a hole, and what would be right.
#[derive(Debug, PartialEq)]
pub(super) struct Complaint {
    pub(super) title: String,
    /// The word that was meant.
    pub(super) near: Option<String>,
    pub(super) help: String,
}

/// The holes that are always words of the language. What begins with `data.` and `random.` is read apart.
const WORDS: [(&str, Hole); 7] = [
    ("user.id", Hole::UserId),
    ("user.n", Hole::UserNumber),
    ("iteration", Hole::Iteration),
    ("turn", Hole::Turn),
    ("now", Hole::Now),
    ("integrity.key", Hole::IntegrityKey),
    ("integrity.value", Hole::IntegrityValue),
];
pub(super) const RANDOM: [&str; 4] = ["random.int(1, 100)", "random.choice(a, b)", "random.uuid", "random.text(20)"];
/// Names nothing may be captured under: they would hide something.
const RESERVED: [&str; 8] = ["user", "iteration", "turn", "random", "data", "payload", "now", "integrity"];
const LONGEST_TEXT: u16 = 10_000;

/// What stands in the braces that begin here, if they hold a hole: a word, perhaps with arguments and a form.
pub(super) fn find(text: &str, brace: usize) -> Option<Range<usize>> {
    let start = brace + 1;
    let end = start + text[start..].find(['{', '}', '\n'])?;
    let inside = &text[start..end];
    (text[end..].starts_with('}') && is_hole(inside)).then_some(start..end)
}

fn is_hole(inside: &str) -> bool {
    // Columns are named by others: they may hold anything.
    if inside.starts_with("data.") {
        return true;
    }
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let rest = inside.trim_start_matches(word);
    let rest = match rest.strip_prefix('(') {
        Some(arguments) => arguments.split_once(')').map_or("?", |(_, rest)| rest),
        None => rest,
    };
    let form = rest.strip_prefix(':').unwrap_or(rest);
    let sound_form = form.len() == rest.len() && form.is_empty()
        || form.len() < rest.len() && !form.is_empty() && form.chars().all(|c| c.is_ascii_alphabetic());
    inside.starts_with(|c: char| c.is_ascii_alphabetic()) && sound_form
}

/// Reads what [`find`] found.
pub(super) fn parse(inside: &str) -> Result<(Hole, Form), Complaint> {
    match inside.rsplit_once(':') {
        Some((word, form_word)) => Ok((hole(word)?, form(form_word)?)),
        None => Ok((hole(inside)?, Form::Text)),
    }
}

fn form(word: &str) -> Result<Form, Complaint> {
    match word {
        "json" => Ok(Form::Json),
        "raw" => Ok(Form::Raw),
        _ => Err(Complaint {
            title: format!("unknown form `:{word}`"),
            near: words::nearest(word, ["json", "raw"]).map(|near| format!(":{near}")),
            help: "valid are `:json` (a value as JSON, unquoted) and `:raw` (a path as it is); write `{{` for a plain brace"
                .to_owned(),
        }),
    }
}

fn hole(word: &str) -> Result<Hole, Complaint> {
    if let Some((_, hole)) = WORDS.iter().find(|(known, _)| *known == word) {
        return Ok(hole.clone());
    }
    if let Some(rest) = word.strip_prefix("data.") {
        return data(rest);
    }
    if let Some(name) = word.strip_prefix("payload.").filter(|name| words::is_name(name)) {
        return Ok(Hole::Payload(name.to_owned()));
    }
    match word.strip_prefix("random.") {
        Some(rest) => random(rest).map(Hole::Random),
        None if words::is_name(word) => Ok(Hole::Captured(word.to_owned())),
        None => Err(unknown(word)),
    }
}

fn unknown(word: &str) -> Complaint {
    let valid = || WORDS.iter().map(|(word, _)| *word).chain(RANDOM);
    let near = words::nearest(word, valid()).map(|near| format!("{{{near}}}"));
    let braced: Vec<String> = valid().map(|word| format!("{{{word}}}")).collect();
    let list = words::list(braced.iter().map(String::as_str));
    let help = format!(
        "valid are {list}, `{{data.SET.column}}`, `{{payload.NAME}}` and captured names; write `{{{{` for a plain brace"
    );
    Complaint { title: format!("unknown hole `{{{word}}}`"), near, help }
}

fn data(rest: &str) -> Result<Hole, Complaint> {
    match rest.split_once('.') {
        Some((set, column)) if !set.is_empty() && !column.is_empty() => {
            Ok(Hole::Data(set.to_owned(), column.to_owned()))
        }
        _ => Err(Complaint {
            title: format!("`{{data.{rest}}}` names no column"),
            near: None,
            help: "write `{data.SET.column}`".to_owned(),
        }),
    }
}

fn random(rest: &str) -> Result<Random, Complaint> {
    let (name, arguments) = match rest.split_once('(') {
        Some((name, arguments)) => (name, arguments.strip_suffix(')')),
        None => (rest, None),
    };
    let arguments: Vec<&str> = arguments.map_or_else(Vec::new, |list| list.split(',').map(str::trim).collect());
    let random = match (name, arguments.as_slice()) {
        ("uuid", []) => Some(Random::Uuid),
        ("int", [min, max]) => integer(min, max),
        ("text", [length]) => {
            length.parse().ok().filter(|n: &std::num::NonZeroU16| n.get() <= LONGEST_TEXT).map(Random::Text)
        }
        ("choice", words) => choice(words),
        _ => None,
    };
    random.ok_or_else(|| not_random(rest, name))
}

fn integer(min: &str, max: &str) -> Option<Random> {
    let (min, max) = (min.parse().ok()?, max.parse().ok()?);
    (min <= max).then_some(Random::Integer { min, max })
}

fn choice(words: &[&str]) -> Option<Random> {
    let sound = !words.is_empty() && words.iter().all(|word| !word.is_empty() && !word.contains(['(', ')']));
    sound.then(|| Random::Choice(words.iter().map(|word| (*word).to_owned()).collect()))
}

fn not_random(rest: &str, name: &str) -> Complaint {
    let example = RANDOM.iter().find(|word| word[7..].split('(').next() == Some(name));
    let help = match example {
        Some(example) if name == "int" => {
            format!("write for example `{{{example}}}`: two whole numbers, the lower first")
        }
        Some(example) if name == "text" => format!("write for example `{{{example}}}`: 1 to {LONGEST_TEXT} characters"),
        Some(example) => format!("write for example `{{{example}}}`"),
        None => format!("valid are {}", words::list(RANDOM.iter().copied())),
    };
    let near = if example.is_some() {
        None
    } else {
        words::nearest(&format!("random.{name}"), RANDOM.map(|w| w.split('(').next().unwrap_or(w)))
    };
    Complaint { title: format!("unknown random value `{{random.{rest}}}`"), near: near.map(str::to_owned), help }
}

/// Why nothing may be captured under this name.
pub(super) fn unfit_name(name: &str) -> Option<(String, String)> {
    if RESERVED.contains(&name) {
        let help = format!("these words are taken: {}", words::list(RESERVED));
        return Some((format!("nothing can be captured as `{name}`"), help));
    }
    let sound = words::is_name(name) && name.starts_with(|c: char| c.is_ascii_alphabetic());
    let help = "names of values begin with a letter and are made of letters, digits, `-` and `_`".to_owned();
    (!sound).then(|| (format!("`{name}` is not the name of a value"), help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &Hole, form: Form) {
        let range = find(text, 0).unwrap_or_else(|| panic!("{text} has no hole"));
        assert_eq!(parse(&text[range]).unwrap(), (expected.clone(), form), "{text}");
        let again = format!("{{{expected}}}");
        assert_eq!(parse(&again[find(&again, 0).unwrap()]).unwrap().0, *expected, "as it is shown: {again}");
    }

    #[test]
    fn holes_are_words_values_and_columns() {
        check("{user.id}", &Hole::UserId, Form::Text);
        check("{token:raw}", &Hole::Captured("token".to_owned()), Form::Raw);
        check("{data.users.first name:json}", &Hole::Data("users".to_owned(), "first name".to_owned()), Form::Json);
        check("{random.int(-1,100)} x", &Hole::Random(Random::Integer { min: -1, max: 100 }), Form::Text);
        let words = vec!["a b".to_owned(), "c".to_owned()];
        check("{random.choice( a b ,c)}", &Hole::Random(Random::Choice(words)), Form::Text);
    }

    #[test]
    fn braces_of_other_languages_are_no_holes() {
        for text in ["{\"a\":1}", "{ id }", "{}", "{id", "{id name}", "{a(}", "{a:}", "{\n}", "{1}"] {
            assert_eq!(find(text, 0), None, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_hole_is_said_with_the_fix() {
        let help = |text: &str| parse(text).unwrap_err().help;
        assert!(help("random.int(9,1)").contains("the lower first"));
        assert!(help("random.text(0)").contains("1 to 10000"));
        assert!(help("random.dice").contains("`random.uuid`"));
        assert_eq!(parse("usr.id").unwrap_err().near.as_deref(), Some("{user.id}"));
        assert_eq!(parse("id:jsn").unwrap_err().near.as_deref(), Some(":json"));
    }
}
