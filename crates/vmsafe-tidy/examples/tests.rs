//! Prints the full name of every test of the workspace, as docs/guarantees.md writes it.

use vmsafe_tidy::{Source, Tree, module_path};

fn main() {
    let tree = Tree::of_workspace();
    for file in tree.ending(".rs") {
        if let (Some(module), Ok(source)) = (module_path(file), Source::parse(&tree.read(file))) {
            for test in source.tests() {
                println!("{module}::{test}");
            }
        }
    }
}
