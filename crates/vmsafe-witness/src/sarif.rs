//! Reports as SARIF 2.1.0, which code hosts and CI systems show.

use serde_json::{Value, json};

use crate::hit::Hit;
use crate::keys::KeyHit;
use crate::medium::Medium;
use crate::report::{Gap, Report};

/// One scanned thing for [`to_sarif`].
#[derive(Clone, Copy, Debug)]
pub struct Scanned<'a> {
    /// What was scanned: a path, relative to the root of the project if it is to be linked.
    pub target: &'a str,
    /// What it is, so that offsets are named.
    pub medium: &'a Medium,
    /// What was found.
    pub report: &'a Report,
}

/// The reports as one SARIF log of one run, ended by a line feed.
///
/// A needle is a result of the rule `known-secret`, a recognised key one of `private-key` or
/// `key-schedule`. Needles appear by number and keys by fingerprint. Each [`Gap`] becomes a
/// notification, and with one the run counts as not successful.
#[must_use]
pub fn to_sarif(scanned: &[Scanned<'_>]) -> String {
    let results: Vec<Value> = scanned.iter().flat_map(results).collect();
    let gaps: Vec<Value> = scanned.iter().flat_map(notifications).collect();
    let complete = scanned.iter().all(|scanned| scanned.report.is_complete());
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": driver() },
            "invocations": [{
                "executionSuccessful": complete,
                "toolExecutionNotifications": gaps,
            }],
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn driver() -> Value {
    let rule = |id: &str, text: &str| json!({ "id": id, "shortDescription": { "text": text } });
    json!({
        "name": "vmsafe",
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "rules": [
            rule("known-secret", "A secret that was named stands where it should not"),
            rule("key-schedule", "The round keys of an AES key, from which it follows"),
            rule("private-key", "A private key in the open"),
        ],
    })
}

fn results(scanned: &Scanned<'_>) -> Vec<Value> {
    let hits = scanned
        .report
        .hits
        .iter()
        .map(|hit| hit_result(scanned, hit));
    hits.chain(
        scanned
            .report
            .keys
            .iter()
            .map(|key| key_result(scanned, key)),
    )
    .collect()
}

fn hit_result(scanned: &Scanned<'_>, hit: &Hit) -> Value {
    let part = if hit.whole { "" } else { ", a part of it" };
    let text = format!(
        "needle {} as {}{part}, {}",
        hit.needle,
        hit.form,
        place(scanned, hit.offset)
    );
    json!({
        "ruleId": "known-secret",
        "level": "error",
        "message": { "text": text },
        "locations": [location(scanned.target, hit.offset, hit.len)],
        "properties": { "form": hit.form.name(), "needle": hit.needle.number() },
    })
}

fn key_result(scanned: &Scanned<'_>, key: &KeyHit) -> Value {
    let schedule = key.form.name().contains("schedule");
    let what = place(scanned, key.offset);
    json!({
        "ruleId": if schedule { "key-schedule" } else { "private-key" },
        "level": "error",
        "message": { "text": format!("{} key as {}, {what}", key.kind, key.form) },
        "locations": [location(scanned.target, key.offset, key.len)],
        "partialFingerprints": { "key/v1": key.fingerprint.to_string() },
        "properties": { "form": key.form.name(), "kind": key.kind.name() },
    })
}

fn place(scanned: &Scanned<'_>, offset: u64) -> String {
    let named = scanned.medium.place(offset).map(|place| place.to_string());
    named.unwrap_or_else(|| format!("offset {offset}"))
}

fn location(target: &str, offset: u64, len: u64) -> Value {
    json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(target) },
        "region": { "byteOffset": offset, "byteLength": len },
    }})
}

fn notifications(scanned: &Scanned<'_>) -> Vec<Value> {
    let note = |gap: &Gap| {
        let Gap {
            offset,
            len,
            because,
        } = gap;
        json!({
            "level": "error",
            "message": { "text": format!("{len} bytes at {offset} were not searched: {because}") },
            "locations": [location(scanned.target, *offset, *len)],
        })
    };
    scanned.report.gaps.iter().map(note).collect()
}

/// A path as a URI reference: everything but the plainest characters as `%` and two digits.
fn uri(path: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let encode = |byte: u8| {
        if kept(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    let encoded: String = path.bytes().map(encode).collect();
    if path.starts_with('/') {
        format!("file://{encoded}")
    } else {
        encoded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hit::Form;
    use crate::keys::{Fingerprint, KeyForm, KeyKind};
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
            target,
            medium: &Medium::Plain,
            report,
        };
        serde_json::from_str(&to_sarif(&[scanned])).expect("valid JSON")
    }

    #[test]
    fn findings_become_results() {
        let log = log(&report(), "some dir/swap#1");
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        let rules: Vec<_> = (0..3)
            .map(|nth| run["results"][nth]["ruleId"].clone())
            .collect();
        assert_eq!(rules, ["known-secret", "key-schedule", "private-key"]);
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
