//! For continuous integration: the Static Analysis Results Interchange Format, version 2.1.0.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Finding, Findings, Gap};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

impl Findings {
    pub(super) fn sarif(&self) -> Value {
        let findings = self.findings.as_deref().unwrap_or_default();
        let kinds: BTreeSet<_> = findings.iter().map(|found| found.kind).collect();
        let rules: Vec<_> = kinds.into_iter().map(rule).collect();
        let results: Vec<_> = findings.iter().map(result).collect();
        let gaps = self.gaps.iter().flatten().map(gap_notification);
        let notes = self.notes.iter().map(|note| {
            let text = format!("{}: {}", note.target, note.note);
            json!({"level": "note", "message": {"text": text}})
        });
        let notifications: Vec<_> = gaps.chain(notes).collect();
        json!({
            "$schema": SCHEMA,
            "version": "2.1.0",
            "runs": [{
                "tool": {"driver": {
                    "name": "vmsafe",
                    "version": env!("CARGO_PKG_VERSION"),
                    "rules": rules,
                }},
                "columnKind": "unicodeCodePoints",
                "invocations": [{
                    "executionSuccessful": self.gap_count == 0,
                    "toolExecutionNotifications": notifications,
                }],
                "properties": {
                    "verdict": self.verdict,
                    "coveredBytes": self.covered_bytes,
                    "findingCount": self.finding_count,
                },
                "results": results,
            }],
        })
    }
}

fn rule(kind: &str) -> Value {
    let text = match kind {
        "needle" => "A secret that was looked for stands here".to_owned(),
        kind => format!("An unprotected {kind} key stands here"),
    };
    json!({"id": kind, "shortDescription": {"text": text}})
}

fn result(found: &Finding) -> Value {
    let text = format!(
        "{} as {} at {}",
        found.what(),
        found.form_in_words(),
        found.where_in_words(),
    );
    let mut region = json!({"byteOffset": found.offset, "byteLength": found.length});
    if let Some(context) = &found.context {
        let text = format!("{} [redacted] {}", context.before, context.after);
        region["message"] = json!({"text": text});
    }
    let mut properties = json!({"form": found.form, "whole": found.whole});
    if let Some(needle) = found.needle {
        properties["needle"] = json!(needle);
    }
    let mut result = json!({
        "ruleId": found.kind,
        "level": "error",
        "message": {"text": text},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": uri(&found.target)},
            "region": region,
        }}],
        "properties": properties,
    });
    if let Some(fingerprint) = &found.fingerprint {
        result["partialFingerprints"] = json!({"key/v1": fingerprint});
    }
    result
}

fn gap_notification(gap: &Gap) -> Value {
    let text = format!("{} was not searched: {}", gap.target, gap.because);
    json!({
        "level": "warning",
        "message": {"text": text},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": uri(&gap.target)},
        }}],
    })
}

/// A path as a relative reference of RFC 3986: what may not stand in one is escaped.
fn uri(target: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let mut uri = if target.starts_with('/') {
        "file://".to_owned()
    } else {
        String::new()
    };
    for byte in target.bytes() {
        match byte {
            byte if plain(byte) => uri.push(byte.into()),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn paths_become_references() {
        assert_eq!(uri("/swap file"), "file:///swap%20file");
        assert_eq!(uri("pid:7"), "pid%3A7");
        assert_eq!(uri("a/ü"), "a/%C3%BC");
    }
}
