//! Patterns of many names together: where a place holds ever other words, the words are names and become `{name}`.
//!
//! Names are laid into a tree, part by part. A place with many branches that hold few keys each is a place for a name:
//! `cart:alice`, `cart:bob` and so on. A place with few branches, or with branches that hold many keys, tells kinds
//! apart: `cart:...`, `session:...`.

use std::collections::BTreeMap;

use super::pattern::{Part, show};

/// Fewer words than this are told apart.
const MANY: usize = 10;
/// At the beginning of a name, where kinds are told apart, words become a name only if this few keys follow each.
const KEYS_PER_FIRST_WORD: usize = 4;
const NAME: &str = "{name}";

/// Keys by their parts.
#[derive(Debug, Default)]
pub(super) struct Tree {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    children: BTreeMap<Part, Node>,
    /// Keys that end here, by their number.
    keys: Vec<usize>,
    /// Keys here and below.
    total: usize,
}

impl Tree {
    /// Lays a key into the tree.
    pub(super) fn insert(&mut self, parts: &[Part], key: usize) {
        let mut node = &mut self.root;
        node.total += 1;
        for part in parts {
            node = node.children.entry(part.clone()).or_default();
            node.total += 1;
        }
        node.keys.push(key);
    }

    /// The patterns, and which keys follow each.
    pub(super) fn patterns(mut self) -> Vec<(String, Vec<usize>)> {
        self.root.gather(true);
        let mut patterns = Vec::new();
        self.root.list(&mut Vec::new(), &mut patterns);
        patterns
    }
}

impl Node {
    /// Puts the words together that are names, here and below.
    fn gather(&mut self, first: bool) {
        let ends: Vec<Option<char>> = self.children.keys().map(|part| part.end).collect();
        for end in ends {
            self.gather_before(end, first);
        }
        self.children.values_mut().for_each(|child| child.gather(false));
    }

    /// The words that are followed by the same separator.
    fn gather_before(&mut self, end: Option<char>, first: bool) {
        let is_word = |part: &Part| part.end == end && !part.placeholder && !part.text.is_empty();
        let words = self.children.iter().filter(|(part, _)| is_word(part));
        let (count, total) = words.fold((0, 0), |(count, total), (_, node)| (count + 1, total + node.total));
        let names = if first { total < KEYS_PER_FIRST_WORD * count } else { count * count >= total };
        if count < MANY || !names {
            return;
        }
        let all = std::mem::take(&mut self.children);
        let (words, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(part, _)| is_word(part));
        self.children = others.into_iter().collect();
        let mut together = Node::default();
        words.into_iter().for_each(|(_, node)| together.absorb(node));
        self.children.insert(Part { text: NAME.to_owned(), end, placeholder: true }, together);
    }

    fn absorb(&mut self, other: Node) {
        self.total += other.total;
        self.keys.extend(other.keys);
        for (part, node) in other.children {
            self.children.entry(part).or_default().absorb(node);
        }
    }

    fn list(&self, path: &mut Vec<Part>, patterns: &mut Vec<(String, Vec<usize>)>) {
        if !self.keys.is_empty() {
            patterns.push((show(path), self.keys.clone()));
        }
        for (part, child) in &self.children {
            path.push(part.clone());
            child.list(path, patterns);
            path.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pattern::parts;
    use super::*;

    fn patterns(names: impl IntoIterator<Item = String>) -> Vec<(String, usize)> {
        let mut tree = Tree::default();
        for (number, name) in names.into_iter().enumerate() {
            tree.insert(&parts(name.as_bytes()), number);
        }
        tree.patterns().into_iter().map(|(pattern, keys)| (pattern, keys.len())).collect()
    }

    /// Words without numbers: `ba`, `ca`, ... `bab` and so on.
    fn word(i: usize) -> String {
        let letters = ["b", "c", "d", "f", "g", "h", "k", "l", "m", "n"];
        format!("{}a{}o{}", letters[i % 10], letters[i / 10 % 10], letters[i / 100 % 10])
    }

    #[test]
    fn names_become_a_placeholder_and_kinds_do_not() {
        let carts = (0..300).map(|i| format!("cart:{}", word(i)));
        let states = (0..50).flat_map(|i| ["open", "paid"].map(|state| format!("order:{i}:{state}")));
        let found = patterns(carts.chain(states));
        let expected = [("cart:{name}", 300), ("order:{n}:open", 50), ("order:{n}:paid", 50)];
        assert_eq!(found, expected.map(|(pattern, keys)| (pattern.to_owned(), keys)));
    }

    #[test]
    fn names_in_two_places_are_both_found() {
        let found = patterns((0..900).map(|i| format!("follows:{}:{}", word(i), word(i * 7))));
        assert_eq!(found, [("follows:{name}:{name}".to_owned(), 900)]);
    }

    #[test]
    fn twelve_kinds_with_many_keys_each_stay_apart() {
        let found = patterns((0..12).flat_map(|kind| (0..40).map(move |i| format!("{}:{i}", word(kind)))));
        assert_eq!(found.len(), 12, "{found:?}");
    }

    #[test]
    fn a_database_of_bare_words_is_one_pattern() {
        assert_eq!(patterns((0..100).map(word)), [("{name}".to_owned(), 100)]);
    }
}
