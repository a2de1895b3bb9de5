//! Documents: what they name exists, and what they promise is proved.

use std::collections::BTreeSet;

use vmsafe_tidy::{Tree, code_spans, fences, links, module_path, rows};

use crate::{none, sources};

/// Every test of the workspace by its full name.
fn tests_of(tree: &Tree) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (file, source) in sources(tree) {
        if let Some(module) = module_path(file) {
            found.extend(
                source
                    .tests()
                    .into_iter()
                    .map(|test| format!("{module}::{test}")),
            );
        }
    }
    found
}

/// The promises, each a row: promise, when it holds, the tests, the control.
fn promises(tree: &Tree) -> Vec<Vec<String>> {
    let found = rows(&tree.read("docs/guarantees.md"), "promise");
    assert!(found.len() > 20, "docs/guarantees.md has lost its tables");
    found
}

#[test]
fn every_named_test_exists() {
    let tree = Tree::of_workspace();
    let tests = tests_of(&tree);
    assert!(tests.contains("vmsafe-tidy/tests/tidy/documents.rs::every_named_test_exists"));
    let mut gone = Vec::new();
    for row in promises(&tree) {
        for cell in &row[2..] {
            let named = code_spans(cell)
                .into_iter()
                .filter(|name| !tests.contains(*name));
            gone.extend(named.map(|name| format!("{name}, which proves: {}", row[0])));
        }
    }
    none("docs/guarantees.md names tests that exist", gone);
}

#[test]
fn every_promise_has_a_test_and_every_negative_its_control() {
    let tree = Tree::of_workspace();
    let words = ["in the same test", "not a negative"];
    let broken = promises(&tree).into_iter().filter(|row| {
        let whole = row.len() == 4 && row.iter().all(|cell| !cell.is_empty());
        let proved = whole && !code_spans(&row[2]).is_empty();
        let controlled = whole && (!code_spans(&row[3]).is_empty() || words.contains(&&*row[3]));
        !(proved && controlled)
    });
    none(
        "a promise has a test and a control",
        broken.map(|row| row.join(" | ")),
    );
}

#[test]
fn every_link_leads_somewhere() {
    let tree = Tree::of_workspace();
    let mut broken = Vec::new();
    for file in tree.ending(".md") {
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in links(&tree.read(file)) {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            if link.contains("://") {
                continue;
            }
            let target = if path.is_empty() {
                file.to_owned()
            } else {
                resolve(folder, path)
            };
            let found = tree.has(&target)
                && (anchor.is_empty() || anchors(&tree.read(&target)).contains(anchor));
            if !found {
                broken.push(format!("{file}: {link}"));
            }
        }
    }
    none("each relative link leads to a file and a heading", broken);
}

fn resolve(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            other => parts.push(other),
        }
    }
    parts.join("/")
}

/// The anchors of a document's headings, as code forges make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let kept = |c: &char| c.is_alphanumeric() || "-_ ".contains(*c);
    headings
        .map(|line| line.trim_start_matches('#').trim().to_lowercase())
        .map(|line| {
            line.chars()
                .filter(kept)
                .collect::<String>()
                .replace(' ', "-")
        })
        .collect()
}

#[test]
fn links_resolve_as_a_reader_would() {
    assert_eq!(resolve("docs/design", "../a.md"), "docs/a.md");
    assert!(anchors("# A `b`: c\n").contains("a-b-c"));
}

/// The subcommands of the utility: the variants of its `Command`, as a user types them.
fn subcommands(tree: &Tree) -> BTreeSet<String> {
    let text = tree.read("crates/vmsafe-cli/src/args.rs");
    let file = syn::parse_file(&text).expect("the arguments are Rust");
    let mut found = BTreeSet::from(["help".to_owned()]);
    for item in file.items {
        if let syn::Item::Enum(item) = item
            && item.ident == "Command"
        {
            let names = item
                .variants
                .iter()
                .map(|variant| variant.ident.to_string());
            found.extend(names.map(|name| name.to_lowercase()));
        }
    }
    assert!(
        found.contains("demo"),
        "the utility's arguments have moved: mend this test"
    );
    found
}

#[test]
fn every_command_in_the_documents_exists() {
    let tree = Tree::of_workspace();
    let known = subcommands(&tree);
    let mut broken = Vec::new();
    for file in tree.ending(".md") {
        for line in fences(&tree.read(file), "sh")
            .iter()
            .flat_map(|body| body.lines())
        {
            let line = line.strip_prefix("sudo ").unwrap_or(line);
            let asked = line
                .strip_prefix("cargo run --release -- ")
                .or_else(|| line.strip_prefix("vmsafe "));
            let word = asked.and_then(|asked| asked.split_whitespace().next());
            if word.is_some_and(|word| !known.contains(word)) {
                broken.push(format!("{file}: {line}"));
            }
        }
    }
    none("each command in a document is one of the utility's", broken);
}

#[test]
fn the_readme_opens_with_the_two_commands() {
    let readme = Tree::of_workspace().read("README.md");
    let shell = fences(&readme, "sh");
    let first: Vec<&str> = shell.iter().flat_map(|body| body.lines()).take(2).collect();
    assert_eq!(first, ["cargo run --release -- demo", "cargo test"]);
}

#[test]
fn the_scripts_run_what_the_readme_says() {
    let tree = Tree::of_workspace();
    let script = tree.read(".ci/run");
    let says = |wanted: &str| script.lines().any(|line| line.trim() == wanted);
    assert!(
        says("cargo test"),
        ".ci/run does not run the README's test command"
    );
    assert!(script.contains("cargo run --release -- demo --json"));
}
