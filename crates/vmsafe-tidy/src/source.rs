//! A Rust source: its sizes, its functions, its unsafe places, its tests, its words.

use proc_macro2::{Span, TokenStream};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::tokens;

/// A source as text and as a tree.
#[derive(Debug)]
pub struct Source {
    text: String,
    file: syn::File,
    tokens: TokenStream,
}

/// A function and its length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of its first word.
    pub line: usize,
    /// Lines from there to the closing brace, comments included.
    pub lines: usize,
}

impl Source {
    /// Reads a source.
    ///
    /// # Errors
    /// When it is no Rust.
    pub fn parse(text: &str) -> syn::Result<Self> {
        Ok(Self {
            text: text.to_owned(),
            file: syn::parse_file(text)?,
            tokens: text.parse().map_err(syn::Error::from)?,
        })
    }

    /// Every function with a body.
    #[must_use]
    pub fn functions(&self) -> Vec<Function> {
        let mut seen = Functions::default();
        seen.visit_file(&self.file);
        seen.0
    }

    /// The tests in it, each with the modules around it: `tests::it_works`.
    #[must_use]
    pub fn tests(&self) -> Vec<String> {
        let mut seen = Tests::default();
        seen.visit_file(&self.file);
        seen.found
    }

    /// Lines on which a word of code is one of `words`.
    #[must_use]
    pub fn lines_with(&self, words: &[&str]) -> Vec<usize> {
        let mut lines = Vec::new();
        tokens::each_word(self.tokens.clone(), &mut |word, line| {
            if words.contains(&word) {
                lines.push(line);
            }
        });
        lines
    }

    /// Lines on which a condition of the build asks for one of `words`, or a constant of
    /// `std::env::consts` that stands for one.
    #[must_use]
    pub fn conditions_on(&self, words: &[&str]) -> Vec<usize> {
        let mut lines = Vec::new();
        tokens::each_condition(self.tokens.clone(), &mut |word, line| {
            if words.contains(&word) {
                lines.push(line);
            }
        });
        lines
    }

    /// The value of every string, with its line.
    #[must_use]
    pub fn strings(&self) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        tokens::each_string(self.tokens.clone(), &mut |text, line| {
            found.push((text, line))
        });
        found
    }

    /// The paths that are called, such as `libc::kill`, and the paths that are named as values.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let mut seen = Paths::default();
        seen.visit_file(&self.file);
        seen.0
    }

    /// Lines of attributes of that name, also where a condition adds them.
    #[must_use]
    pub fn attributes(&self, name: &str) -> Vec<usize> {
        let mut seen = Attributes {
            name,
            lines: Vec::new(),
        };
        seen.visit_file(&self.file);
        seen.lines
    }

    /// Lines of `unsafe` blocks and impls without a `// SAFETY:` comment above their statement.
    #[must_use]
    pub fn unproved(&self) -> Vec<usize> {
        let mut seen = Unsafe::default();
        seen.visit_file(&self.file);
        let lines: Vec<&str> = self.text.lines().collect();
        seen.0.retain(|line| !is_proved(&lines, *line));
        seen.0
    }
}

/// Walks up from `line` (counted from 1) to the start of its statement, and looks for the proof.
fn is_proved(lines: &[&str], line: usize) -> bool {
    let above = lines[..line - 1].iter().rev().map(|line| line.trim());
    for text in above {
        if text.starts_with("// SAFETY:") {
            return true;
        }
        let ends = [';', '}', ','].iter().any(|end| text.ends_with(*end));
        let opens = text.ends_with('{') && !text.starts_with("//");
        if !text.starts_with("//") && (text.is_empty() || ends || opens) {
            return false;
        }
    }
    false
}

#[derive(Default)]
struct Functions(Vec<Function>);

impl Functions {
    fn add(&mut self, name: &syn::Ident, signature: Span, body: Span) {
        let line = signature.start().line;
        self.0.push(Function {
            name: name.to_string(),
            line,
            lines: body.end().line - line + 1,
        });
    }
}

impl<'a> Visit<'a> for Functions {
    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.add(&item.sig.ident, item.sig.span(), item.block.span());
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.add(&item.sig.ident, item.sig.span(), item.block.span());
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.add(&item.sig.ident, item.sig.span(), body.span());
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[derive(Default)]
struct Tests {
    modules: Vec<String>,
    found: Vec<String>,
}

impl Tests {
    fn add(&mut self, name: String) {
        let mut path = self.modules.clone();
        path.push(name);
        self.found.push(path.join("::"));
    }
}

impl<'a> Visit<'a> for Tests {
    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        self.modules.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.modules.pop();
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        if item.attrs.iter().any(|attr| attr.path().is_ident("test")) {
            self.add(item.sig.ident.to_string());
        }
    }

    fn visit_item_macro(&mut self, item: &'a syn::ItemMacro) {
        for name in tokens::tests_in(item.mac.tokens.clone()) {
            self.add(name);
        }
    }
}

#[derive(Default)]
struct Paths(Vec<String>);

impl<'a> Visit<'a> for Paths {
    fn visit_expr_path(&mut self, item: &'a syn::ExprPath) {
        let segments = item.path.segments.iter();
        let words: Vec<String> = segments.map(|segment| segment.ident.to_string()).collect();
        self.0.push(words.join("::"));
        visit::visit_expr_path(self, item);
    }
}

struct Attributes<'a> {
    name: &'a str,
    lines: Vec<usize>,
}

impl<'a> Visit<'a> for Attributes<'_> {
    fn visit_attribute(&mut self, item: &'a syn::Attribute) {
        let mut named = item.path().is_ident(self.name);
        if item.path().is_ident("cfg_attr")
            && let Ok(list) = item.meta.require_list()
        {
            tokens::each_word(list.tokens.clone(), &mut |word, _| {
                named |= word == self.name
            });
        }
        if named {
            self.lines.push(item.span().start().line);
        }
    }
}

#[derive(Default)]
struct Unsafe(Vec<usize>);

impl<'a> Visit<'a> for Unsafe {
    fn visit_expr_unsafe(&mut self, item: &'a syn::ExprUnsafe) {
        self.0.push(item.span().start().line);
        visit::visit_expr_unsafe(self, item);
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        if let Some(word) = &item.unsafety {
            self.0.push(word.span().start().line);
        }
        visit::visit_item_impl(self, item);
    }
}

/// Lines that are neither blank nor wholly comment.
#[must_use]
pub fn code_lines(text: &str) -> usize {
    let code = |line: &&str| !line.is_empty() && !line.starts_with("//");
    text.lines().map(str::trim).filter(code).count()
}

/// How a test of this file is named: `vmsafe::buffer::locked::tests` for a unit test's module,
/// `vmsafe-lab/tests/pageout.rs` for the file of an integration test. `None` for other files.
#[must_use]
pub fn module_path(file: &str) -> Option<String> {
    let (package, rest) = file.strip_prefix("crates/")?.split_once('/')?;
    if let Some(rest) = rest.strip_prefix("src/") {
        let modules = rest.strip_suffix(".rs")?.replace('/', "::");
        let root = modules == "lib" || modules == "main";
        let tail = if root {
            String::new()
        } else {
            format!("::{modules}")
        };
        return Some(format!("{package}{tail}"));
    }
    rest.starts_with("tests/")
        .then(|| format!("{package}/{rest}"))
}

#[cfg(test)]
mod tests;
