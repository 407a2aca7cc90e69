//! Valid words and the nearest one: what a message says when a word is unknown.

/// The valid word most like `word`, when one is like it at all.
pub(crate) fn nearest<'w>(word: &str, valid: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let close_enough = (word.chars().count() / 3).max(1);
    let distance = |candidate: &str| strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase());
    let nearest = valid.into_iter().map(|candidate| (distance(candidate), candidate)).min_by_key(|(far, _)| *far)?;
    (nearest.0 <= close_enough).then_some(nearest.1)
}

/// `` `a`, `b`, `c` ``.
pub(crate) fn list<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    if quoted.is_empty() { "none".to_owned() } else { quoted.join(", ") }
}

/// True for names of plans, phases, flows and steps: they become file names, labels and parts of criteria.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_word_and_a_stranger_finds_none() {
        let valid = ["target", "phases", "criteria"];
        assert_eq!(nearest("targt", valid), Some("target"));
        assert_eq!(nearest("Phases", valid), Some("phases"));
        assert_eq!(nearest("limiter", valid), None);
        assert_eq!(nearest("x", []), None);
    }
}
