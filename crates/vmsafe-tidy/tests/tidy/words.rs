//! Words and lines: nothing half done, nothing too wide, nothing of one machine.

use std::path::Path;

use vmsafe_tidy::Tree;

use crate::none;

/// Columns.
const WIDTH: usize = 100;

/// Marks of work that is not done. In pieces, so that this file does not break its own rule.
const UNDONE: [&str; 9] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("HA", "CK"),
    concat!("for ", "now"),
    concat!("place", "holder"),
    concat!("dbg", "!("),
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
];

/// Top directories that any machine has, but for the homes of its users.
const USUAL: [&str; 16] = [
    "bin", "boot", "dev", "etc", "lib", "media", "mnt", "opt", "proc", "run", "sbin", "srv", "sys",
    "tmp", "usr", "var",
];

/// What people wrote, as far as it is text.
fn texts(tree: &Tree) -> impl Iterator<Item = (&str, String)> {
    let kinds = [
        ".rs", ".md", ".toml", ".ci/run", ".sh", ".html", ".h", ".py",
    ];
    let text = move |file: &&str| kinds.iter().any(|kind| file.ends_with(kind));
    tree.files()
        .filter(text)
        .map(|file| (file, tree.read(file)))
}

/// `check` gives the reason why a line breaks a rule.
fn broken(tree: &Tree, check: impl Fn(&str, &str) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in texts(tree) {
        for (number, line) in text.lines().enumerate() {
            if let Some(reason) = check(file, line) {
                found.push(format!("{file}:{}: {reason}", number + 1));
            }
        }
    }
    found
}

fn undone(line: &str) -> Option<String> {
    let found = UNDONE.iter().find(|mark| says(line, mark));
    found.map(|mark| (*mark).to_owned())
}

/// True when the mark stands by itself: a name for `mktemp` is full of crosses.
fn says(line: &str, mark: &str) -> bool {
    let joined = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    line.match_indices(mark).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + mark.len()..].chars().next();
        !joined(before) && !joined(after)
    })
}

#[test]
fn nothing_is_half_done() {
    let tree = Tree::of_workspace();
    none(
        "what is not done is not there",
        broken(&tree, |_, line| undone(line)),
    );
    for mark in UNDONE {
        assert!(undone(&format!("// {mark}: later")).is_some(), "{mark}");
        assert!(undone(&format!("mktemp deb.X{mark}")).is_none());
    }
}

fn too_wide(file: &str, line: &str) -> Option<String> {
    // A row of a table and a link cannot be broken.
    let whole = file.ends_with(".md") && (line.starts_with('|') || line.contains("]("));
    let width = line.chars().count();
    (width > WIDTH && !whole).then(|| format!("{width} columns"))
}

#[test]
fn no_line_is_wider_than_a_window() {
    let tree = Tree::of_workspace();
    none("a line has 100 columns at most", broken(&tree, too_wide));
    assert!(too_wide("a.rs", &"x".repeat(WIDTH + 1)).is_some());
    assert!(too_wide("a.rs", &"x".repeat(WIDTH)).is_none());
}

/// The first absolute path of a line whose top directory is there, and is not usual. A path that
/// a test invents is not there.
fn foreign_path(line: &str, is_there: impl Fn(&str) -> bool) -> Option<String> {
    let starts = [' ', '"', '\'', '`', '(', '=', '>', '<'];
    let mut at = 0;
    while let Some(found) = line[at..].find('/') {
        let slash = at + found;
        at = slash + 1;
        let opens = line[..slash]
            .chars()
            .next_back()
            .is_none_or(|c| starts.contains(&c));
        let rest = &line[at..];
        let name: &str = rest
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()?;
        let path = !name.is_empty() && rest[name.len()..].starts_with('/');
        let top = format!("/{name}/");
        if opens && path && !USUAL.contains(&name) && is_there(&top) {
            return Some(top);
        }
    }
    None
}

#[test]
fn no_path_belongs_to_one_machine() {
    let tree = Tree::of_workspace();
    let is_there = |top: &str| Path::new(top).is_dir();
    let found = broken(&tree, |_, line| foreign_path(line, is_there));
    none("absolute paths are those of any machine", found);
    assert!(foreign_path(concat!("see \"/ours", "/project/x\""), |_| true).is_some());
    let fine = "a/b/c, // d/e, https://example.org/f/g, /proc/self/maps";
    assert!(foreign_path(fine, |_| true).is_none());
}
