//! The workspace's rules. Each test lists every place where its rule is broken.

mod budgets;
mod documents;
mod layers;
mod platform;
mod words;

use vmsafe_tidy::{Source, Tree};

/// Every Rust source, parsed.
fn sources(tree: &Tree) -> impl Iterator<Item = (&str, Source)> {
    tree.ending(".rs").map(|file| {
        let source = Source::parse(&tree.read(file));
        (
            file,
            source.unwrap_or_else(|error| panic!("{file}: {error}")),
        )
    })
}

/// A source up to its tests, which stand at the end.
fn without_tests(text: &str) -> &str {
    text.split_once("#[cfg(test)]\nmod")
        .map_or(text, |(code, _)| code)
}

/// Fails with the list of what breaks a rule.
#[track_caller]
fn none(rule: &str, broken: impl IntoIterator<Item = String>) {
    let broken: Vec<String> = broken.into_iter().collect();
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}
