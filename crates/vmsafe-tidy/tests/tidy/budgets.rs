//! Sizes: what one person can read at a sitting.

use vmsafe_tidy::{Manifest, Tree, code_lines};

use crate::{none, sources, without_tests};

const FILE: usize = 500;
const MEDIAN_FILE: usize = 150;
const FUNCTION: usize = 70;
const MEDIAN_FUNCTION: usize = 10;
const ROOT: usize = 60;
const README: usize = 220;
const SYSTEM: usize = 2_100;
const DEPENDENCIES: usize = 6;

fn median(mut sizes: Vec<usize>) -> usize {
    sizes.sort_unstable();
    sizes[sizes.len() / 2]
}

#[test]
fn files_are_short() {
    let tree = Tree::of_workspace();
    let size = |file: &str| code_lines(&tree.read(file));
    let long = tree.ending(".rs").filter(|file| size(file) > FILE);
    none(
        "a file has 500 lines of code at most",
        long.map(|file| format!("{file}: {}", size(file))),
    );
    let middle = median(tree.ending(".rs").map(size).collect());
    assert!(
        middle <= MEDIAN_FILE,
        "the median file has {middle} lines of code"
    );
}

#[test]
fn crate_roots_hold_no_code_to_speak_of() {
    let tree = Tree::of_workspace();
    let roots = tree
        .ending("/src/lib.rs")
        .filter(|file| code_lines(&tree.read(file)) > ROOT);
    none(
        "lib.rs holds documentation, modules and exports",
        roots.map(str::to_owned),
    );
}

#[test]
fn functions_are_short() {
    let tree = Tree::of_workspace();
    let mut sizes = Vec::new();
    let mut long = Vec::new();
    for (file, source) in sources(&tree) {
        for function in source.functions() {
            sizes.push(function.lines);
            if function.lines > FUNCTION {
                long.push(format!("{file}:{}: {}", function.line, function.name));
            }
        }
    }
    none("a function has 70 lines at most", long);
    let middle = median(sizes);
    assert!(
        middle <= MEDIAN_FUNCTION,
        "the median function has {middle} lines"
    );
}

#[test]
fn the_system_layer_can_be_audited_in_an_afternoon() {
    let tree = Tree::of_workspace();
    let total: usize = tree
        .sources_of("vmsafe-os")
        .filter(|file| is_audited(file))
        .map(|file| code_lines(without_tests(&tree.read(file))))
        .sum();
    assert!(total > 0, "vmsafe-os has moved: mend this test");
    assert!(
        total <= SYSTEM,
        "the contract and Linux below it have {total} lines of code"
    );
}

/// What stands between a program and Linux: neither laboratory, nor model, nor other systems.
fn is_audited(file: &str) -> bool {
    let rooms = ["lab", "model", "absent", "windows", "darwin", "bsd"];
    let inside = file.strip_prefix("crates/vmsafe-os/src/");
    inside.is_some_and(|inside| {
        let room = inside.split(['/', '.']).next().unwrap_or(inside);
        !rooms.contains(&room) && !inside.ends_with("tests.rs") && !inside.contains("tests/")
    })
}

#[test]
fn the_library_depends_on_little_and_says_why() {
    let tree = Tree::of_workspace();
    let manifest = Manifest::parse(&tree.read("crates/vmsafe/Cargo.toml")).unwrap();
    let mut runtime = manifest.dependencies();
    runtime.retain(|found| !found.for_tests);
    let always = runtime.iter().filter(|found| !found.optional);
    let always: Vec<&str> = always.map(|found| found.name.as_str()).collect();
    assert!(!always.is_empty(), "vmsafe stands on vmsafe-os at least");
    assert!(always.len() <= DEPENDENCIES, "{}: {always:?}", always.len());
    none(
        "each dependency of vmsafe has a comment above it that says why",
        runtime
            .into_iter()
            .filter(|found| !found.explained)
            .map(|found| found.name),
    );
}

#[test]
fn the_readme_is_short() {
    let lines = Tree::of_workspace().read("README.md").lines().count();
    assert!(lines <= README, "README.md has {lines} lines");
}

#[test]
fn no_file_is_a_dumping_place() {
    let tree = Tree::of_workspace();
    let names = [
        "util", "utils", "common", "misc", "helpers", "imp", "types", "mod", "prelude",
    ];
    let dump = |file: &&str| {
        let stem = file
            .rsplit('/')
            .next()
            .and_then(|name| name.strip_suffix(".rs"));
        stem.is_some_and(|stem| names.contains(&stem))
            || names.iter().any(|name| file.contains(&format!("/{name}/")))
    };
    none(
        "a file is named after a noun of the field",
        tree.ending(".rs").filter(dump).map(str::to_owned),
    );
}
