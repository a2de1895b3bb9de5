//! What a scan tells: places where something was found, and bytes that were not searched.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use vmsafe_witness::{CorePlace, Form, Hit, KeyHit, Place, SwapPlace};

use super::name::Name;

/// The `kind` of what was found because its bytes were known beforehand.
const NEEDLE: &str = "needle";

/// One place where a needle stands, or a key that nobody named.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    pub(super) target: Name,
    pub(super) offset: u64,
    pub(super) length: u64,
    /// `needle`, or what kind of key it is.
    pub(super) kind: &'static str,
    pub(super) form: &'static str,
    /// False: a part of it, or of its form.
    pub(super) whole: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) needle: Option<usize>,
    /// Tells one key from another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fingerprint: Option<String>,
    /// What the offset is in swap, or in a core dump; told in words.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "in_words")]
    pub(super) place: Option<Place>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<u32>,
    /// The mapping of a process.
    #[serde(skip_serializing_if = "Option::is_none")]
    mapping: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) context: Option<Context>,
}

/// What stands beside a finding, in hexadecimal. The finding itself is never shown.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Context {
    pub(super) before: String,
    pub(super) after: String,
}

impl Finding {
    pub(super) fn of_hit(target: &Name, hit: &Hit) -> Self {
        let form = hit.form.name();
        let found = Self::new(target, (hit.offset, hit.len), NEEDLE, form, hit.whole);
        Self {
            needle: Some(hit.needle.number()),
            ..found
        }
    }

    pub(super) fn of_key(target: &Name, key: &KeyHit) -> Self {
        let (kind, form) = (key.kind.name(), key.form.name());
        let whole = key.matching == key.len;
        let found = Self::new(target, (key.offset, key.len), kind, form, whole);
        Self {
            fingerprint: Some(key.fingerprint.to_string()),
            ..found
        }
    }

    fn new(
        target: &Name,
        (offset, length): (u64, u64),
        kind: &'static str,
        form: &'static str,
        whole: bool,
    ) -> Self {
        Self {
            target: target.clone(),
            offset,
            length,
            kind,
            form,
            whole,
            needle: None,
            fingerprint: None,
            place: None,
            slot: None,
            address: None,
            thread: None,
            mapping: None,
            context: None,
        }
    }

    /// The same, with what its offset is.
    pub(super) fn at(mut self, place: Option<Place>) -> Self {
        match &place {
            Some(Place::Swap(SwapPlace::Slot { slot, .. } | SwapPlace::Bad { slot })) => {
                self.slot = Some(*slot);
            }
            Some(Place::Core(CorePlace::Memory {
                address, stack_of, ..
            })) => (self.address, self.thread) = (Some(*address), *stack_of),
            Some(Place::Core(CorePlace::Note { thread, .. })) => self.thread = *thread,
            _ => {}
        }
        Self { place, ..self }
    }

    /// The same, in this mapping of a process.
    pub(super) fn in_mapping(self, mapping: Option<Arc<str>>) -> Self {
        Self { mapping, ..self }
    }

    /// What was found, in words that give nothing away.
    pub(super) fn what(&self) -> String {
        match (self.needle, &self.fingerprint) {
            (Some(number), _) => format!("needle {number}"),
            (_, Some(fingerprint)) => format!("{} key {fingerprint}", self.kind),
            _ => self.kind.to_owned(),
        }
    }

    pub(super) fn form_in_words(&self) -> String {
        let part = !self.whole && self.form != Form::Fragment.name();
        format!("{}{}", self.form, if part { ", a part" } else { "" })
    }

    /// Where it stands, in words.
    pub(super) fn where_in_words(&self) -> String {
        let mut text = format!("{:#x}", self.offset);
        let place = self.place.as_ref().map(ToString::to_string);
        for more in [place.as_deref(), self.mapping.as_deref()]
            .into_iter()
            .flatten()
        {
            text.push(' ');
            text.push_str(more);
        }
        text
    }
}

/// Only where it is told: kept, the words would take more memory than all else.
fn in_words<S: Serializer>(place: &Option<Place>, serializer: S) -> Result<S::Ok, S::Error> {
    match place {
        Some(place) => serializer.collect_str(place),
        None => serializer.serialize_none(),
    }
}

/// Bytes that were not searched.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Gap {
    pub(super) target: Name,
    pub(super) offset: u64,
    /// `None`: unknown.
    pub(super) length: Option<u64>,
    pub(super) because: String,
}

impl Gap {
    pub(super) fn of_unknown_size(target: &Name, because: impl Into<String>) -> Self {
        Self {
            target: target.clone(),
            offset: 0,
            length: None,
            because: because.into(),
        }
    }

    pub(super) fn of(target: &Name, gap: &vmsafe_witness::Gap) -> Self {
        Self {
            target: target.clone(),
            offset: gap.offset,
            length: Some(gap.len).filter(|len| *len > 0),
            because: gap.because.clone(),
        }
    }
}

/// Something that the reader of a result must know to understand it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Note {
    pub(super) target: Name,
    pub(super) note: String,
}
