//! The registry of Windows, or a record of one that a test wrote.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context;
use vmsafe_lab::Setting;

use super::sysroot::Fact;

/// What this machine is set to.
#[derive(Clone, Debug)]
pub(super) enum Registry {
    /// The machine's.
    Machine,
    /// Values by `KEY\NAME`, as JSON has them.
    Recorded(BTreeMap<String, serde_json::Value>),
}

impl Registry {
    /// The registry in this record, or the machine's; `None` where the system has none.
    pub(super) fn open(record: Option<&Path>) -> anyhow::Result<Option<Self>> {
        if let Some(record) = record {
            let named = || format!("cannot read a registry from {}", record.display());
            let text = fs::read(record).with_context(named)?;
            let values = serde_json::from_slice(&text).with_context(named)?;
            return Ok(Some(Self::Recorded(values)));
        }
        let asked = vmsafe_lab::has_key(r"HKLM\SYSTEM");
        let has_none = asked.is_err_and(|error| error.kind() == ErrorKind::Unsupported);
        Ok((!has_none).then_some(Self::Machine))
    }

    /// The value of this name below a key, as text; several texts one a line.
    pub(super) fn read(&self, key: &str, name: &str) -> Fact {
        match self {
            Self::Machine => match vmsafe_lab::setting(key, name) {
                Ok(Some(Setting::Number(number))) => Fact::Says(number.to_string()),
                Ok(Some(Setting::Text(text))) => Fact::Says(text.trim().to_owned()),
                Ok(None) => Fact::Absent,
                Err(error) => Fact::Hidden(error.to_string()),
            },
            Self::Recorded(values) => match values.get(&format!(r"{key}\{name}")) {
                None => Fact::Absent,
                Some(serde_json::Value::String(text)) => Fact::Says(text.clone()),
                Some(serde_json::Value::Null) => {
                    Fact::Hidden(format!(r"cannot read {key}\{name}: access is denied"))
                }
                Some(other) => Fact::Says(other.to_string()),
            },
        }
    }

    /// Whether there is a key of this name; none if this user may not know.
    pub(super) fn has(&self, key: &str) -> bool {
        match self {
            Self::Machine => vmsafe_lab::has_key(key).unwrap_or(false),
            Self::Recorded(values) => {
                let below = format!("{key}\\");
                values.keys().any(|name| name.starts_with(&below))
            }
        }
    }
}
