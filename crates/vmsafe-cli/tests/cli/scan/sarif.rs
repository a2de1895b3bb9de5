//! The log of SARIF against the rules of its schema, version 2.1.0, for every object that it holds.

use serde_json::Value;

use super::{Stage, keys};
use crate::run::{arg, said, vmsafe};

/// What the schema says of one property of an object.
type Property = (&'static str, Need, Kind);

#[derive(Clone, Copy, PartialEq)]
enum Need {
    Must,
    May,
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    OneOf(&'static [&'static str]),
    Reference,
    Flag,
    /// At least so much.
    Number(i64),
    Object(&'static [Property]),
    List(&'static [Property]),
    Texts,
    /// Names and texts.
    Map,
    /// Anything.
    Bag,
}

use Kind::{Bag, Flag, List, Map, Number, Object, OneOf, Reference, Text, Texts};
use Need::{May, Must};

const LEVELS: Kind = OneOf(&["none", "note", "warning", "error"]);
const MESSAGE: &[Property] = &[("text", Must, Text)];
const REGION: &[Property] = &[
    ("byteOffset", May, Number(-1)),
    ("byteLength", May, Number(0)),
    ("message", May, Object(MESSAGE)),
];
const PHYSICAL: &[Property] = &[
    ("artifactLocation", Must, Object(&[("uri", May, Reference)])),
    ("region", May, Object(REGION)),
];
const LOCATION: &[Property] = &[("physicalLocation", May, Object(PHYSICAL))];
const NOTIFICATION: &[Property] = &[
    ("message", Must, Object(MESSAGE)),
    ("level", May, LEVELS),
    ("locations", May, List(LOCATION)),
];
const INVOCATION: &[Property] = &[
    ("executionSuccessful", Must, Flag),
    ("toolExecutionNotifications", May, List(NOTIFICATION)),
];
const RULE: &[Property] = &[
    ("id", Must, Text),
    ("shortDescription", May, Object(MESSAGE)),
];
const DRIVER: &[Property] = &[
    ("name", Must, Text),
    ("semanticVersion", May, Text),
    ("rules", May, List(RULE)),
];
const RESULT: &[Property] = &[
    ("message", Must, Object(MESSAGE)),
    ("ruleId", May, Text),
    ("level", May, LEVELS),
    ("locations", May, List(LOCATION)),
    ("partialFingerprints", May, Map),
    ("properties", May, Bag),
];
const RUN: &[Property] = &[
    ("tool", Must, Object(&[("driver", Must, Object(DRIVER))])),
    ("invocations", May, List(INVOCATION)),
    ("results", May, List(RESULT)),
    ("redactionTokens", May, Texts),
    ("properties", May, Bag),
];
const LOG: &[Property] = &[
    ("$schema", May, Reference),
    ("version", Must, OneOf(&["2.1.0"])),
    ("runs", Must, List(RUN)),
];

/// What is wrong with a log.
pub(super) fn faults_of_log(log: &Value) -> Vec<String> {
    faults(log, LOG, "log")
}

/// What is wrong with an object, with the way to it.
fn faults(value: &Value, rules: &[Property], way: &str) -> Vec<String> {
    let Some(object) = value.as_object() else {
        return vec![format!("{way}: no object")];
    };
    let mut all = Vec::new();
    for name in object.keys() {
        if !rules.iter().any(|(known, ..)| known == name) {
            all.push(format!("{way}: unknown property {name}"));
        }
    }
    for (name, need, kind) in rules {
        match object.get(*name) {
            Some(value) => all.extend(faults_of(value, *kind, &format!("{way}.{name}"))),
            None if *need == Must => all.push(format!("{way}: no {name}")),
            None => {}
        }
    }
    all
}

fn faults_of(value: &Value, kind: Kind, way: &str) -> Vec<String> {
    let text = value.as_str();
    let fits = match kind {
        Text => text.is_some(),
        OneOf(words) => text.is_some_and(|text| words.contains(&text)),
        Reference => text.is_some_and(is_reference),
        Flag => value.is_boolean(),
        Number(least) => value.as_i64().is_some_and(|number| number >= least),
        Texts => value
            .as_array()
            .is_some_and(|list| list.iter().all(Value::is_string)),
        Map => value
            .as_object()
            .is_some_and(|map| map.values().all(Value::is_string)),
        Bag => value.is_object(),
        Object(rules) => return faults(value, rules, way),
        List(rules) => {
            let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
            let of_item = |(nth, item)| faults(item, rules, &format!("{way}[{nth}]"));
            let mut all: Vec<_> = list.iter().enumerate().flat_map(of_item).collect();
            if !value.is_array() {
                all.push(format!("{way}: no list"));
            }
            return all;
        }
    };
    if fits {
        Vec::new()
    } else {
        vec![format!("{way}: {value}")]
    }
}

/// The characters of RFC 3986, and `%` only before two digits.
fn is_reference(text: &str) -> bool {
    let allowed =
        |char: char| char.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(char);
    let escaped = |rest: &str| {
        rest.get(..2)
            .is_some_and(|two| two.chars().all(|c| c.is_ascii_hexdigit()))
    };
    text.chars().all(allowed) && text.split('%').skip(1).all(escaped)
}

#[test]
fn the_log_keeps_the_schema() {
    let stage = Stage::new();
    let leaked = stage.file("with space, ünd %", 5000, &[9]);
    let schedule = stage.dir.path().join("schedule");
    std::fs::write(&schedule, keys::schedule()).expect("scratch takes files");
    let packed = stage.dir.path().join("packed.gz");
    std::fs::write(&packed, super::media::compressed("gzip", b"content")).expect("as above");
    let absent = stage.dir.path().join("absent");
    for more in [&[][..], &["--reveal"]] {
        let mut command = vmsafe();
        command.args([
            "scan",
            "--sarif",
            "--keys",
            "--needle-file",
            arg(&stage.needles),
        ]);
        let said = said(
            command
                .args(more)
                .args([&leaked, &schedule, &packed, &absent]),
        );
        let log = said.json();
        assert_eq!(faults_of_log(&log), Vec::<String>::new(), "{log:#}");
        let run = &log["runs"][0];
        let ids: Vec<_> = run["tool"]["driver"]["rules"]
            .as_array()
            .expect("rules")
            .iter()
            .collect();
        let results = run["results"].as_array().expect("results");
        assert_eq!(results.len(), 2, "{log:#}");
        for result in results {
            assert_eq!(
                ids.iter()
                    .filter(|rule| rule["id"] == result["ruleId"])
                    .count(),
                1
            );
        }
        assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    }
}

#[test]
fn the_rules_notice_what_breaks_them() {
    let broken = [
        r#"{"version": "2.0.0", "runs": []}"#,
        r#"{"version": "2.1.0"}"#,
        r#"{"version": "2.1.0", "runs": [{}]}"#,
        r#"{"version": "2.1.0", "runs": [], "more": 1}"#,
        r#"{"version": "2.1.0", "runs": [], "$schema": "with space"}"#,
        r#"{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}, "results": [{}]}]}"#,
    ];
    for log in broken {
        let log = serde_json::from_str(log).expect("JSON");
        assert!(!faults_of_log(&log).is_empty(), "{log}");
    }
}
