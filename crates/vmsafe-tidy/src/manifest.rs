//! A Cargo.toml: what it depends on, and whether it says why.

use toml::{Table, Value};

/// A manifest as text and as a table.
#[derive(Debug)]
pub struct Manifest {
    text: String,
    table: Table,
}

/// One line under a `dependencies` heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The crate's name.
    pub name: String,
    /// For tests and examples only, or for builds that explore interleavings (`cfg(loom)`).
    pub for_tests: bool,
    /// Taken only by a program that names a feature.
    pub optional: bool,
    /// A comment stands above it, or above the block of lines that it belongs to.
    pub explained: bool,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// When it is no TOML.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        Ok(Self {
            text: text.to_owned(),
            table: text.parse()?,
        })
    }

    /// Everything it depends on, for one system or for all. Build dependencies count as the rest.
    #[must_use]
    pub fn dependencies(&self) -> Vec<Dependency> {
        let mut found = Vec::new();
        self.add(&self.table, false, &mut found);
        let targets = self.table.get("target").and_then(Value::as_table);
        for (condition, table) in targets.into_iter().flatten() {
            if let Some(table) = table.as_table() {
                self.add(table, condition == "cfg(loom)", &mut found);
            }
        }
        found
    }

    fn add(&self, table: &Table, explores: bool, found: &mut Vec<Dependency>) {
        let kinds = ["dependencies", "build-dependencies", "dev-dependencies"];
        for kind in kinds {
            let listed = table.get(kind).and_then(Value::as_table);
            let listed = listed.into_iter().flatten();
            found.extend(listed.map(|(name, how)| Dependency {
                name: name.clone(),
                for_tests: explores || kind == "dev-dependencies",
                optional: how.get("optional").and_then(Value::as_bool) == Some(true),
                explained: self.explains(name),
            }));
        }
    }

    /// True when, above the first line that sets `name`, a comment comes before a blank or a
    /// heading.
    fn explains(&self, name: &str) -> bool {
        let lines: Vec<&str> = self.text.lines().collect();
        let sets = |line: &&str| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with([' ', '.', '=']))
        };
        let Some(at) = lines.iter().position(sets) else {
            return false;
        };
        let above = lines[..at].iter().rev();
        let mut block = above.take_while(|line| !line.is_empty() && !line.starts_with('['));
        block.any(|line| line.starts_with('#'))
    }

    /// True when it takes the workspace's lints.
    #[must_use]
    pub fn takes_lints(&self) -> bool {
        let lints = self.table.get("lints").and_then(Value::as_table);
        let workspace = lints.and_then(|lints| lints.get("workspace"));
        workspace.and_then(Value::as_bool) == Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "[dependencies]\nbare = \"1\"\n\n\
                          # Why.\ntold.workspace = true\nalso = \"1\"\n\
                          [target.'cfg(x)'.dependencies]\nthere = \"1\"\n\
                          [dev-dependencies]\n# Why.\ntried = \"1\"\n\
                          [target.'cfg(loom)'.dependencies]\nloom = { version = \"1\" }\n\
                          [build-dependencies]\nnamed = { version = \"1\", optional = true }\n";

    #[test]
    fn dependencies_of_every_kind_are_listed_with_their_reasons() {
        let found = Manifest::parse(SAMPLE).unwrap().dependencies();
        let told = |name: &str| {
            let found = found.iter().find(|found| found.name == name).unwrap();
            (found.explained, found.for_tests)
        };
        assert_eq!(told("bare"), (false, false));
        assert_eq!(told("told"), (true, false));
        assert_eq!(told("also"), (true, false));
        assert_eq!(told("there"), (false, false));
        assert_eq!(told("tried"), (true, true));
        assert_eq!(told("loom"), (false, true));
        let optional: Vec<_> = found.iter().filter(|found| found.optional).collect();
        assert_eq!((optional.len(), &*optional[0].name), (1, "named"));
        assert_eq!(found.len(), 7);
    }

    #[test]
    fn lints_are_taken_or_not() {
        let takes = |text| Manifest::parse(text).unwrap().takes_lints();
        assert!(takes("[lints]\nworkspace = true\n"));
        assert!(!takes("[lints]\nworkspace = false\n"));
        assert!(!takes(""));
    }
}
