//! Readers for the workspace's own files: sources, manifests and documents.
//!
//! The rules themselves are tests, in `tests/tidy`: one module per kind of rule, each rule a test
//! that lists every place where it is broken. What a rule needs to know of a file is read here, and
//! tested here against samples that break it.
//!
//! ```
//! use vmsafe_tidy::Source;
//!
//! let source = Source::parse("fn f() {\n    g()\n}\n").unwrap();
//! assert_eq!(source.functions()[0].lines, 3);
//! ```
#![forbid(unsafe_code)]

mod manifest;
mod markdown;
mod source;
mod tokens;
mod tree;

pub use manifest::{Dependency, Manifest};
pub use markdown::{code_spans, fences, links, rows};
pub use source::{Function, Source, code_lines, module_path};
pub use tree::Tree;

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
