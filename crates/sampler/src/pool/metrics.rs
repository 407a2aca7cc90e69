//! Samples in the text format of OpenMetrics and of Prometheus, found by name and labels.
//!
//! Made for answers that are not what they should be: a line that is no sample is passed over.

/// The sum of the samples of this name that have all these labels; `None` when there is none.
pub(super) fn sum(text: &str, name: &str, labels: &[(String, String)]) -> Option<f64> {
    let samples = text.lines().filter_map(sample).filter(|(other, _, _)| *other == name);
    let wanted = samples.filter(|(_, stated, _)| labels.iter().all(|label| stated.contains(label)));
    wanted.map(|(_, _, value)| value).fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

type Sample<'a> = (&'a str, Vec<(String, String)>, f64);

fn sample(line: &str) -> Option<Sample<'_>> {
    let line = line.trim();
    let end = line.find(|c: char| c == '{' || c.is_ascii_whitespace()).filter(|end| *end > 0)?;
    let (name, rest) = line.split_at(end);
    if name.starts_with('#') {
        return None;
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => labels(inside)?,
        None => (Vec::new(), rest),
    };
    let value = rest.split_ascii_whitespace().next()?.parse::<f64>().ok().filter(|value| value.is_finite())?;
    Some((name, labels, value))
}

/// The labels up to the closing brace, and what follows it.
fn labels(mut text: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        text = text.trim_start_matches([',', ' ']);
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (label, rest) = text.split_once("=\"")?;
        let (value, rest) = quoted(rest)?;
        labels.push((label.trim().to_owned(), value));
        text = rest;
    }
}

/// The text up to the closing quote, without its escapes, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    const TEXT: &str = "\
# HELP hikari_active Active connections
hikari_active{pool=\"a, }b\",state=\"x\\\"y\"} 3 1700000000
hikari_active{pool=\"main\"} 4.5
hikari_active NaN
hikari_active_total 9
";

    #[test]
    fn samples_with_the_labels_are_added_up() {
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(sum(TEXT, "hikari_active", &[]), Some(7.5));
        assert_eq!(sum(TEXT, "hikari_active", &[label("pool", "a, }b"), label("state", "x\"y")]), Some(3.0));
        assert_eq!(sum(TEXT, "hikari_active", &[label("pool", "other")]), None);
        assert_eq!(sum(TEXT, "hikari", &[]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, rng_seed: RngSeed::Fixed(5), ..ProptestConfig::default() })]
        #[test]
        fn any_text_is_read_without_panic(text in "(a|[{}=\"\\\\ ,\n#0-9é]){0,40}") {
            let _ = sum(&text, "a", &[]);
        }
    }
}
