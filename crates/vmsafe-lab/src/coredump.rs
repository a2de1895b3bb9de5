//! Core dumps: allowed, aimed at a file, and found.
//!
//! **Promise.** A child that a signal ends leaves a core with every kind of memory that the kernel
//! ever dumps, and [`CorePattern::find`] tells the file.
//!
//! **Mechanism.** [`allow`] raises the core limit to the hard limit and sets the dump filter to
//! 0x1ff (all kinds); children inherit both. The kernel names the file by
//! `/proc/sys/kernel/core_pattern`; where that is a program or a fixed directory,
//! [`CorePattern::take`] sets it to `core` for a while, as root.
//!
//! **What it does not do.** It does not know what a program behind a pipe pattern does with a core;
//! such a core is reported as "no file", never as "no leak".

use std::fs;
use std::path::{Component, Path, PathBuf};

use vmsafe_os::lab as os;

use crate::error::{Error, Result, While};
use crate::lock::Lab;
use crate::setting::{self, Setting};

/// Allows this process and its children to dump core, with every kind of memory in it.
///
/// # Errors
/// The hard limit is 0, which only root can raise.
pub fn allow() -> Result<()> {
    let limit = os::raise_core_limit().doing("raise the core limit of", "this process")?;
    if os::CORE.name.is_some() {
        return Ok(());
    }
    if limit == 0 {
        let why = "the hard limit is 0";
        return Err(Error::refused("dump the core of", "this process", why)
            .advise("start it from a shell whose `ulimit -H -c` is unlimited"));
    }
    fs::write(FILTER, "0x1ff").doing("write", FILTER)
}

/// Where the kernel puts a core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lands {
    /// In a file below the directory in which the program runs.
    RunDirectory,
    /// In a file at a fixed place.
    Fixed(PathBuf),
    /// With a program or a socket that takes it: no file that can be found.
    Handler(String),
}

/// The machine's naming of cores, as it is, or as taken over for a while.
#[derive(Debug)]
pub struct CorePattern {
    template: String,
    adds_pid: bool,
    _taken: Option<(Setting, Lab)>,
}

impl CorePattern {
    /// Reads the machine's pattern and changes nothing. Any user may.
    ///
    /// # Errors
    /// The setting cannot be read: no `/proc`.
    pub fn read() -> Result<Self> {
        if let Some(name) = os::CORE.name {
            return Ok(Self {
                template: name.to_owned(),
                adds_pid: false,
                _taken: None,
            });
        }
        let template = fs::read_to_string(PATTERN).doing("read", PATTERN)?;
        let adds_pid = fs::read_to_string(ADDS_PID).doing("read", ADDS_PID)?;
        Ok(Self {
            template: template.trim_end_matches('\n').to_owned(),
            adds_pid: adds_pid.trim() != "0",
            _taken: None,
        })
    }

    /// Makes cores land in the directory where the program runs: leaves a pattern that does so
    /// already, else sets it to `core` until this value is dropped, also by a panic.
    ///
    /// # Errors
    /// The pattern has to be changed and this user is not root.
    pub fn take() -> Result<Self> {
        let found = Self::read()?;
        if found.lands() == Lands::RunDirectory {
            return Ok(found);
        }
        if !os::is_root() {
            return Err(Error::needs_root("change", PATTERN));
        }
        let lab = Lab::lock()?;
        setting::restore_orphans();
        let setting = Setting::change(PATTERN, "core")?;
        let taken = setting.map(|setting| (setting, lab));
        Ok(Self {
            _taken: taken,
            ..Self::read()?
        })
    }

    /// Where cores land under this pattern.
    #[must_use]
    pub fn lands(&self) -> Lands {
        if self.template.starts_with(['|', '@']) {
            Lands::Handler(self.template.clone())
        } else if self.template.starts_with('/') {
            Lands::Fixed(PathBuf::from(&self.template))
        } else {
            Lands::RunDirectory
        }
    }

    /// The core of process `pid`, which ran in `dir`. Of several that fit, the newest.
    ///
    /// `None` if there is no such file: none was written, or it landed with a handler.
    ///
    /// # Errors
    /// A directory that the pattern names cannot be read.
    pub fn find(&self, dir: &Path, pid: u32) -> Result<Option<PathBuf>> {
        if matches!(self.lands(), Lands::Handler(_)) {
            return Ok(None);
        }
        let mut places = vec![dir.to_owned()];
        for part in self.parts(pid) {
            let mut next = Vec::new();
            for place in places {
                next.extend(part.matches_in(&place)?);
            }
            places = next;
        }
        places.retain(|path| path.is_file());
        let age = |path: &PathBuf| path.metadata().and_then(|about| about.modified()).ok();
        Ok(places.into_iter().max_by_key(age))
    }

    /// Whether a core holds all kinds of memory; else a part, by the system's own choice.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        os::CORE.is_whole
    }

    /// What the cores that are found hold, in words.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        os::CORE.kind
    }

    /// The pattern, one name at a time. A `/` inside an expanded specifier becomes `!`, so that
    /// splitting before expanding is right.
    fn parts(&self, pid: u32) -> Vec<Part> {
        let mut template = self.template.clone();
        if template.is_empty() {
            "core".clone_into(&mut template);
        }
        if self.adds_pid && !template.contains("%p") {
            template.push_str(".%p");
        }
        Path::new(&template)
            .components()
            .map(|part| match part {
                Component::Normal(name) => Part::new(&name.to_string_lossy(), pid),
                other => Part::Step(other.as_os_str().into()),
            })
            .collect()
    }
}

/// One component of a pattern.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// A fixed step, also the root.
    Step(PathBuf),
    /// A name with pieces that cannot be foretold between these.
    Name(Vec<String>),
}

impl Part {
    fn new(name: &str, pid: u32) -> Self {
        let mut literals = vec![String::new()];
        let mut characters = name.chars();
        while let Some(character) = characters.next() {
            let known = match character {
                '%' => match characters.next() {
                    Some('%') => Some("%".to_owned()),
                    Some('p') => Some(pid.to_string()),
                    Some(_) => None,
                    // The kernel drops a lone % at the end.
                    None => Some(String::new()),
                },
                plain => Some(plain.to_string()),
            };
            match (known, literals.last_mut()) {
                (Some(text), Some(last)) => last.push_str(&text),
                _ => literals.push(String::new()),
            }
        }
        match &literals[..] {
            [whole] => Self::Step(whole.into()),
            _ => Self::Name(literals),
        }
    }

    fn matches_in(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        let literals = match self {
            Self::Step(step) => {
                let path = dir.join(step);
                return Ok(if path.exists() {
                    vec![path]
                } else {
                    Vec::new()
                });
            }
            Self::Name(literals) => literals,
        };
        let entries = fs::read_dir(dir).doing("look for a core in", dir.display())?;
        let fits = |name: &str| matches(name, literals);
        Ok(entries
            .flatten()
            .filter(|entry| entry.file_name().to_str().is_some_and(fits))
            .map(|entry| entry.path())
            .collect())
    }
}

/// Whether `name` is the literals in this order with anything between them.
fn matches(name: &str, literals: &[String]) -> bool {
    let [first, middle @ .., last] = literals else {
        return literals.first().is_some_and(|only| only == name);
    };
    let Some(mut rest) = name.strip_prefix(first.as_str()) else {
        return false;
    };
    for literal in middle {
        match rest.find(literal.as_str()) {
            Some(at) => rest = rest.get(at + literal.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last.as_str())
}

pub(crate) const PATTERN: &str = "/proc/sys/kernel/core_pattern";
const ADDS_PID: &str = "/proc/sys/kernel/core_uses_pid";
const FILTER: &str = "/proc/self/coredump_filter";

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(template: &str, adds_pid: bool) -> CorePattern {
        CorePattern {
            template: template.to_owned(),
            adds_pid,
            _taken: None,
        }
    }

    #[test]
    fn each_kind_of_pattern_lands_where_the_kernel_says() {
        assert_eq!(pattern("core", false).lands(), Lands::RunDirectory);
        assert_eq!(pattern("cores/%e.%p", false).lands(), Lands::RunDirectory);
        assert!(matches!(
            pattern("/var/crash/core.%p", false).lands(),
            Lands::Fixed(_)
        ));
        for handler in [
            "|/usr/lib/systemd/systemd-coredump %P",
            "@/run/coredump.socket",
        ] {
            assert!(
                matches!(pattern(handler, false).lands(), Lands::Handler(_)),
                "{handler}"
            );
        }
    }

    #[test]
    fn specifiers_become_the_pid_or_a_gap() {
        let parts = pattern("core.%e-%%-%p.%", false).parts(7);
        assert_eq!(parts, [Part::Name(vec!["core.".into(), "-%-7.".into()])]);
        assert_eq!(
            pattern("core", true).parts(7),
            [Part::Step("core.7".into())]
        );
        assert_eq!(pattern("", false).parts(7), [Part::Step("core".into())]);
        assert_eq!(pattern("/c/%p", true).parts(7).len(), 3);
    }

    #[test]
    fn names_match_in_order() {
        let literals = ["core.".to_owned(), "-7".to_owned()];
        assert!(matches("core.cat-7", &literals));
        assert!(matches("core.-7", &literals));
        assert!(!matches("core.cat-8", &literals));
        assert!(!matches("core-7", &literals));
    }
}
