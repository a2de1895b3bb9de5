//! What a target is called: to people, and in references to it.

use core::ops::Deref;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use vmsafe_witness::SarifTarget;

use super::target::Target;

/// The name of a target, shared by all that is told of it. In order as it is shown; names that are
/// shown alike are not the same for that.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(Arc<Inner>);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Inner {
    shown: String,
    target: Target,
}

impl Name {
    /// For a log of SARIF. What reads one compares paths with those in a repository, which begin
    /// with no dot; one that would be another target without it keeps it.
    pub(super) fn in_sarif(&self) -> SarifTarget<'_> {
        let path = match &self.0.target {
            Target::Path(path) => path,
            Target::Process(_) | Target::Input => return SarifTarget::from(&**self),
        };
        let is_path = |path: &&Path| matches!(Target::from(OsString::from(path)), Target::Path(_));
        let shorter = path.strip_prefix(".").ok().filter(is_path);
        SarifTarget {
            name: self,
            path: shorter.unwrap_or(path),
        }
    }

    /// In a record.
    pub(super) fn key(&self) -> String {
        self.0.target.key()
    }
}

impl From<Target> for Name {
    fn from(target: Target) -> Self {
        let shown = target.to_string();
        Self(Arc::new(Inner { shown, target }))
    }
}

/// As it is shown.
impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0.shown
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        self
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_sarif_begins_with_no_dot_unless_it_must() {
        let name = |text: &str| Name::from(Target::from(OsString::from(text)));
        let path = |text: &str| name(text).in_sarif().path.to_owned();
        for (text, expected) in [
            ("./a/b", "a/b"),
            ("./a", "a"),
            ("../a", "../a"),
            ("/a", "/a"),
            ("./pid:7", "./pid:7"),
            ("./-", "./-"),
        ] {
            assert_eq!(path(text), Path::new(expected));
        }
    }

    #[test]
    fn names_that_are_shown_alike_are_two() {
        let name = |text: &str| Name::from(Target::from(OsString::from(text)));
        let (control, spelled) = (name("a\u{1}"), name("a\\x01"));
        assert_eq!(*control, *spelled);
        assert_ne!(control, spelled);
        assert_eq!(control, name("a\u{1}"));
    }
}
