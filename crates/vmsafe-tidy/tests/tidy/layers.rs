//! Layers: who may know whom, as ARCHITECTURE.md says it.

use vmsafe_tidy::{Manifest, Tree, code_spans, rows};

use crate::{none, sources};

/// A row of the table of crates.
struct Layer {
    package: String,
    may_use: Vec<String>,
    in_tests: Vec<String>,
}

fn layers(tree: &Tree) -> Vec<Layer> {
    let spans = |cell: &str| code_spans(cell).into_iter().map(str::to_owned).collect();
    let table = rows(&tree.read("ARCHITECTURE.md"), "crate");
    assert!(
        !table.is_empty(),
        "ARCHITECTURE.md has lost its table of crates"
    );
    let layer = |cells: Vec<String>| Layer {
        package: cells[0].trim_matches('`').to_owned(),
        may_use: spans(&cells[2]),
        in_tests: spans(&cells[3]),
    };
    table.into_iter().map(layer).collect()
}

fn manifest(tree: &Tree, package: &str) -> Manifest {
    let file = format!("crates/{package}/Cargo.toml");
    Manifest::parse(&tree.read(&file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn the_table_lists_the_crates_that_exist_from_the_bottom_up() {
    let tree = Tree::of_workspace();
    let layers = layers(&tree);
    let listed: Vec<&str> = layers.iter().map(|layer| layer.package.as_str()).collect();
    let missing = tree.packages().filter(|package| !listed.contains(package));
    none(
        "each crate has a row in ARCHITECTURE.md",
        missing.map(str::to_owned),
    );
    let gone = listed
        .iter()
        .filter(|name| !tree.packages().any(|package| package == **name));
    none(
        "each row of ARCHITECTURE.md has a crate",
        gone.map(|name| (*name).to_owned()),
    );
    for (place, layer) in layers.iter().enumerate() {
        let above = layer
            .may_use
            .iter()
            .filter(|used| !listed[..place].contains(&used.as_str()));
        none(
            "a crate uses crates of the rows above it",
            above.map(|used| format!("{}: {used}", layer.package)),
        );
    }
}

#[test]
fn dependencies_point_down() {
    let tree = Tree::of_workspace();
    let mut broken = Vec::new();
    for layer in layers(&tree) {
        for found in manifest(&tree, &layer.package).dependencies() {
            let ours = tree.packages().any(|package| package == found.name);
            // A crate's tests may name the crate itself, to switch its features on.
            let in_tests = layer.in_tests.contains(&found.name) || found.name == layer.package;
            let allowed = layer.may_use.contains(&found.name) || found.for_tests && in_tests;
            if ours && !allowed {
                broken.push(format!("{} uses {}", layer.package, found.name));
            }
        }
    }
    none("dependencies are those of ARCHITECTURE.md", broken);
}

#[test]
fn the_witness_depends_on_no_crate_of_ours() {
    let tree = Tree::of_workspace();
    let found = manifest(&tree, "vmsafe-witness").dependencies();
    let ours = found
        .into_iter()
        .filter(|found| tree.packages().any(|package| package == found.name));
    none(
        "our mistakes must not fool the witness",
        ours.map(|found| found.name),
    );
}

#[test]
fn the_system_is_asked_for_in_one_crate() {
    let tree = Tree::of_workspace();
    let mut broken = Vec::new();
    for (file, source) in sources(&tree).filter(|(file, _)| !is_system(file)) {
        let conditions = [
            "target_os",
            "target_family",
            "unix",
            "windows",
            "vmsafe_absent",
            // In `std::env::consts`.
            "OS",
            "FAMILY",
        ];
        let calls = [
            "libc",
            "rustix",
            "nix",
            "windows_sys",
            "mach2",
            "linux_raw_sys",
            "procfs",
        ];
        let lines = source
            .conditions_on(&conditions)
            .into_iter()
            .chain(source.lines_with(&calls));
        broken.extend(lines.map(|line| format!("{file}:{line}")));
    }
    none(
        "systems are told apart, and called, in vmsafe-os only",
        broken,
    );
}

fn is_system(file: &str) -> bool {
    file.starts_with("crates/vmsafe-os/")
}

#[test]
fn unsafe_code_stands_where_the_architecture_lists_it() {
    let tree = Tree::of_workspace();
    let table = rows(&tree.read("ARCHITECTURE.md"), "unsafe outside `vmsafe-os`");
    let listed: Vec<String> = table
        .iter()
        .flat_map(|cells| code_spans(&cells[0]))
        .map(str::to_owned)
        .collect();
    assert!(
        !listed.is_empty(),
        "ARCHITECTURE.md has lost its table of unsafe code"
    );
    let mut broken = Vec::new();
    for (file, source) in sources(&tree).filter(|(file, _)| !is_system(file)) {
        let found = source.lines_with(&["unsafe"]);
        match (listed.iter().any(|listed| listed == file), found.as_slice()) {
            (false, [line, ..]) => broken.push(format!("{file}:{line} is not listed")),
            (true, []) => broken.push(format!("{file} is listed and has none")),
            _ => {}
        }
    }
    let gone = listed.iter().filter(|listed| !tree.has(listed));
    broken.extend(gone.map(|listed| format!("{listed} is listed and does not exist")));
    none(
        "unsafe code stands in vmsafe-os and where ARCHITECTURE.md says",
        broken,
    );
}

#[test]
fn every_unsafe_place_has_its_proof() {
    let tree = Tree::of_workspace();
    let broken = sources(&tree).flat_map(|(file, source)| {
        let lines = source.unproved();
        lines.into_iter().map(move |line| format!("{file}:{line}"))
    });
    none(
        "`// SAFETY:` stands above each unsafe block and impl",
        broken,
    );
}

#[test]
fn every_crate_takes_the_lints_and_none_silences_one() {
    let tree = Tree::of_workspace();
    let loose = tree
        .packages()
        .filter(|package| !manifest(&tree, package).takes_lints());
    none(
        "each crate says lints.workspace = true",
        loose.map(str::to_owned),
    );
    let mut broken = Vec::new();
    for (file, source) in sources(&tree) {
        let lines = source.attributes("allow");
        broken.extend(lines.into_iter().map(|line| format!("{file}:{line}")));
    }
    none("a lint is expected with a reason, never allowed", broken);
}
