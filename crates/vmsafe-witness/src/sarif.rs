//! Reports as SARIF 2.1.0, which code hosts and CI systems show.
//!
//! A log is written as it comes, so that its length costs no memory: first all results, then what
//! was not searched, and at the end what only the end knows.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{MAIN_SEPARATOR, Path};

use serde_json::{Value, json};

use crate::medium::Medium;
use crate::report::{Gap, Report};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// What stands in a text in place of a secret.
const REDACTED: &str = "[redacted]";
/// The rule of what was known beforehand; a recognised key has its kind for a rule.
const NEEDLE: &str = "needle";

/// A SARIF log of one run: its results. [`Self::notifications`] come next.
///
/// Needles appear by number and keys by fingerprint.
#[derive(Debug)]
pub struct Sarif<W> {
    results: List<W>,
    rules: BTreeSet<String>,
}

/// The same log behind its results: what was not searched, and what else a reader must know. It is
/// whole once [`Self::end`] was called.
#[derive(Debug)]
pub struct SarifNotifications<W> {
    notifications: List<W>,
    rules: BTreeSet<String>,
    incomplete: bool,
}

/// What all comes to.
#[derive(Clone, Copy, Debug)]
pub struct SarifSummary<'a> {
    /// In one word.
    pub verdict: &'a str,
    /// Bytes that were read and searched.
    pub covered_bytes: u64,
    /// Places where something was found, also those that the log leaves out.
    pub finding_count: u64,
}

/// What was scanned.
#[derive(Clone, Copy, Debug)]
pub struct SarifTarget<'a> {
    /// What texts call it.
    pub name: &'a str,
    /// Where it is, relative to the root of the project if it is to be linked. It need not be text.
    pub path: &'a Path,
}

/// A path that is text, and is called what it is.
impl<'a> From<&'a str> for SarifTarget<'a> {
    fn from(name: &'a str) -> Self {
        let path = Path::new(name);
        Self { name, path }
    }
}

/// One place for [`Sarif::found`].
#[derive(Clone, Copy, Debug)]
pub struct SarifResult<'a> {
    /// What it was found in.
    pub target: SarifTarget<'a>,
    /// `needle`, or the kind of a key.
    pub kind: &'a str,
    /// What was found and where, in words that give nothing away.
    pub text: &'a str,
    /// Where it begins.
    pub offset: u64,
    /// How many bytes it takes.
    pub len: u64,
    /// The form that it stands in.
    pub form: &'a str,
    /// False: a part of it.
    pub whole: bool,
    /// The number of the needle.
    pub needle: Option<usize>,
    /// The fingerprint of the key.
    pub fingerprint: Option<&'a str>,
    /// What stands before and behind it, in hexadecimal, if that is to be shown.
    pub beside: Option<(&'a str, &'a str)>,
}

/// A list whose items are written one by one.
#[derive(Debug)]
struct List<W> {
    out: W,
    is_empty: bool,
}

impl<W: Write> List<W> {
    fn begin(mut out: W, name: &str) -> io::Result<Self> {
        write!(out, "\"{name}\":[")?;
        let is_empty = true;
        Ok(Self { out, is_empty })
    }

    fn add(&mut self, item: &Value) -> io::Result<()> {
        if !self.is_empty {
            self.out.write_all(b",")?;
        }
        self.is_empty = false;
        Ok(serde_json::to_writer(&mut self.out, item)?)
    }

    fn end(mut self) -> io::Result<W> {
        self.out.write_all(b"]")?;
        Ok(self.out)
    }
}

impl<W: Write> Sarif<W> {
    /// Begins a log. It is written in small pieces: `out` should be buffered.
    ///
    /// # Errors
    ///
    /// Those of `out`, as all that follow.
    pub fn begin(mut out: W) -> io::Result<Self> {
        write!(
            out,
            r#"{{"$schema":"{SCHEMA}","version":"2.1.0","runs":[{{"#
        )?;
        let results = List::begin(out, "results")?;
        let rules = BTreeSet::new();
        Ok(Self { results, rules })
    }

    /// Adds a result.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn found(&mut self, found: &SarifResult<'_>) -> io::Result<()> {
        if !self.rules.contains(found.kind) {
            self.rules.insert(found.kind.to_owned());
        }
        self.results.add(&result(found))
    }

    /// There are no more results.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn notifications(self) -> io::Result<SarifNotifications<W>> {
        let mut out = self.results.end()?;
        out.write_all(br#","invocations":[{"#)?;
        Ok(SarifNotifications {
            notifications: List::begin(out, "toolExecutionNotifications")?,
            rules: self.rules,
            incomplete: false,
        })
    }
}

impl<W: Write> SarifNotifications<W> {
    /// Adds bytes that were not searched: with them the run counts as not successful.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn not_searched(
        &mut self,
        target: SarifTarget<'_>,
        offset: u64,
        len: Option<u64>,
        because: &str,
    ) -> io::Result<()> {
        self.incomplete = true;
        let text = match len {
            Some(len) => format!("{len} bytes at {offset} were not searched: {because}"),
            None => format!("{} was not searched: {because}", target.name),
        };
        self.notifications.add(&json!({
            "level": "warning",
            "message": { "text": text },
            "locations": [location(target)],
        }))
    }

    /// Says how many results, and how many notifications of what was not searched, the log leaves
    /// out; nothing if there are none.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn left_out(&mut self, results: u64, not_searched: u64) -> io::Result<()> {
        self.incomplete |= not_searched > 0;
        for (count, what) in [
            (results, "results"),
            (not_searched, "notifications of what was not searched"),
        ] {
            if count > 0 {
                let text = format!("this log leaves out {count} more {what}: there are too many");
                self.notifications
                    .add(&json!({ "level": "warning", "message": { "text": text } }))?;
            }
        }
        Ok(())
    }

    /// Adds something that a reader must know to understand the results.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn note(&mut self, target: SarifTarget<'_>, note: &str) -> io::Result<()> {
        let text = format!("{}: {note}", target.name);
        self.notifications
            .add(&json!({ "level": "note", "message": { "text": text } }))
    }

    /// Ends the log, and gives back what it was written to.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn end(self, summary: Option<&SarifSummary<'_>>) -> io::Result<W> {
        let rules: Vec<_> = self.rules.iter().map(|kind| rule(kind)).collect();
        let tool = json!({ "driver": {
            "name": "vmsafe",
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "rules": rules,
        }});
        let successful = !self.incomplete;
        let mut out = self.notifications.end()?;
        write!(
            out,
            r#","executionSuccessful":{successful}}}],"tool":{tool}"#
        )?;
        if let Some(summary) = summary {
            let properties = json!({
                "verdict": summary.verdict,
                "coveredBytes": summary.covered_bytes,
                "findingCount": summary.finding_count,
            });
            write!(out, r#","properties":{properties}"#)?;
        }
        write!(out, r#","redactionTokens":["{REDACTED}"]}}]}}"#)?;
        Ok(out)
    }
}

fn result(found: &SarifResult<'_>) -> Value {
    let mut location = location(found.target);
    let mut region = json!({ "byteOffset": found.offset, "byteLength": found.len });
    if let Some((before, behind)) = found.beside {
        let text = format!("{before} {REDACTED} {behind}");
        region["message"] = json!({ "text": text });
    }
    location["physicalLocation"]["region"] = region;
    let mut properties = json!({ "form": found.form, "whole": found.whole });
    if let Some(needle) = found.needle {
        properties["needle"] = json!(needle);
    }
    let mut result = json!({
        "ruleId": found.kind,
        "level": "error",
        "message": { "text": found.text },
        "locations": [location],
        "properties": properties,
    });
    if let Some(fingerprint) = found.fingerprint {
        result["partialFingerprints"] = json!({ "key/v1": fingerprint });
    }
    result
}

/// One scanned thing for [`to_sarif`].
#[derive(Clone, Copy, Debug)]
pub struct Scanned<'a> {
    /// What was scanned.
    pub target: SarifTarget<'a>,
    /// What it is, so that offsets are named.
    pub medium: &'a Medium,
    /// What was found.
    pub report: &'a Report,
}

/// The reports as one SARIF log of one run.
///
/// A needle is a result of the rule `needle`, a recognised key one of its kind. Each [`Gap`]
/// becomes a notification, and with one the run counts as not successful.
///
/// # Errors
///
/// Those of `out`.
pub fn to_sarif(out: impl Write, scanned: &[Scanned<'_>]) -> io::Result<()> {
    let mut log = Sarif::begin(out)?;
    for scanned in scanned {
        scanned.add_results(&mut log)?;
    }
    let mut log = log.notifications()?;
    for scanned in scanned {
        scanned.add_notifications(&mut log)?;
    }
    log.end(None)?.flush()
}

impl Scanned<'_> {
    fn add_results(&self, log: &mut Sarif<impl Write>) -> io::Result<()> {
        for hit in &self.report.hits {
            let part = if hit.whole { "" } else { ", a part of it" };
            let place = self.place(hit.offset);
            log.found(&SarifResult {
                target: self.target,
                kind: NEEDLE,
                text: &format!("needle {} as {}{part}, {place}", hit.needle, hit.form),
                offset: hit.offset,
                len: hit.len,
                form: hit.form.name(),
                whole: hit.whole,
                needle: Some(hit.needle.number()),
                fingerprint: None,
                beside: None,
            })?;
        }
        for key in &self.report.keys {
            let place = self.place(key.offset);
            log.found(&SarifResult {
                target: self.target,
                kind: key.kind.name(),
                text: &format!("{} key as {}, {place}", key.kind, key.form),
                offset: key.offset,
                len: key.len,
                form: key.form.name(),
                whole: key.matching == key.len,
                needle: None,
                fingerprint: Some(&key.fingerprint.to_string()),
                beside: None,
            })?;
        }
        Ok(())
    }

    fn add_notifications(&self, log: &mut SarifNotifications<impl Write>) -> io::Result<()> {
        let report = self.report;
        for gap in &report.gaps {
            let len = Some(gap.len).filter(|len| *len > 0);
            log.not_searched(self.target, gap.offset, len, &gap.because)?;
        }
        if report.gaps.is_empty() && !report.is_complete() {
            log.not_searched(self.target, 0, None, Gap::UNFINISHED)?;
        }
        let listed = report.hits.len() + report.keys.len();
        let counted = report.hit_count + report.key_count;
        log.left_out(counted.saturating_sub(listed as u64), 0)
    }

    fn place(&self, offset: u64) -> String {
        let named = self.medium.place(offset).map(|place| place.to_string());
        named.unwrap_or_else(|| format!("offset {offset}"))
    }
}

fn rule(kind: &str) -> Value {
    let text = match kind {
        NEEDLE => "A secret that was looked for stands here".to_owned(),
        kind => format!("An unprotected {kind} key stands here"),
    };
    json!({ "id": kind, "shortDescription": { "text": text } })
}

fn location(target: SarifTarget<'_>) -> Value {
    json!({ "physicalLocation": { "artifactLocation": { "uri": uri(target.path) } } })
}

/// A path as a URI reference of RFC 3986: everything but the plainest characters as `%` and two
/// digits for each of its bytes.
fn uri(path: &Path) -> String {
    let is_separator = |byte: u8| char::from(byte) == MAIN_SEPARATOR;
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let encode = |byte: &u8| match *byte {
        byte if is_separator(byte) => "/".to_owned(),
        byte if kept(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    let bytes = path.as_os_str().as_encoded_bytes();
    let encoded: String = bytes.iter().map(encode).collect();
    if encoded.starts_with('/') {
        format!("file://{encoded}")
    } else if path.is_absolute() {
        // It begins with a drive.
        format!("file:///{encoded}")
    } else {
        encoded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hit::{Form, Hit};
    use crate::keys::{Fingerprint, KeyForm, KeyHit, KeyKind};
    use crate::needles::NeedleId;

    fn report() -> Report {
        let needle = NeedleId::new(4);
        let hit = Hit {
            offset: 7,
            len: 20,
            needle,
            form: Form::Hex,
            whole: false,
        };
        let fingerprint = Fingerprint::of(b"key");
        let (kind, form) = (KeyKind::Aes256, KeyForm::Schedule);
        let key = KeyHit {
            offset: 99,
            len: 240,
            kind,
            form,
            matching: 240,
            fingerprint,
        };
        let other = KeyHit {
            kind: KeyKind::Rsa,
            form: KeyForm::Pem,
            ..key
        };
        let gap = Gap {
            offset: 4096,
            len: 512,
            because: "reading failed: \"bad\"".into(),
        };
        Report {
            hits: vec![hit],
            keys: vec![key, other],
            gaps: vec![gap],
            ..Report::default()
        }
    }

    fn log(report: &Report, target: &str) -> Value {
        let scanned = Scanned {
            target: target.into(),
            medium: &Medium::Plain,
            report,
        };
        let mut log = Vec::new();
        to_sarif(&mut log, &[scanned]).expect("memory takes it");
        serde_json::from_slice(&log).expect("valid JSON")
    }

    #[test]
    fn findings_become_results() {
        let log = log(&report(), "some dir/swap#1");
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        let rules: Vec<_> = (0..3)
            .map(|nth| run["results"][nth]["ruleId"].clone())
            .collect();
        assert_eq!(rules, ["needle", "aes-256", "rsa"]);
        let first = &run["results"][0];
        assert_eq!(
            first["message"]["text"],
            "needle 4 as hex, a part of it, offset 7"
        );
        let place = &first["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "some%20dir/swap%231");
        assert_eq!(
            place["region"],
            json!({ "byteOffset": 7, "byteLength": 20 })
        );
        let print = &run["results"][1]["partialFingerprints"]["key/v1"];
        assert_eq!(*print, Fingerprint::of(b"key").to_string());
    }

    #[test]
    fn a_gap_makes_the_run_unsuccessful() {
        let invocation = &log(&report(), "/swap")["runs"][0]["invocations"][0];
        assert_eq!(invocation["executionSuccessful"], false);
        let note = &invocation["toolExecutionNotifications"][0];
        let text = "512 bytes at 4096 were not searched: reading failed: \"bad\"";
        assert_eq!(note["message"]["text"], text);
        let clean = log(&Report::default(), "/swap");
        assert_eq!(
            clean["runs"][0]["invocations"][0]["executionSuccessful"],
            true
        );
        assert_eq!(clean["runs"][0]["results"], json!([]));
    }

    #[test]
    fn results_that_are_left_out_are_told() {
        let told = |report: &Report| {
            let log = log(report, "/swap");
            let invocation = &log["runs"][0]["invocations"][0];
            invocation["toolExecutionNotifications"].clone()
        };
        let mut report = report();
        report.gaps.clear();
        (report.hit_count, report.key_count) = (1, 2);
        assert_eq!(told(&report), json!([]));
        report.hit_count = 8;
        let text = "this log leaves out 7 more results: there are too many";
        assert_eq!(told(&report)[0]["message"]["text"], text);
    }

    #[test]
    fn paths_become_references() {
        let uri = |text: &str| uri(Path::new(text));
        assert_eq!(uri("/swap file"), "file:///swap%20file");
        assert_eq!(uri("pid:7"), "pid%3A7");
        assert_eq!(uri("a/ü"), "a/%C3%BC");
    }

    #[test]
    fn every_rule_that_is_used_is_described() {
        let log = log(&report(), "x");
        let run = &log["runs"][0];
        let rules = run["tool"]["driver"]["rules"]
            .as_array()
            .expect("a list of rules");
        for result in run["results"].as_array().expect("a list of results") {
            assert!(
                rules.iter().any(|rule| rule["id"] == result["ruleId"]),
                "{result}"
            );
        }
    }
}
