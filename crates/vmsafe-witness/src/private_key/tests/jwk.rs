//! JSON Web Keys.

use super::*;

/// The keys, and the same ones as OpenSSL writes them.
fn json_keys() -> Vec<(String, String, Vec<u8>)> {
    let all = files("tests/keys/jwk");
    assert_eq!(all.len(), 11);
    let with_pem = |(name, json): (String, Vec<u8>)| {
        let (_, pem) = open_keys().find(|(other, _)| *other == name).unwrap();
        let json = String::from_utf8(json).unwrap().trim_end().to_owned();
        (name, json, pem)
    };
    all.into_iter().map(with_pem).collect()
}

/// What is found in `before`, the key and what is behind it is the key.
fn assert_found(name: &str, before: &str, json: &str, pem: &[u8]) {
    let text = [before, json, "]}, and on"].concat();
    let found = find_private_keys(5, text.as_bytes());
    assert_eq!(found.len(), 1, "{name}: {text} {found:?}");
    let key = found[0];
    let place = (5 + before.len() as u64, json.len() as u64);
    assert_eq!((key.offset, key.len), place, "{name}: {text}");
    assert_eq!((key.kind, key.form), (kind(name), KeyForm::Jwk), "{name}");
    let other = find_private_keys(0, pem)[0];
    assert_eq!(key.fingerprint, other.fingerprint, "{name}");
}

#[test]
fn finds_every_json_web_key_however_it_is_spaced() {
    for (name, json, pem) in json_keys() {
        let indented = json
            .replace("\":\"", "\" : \"")
            .replace(',', ",\r\n    ")
            .replace('{', "{\n\t");
        for before in ["", "{\"keys\": [{\"kid\": \"1\"}, "] {
            assert_found(&name, before, &json, &pem);
            assert_found(&name, before, &indented, &pem);
        }
    }
}

#[test]
fn the_member_that_tells_the_kind_may_stand_anywhere() {
    let flat = json_keys()
        .into_iter()
        .filter(|(_, json, _)| !json.contains("oth"));
    for (name, json, pem) in flat {
        let members: Vec<&str> = json.trim_matches(['{', '}']).split(',').collect();
        for nth in 0..members.len() {
            let mut members = members.clone();
            members.rotate_left(nth);
            // Others that say nothing of the key, and hold braces of their own.
            members.insert(
                nth % 2,
                "\"key_ops\":[\"sign\"],\"ext\":{\"a\":[{}]},\"z\":-1.5e3",
            );
            assert_found(&name, "x", &format!("{{{}}}", members.join(",")), &pem);
        }
    }
}

#[test]
fn finds_json_web_keys_in_strings_of_json() {
    for (name, json, pem) in json_keys() {
        let indented = json.replace(',', ",\n\t").replace('"', "\\\"");
        let written = indented.replace('\n', "\\n").replace('\t', "\\t");
        for written in [json.replace('"', "\\\""), written] {
            assert_found(&name, "{\"value\":\"", &written, &pem);
        }
        let twice = json.replace('"', "\\\\\\\"");
        assert_eq!(find_private_keys(0, twice.as_bytes()), [], "{name}");
    }
}

#[test]
fn what_a_member_says_of_another_key_does_not_hide_the_key() {
    for (name, json, pem) in json_keys() {
        for note in [
            "{\"a\":\"\\\"kty\\\"\",",
            "{\"kty2\":\"\\\"kty\",\"b\":\"kty\",",
        ] {
            assert_found(&name, "", &json.replacen('{', note, 1), &pem);
        }
    }
}

#[test]
fn braces_in_strings_hide_no_key() {
    for (name, json, pem) in json_keys() {
        for id in ["a{b", "a}b", "}{", "{\\\"", "{{{{", "}}}}", "{\\\"kty"] {
            let member = format!("\"kid\":\"{id}\"");
            let before = json.replacen('{', &format!("{{{member},"), 1);
            assert_found(&name, "", &before, &pem);
            let behind = format!("{},{member}}}", json.strip_suffix('}').unwrap());
            assert_found(&name, "", &behind, &pem);
        }
    }
}

#[test]
fn digits_may_be_padded() {
    let (name, json, pem) = json_keys().swap_remove(0);
    let padded = json.replace("\",\"y", "=\",\"y");
    assert_ne!(padded, json);
    assert_found(&name, "", &padded, &pem);
}

#[test]
fn a_public_key_or_half_a_key_is_none() {
    for (name, json, _) in json_keys() {
        let whole = find_private_keys(0, json.as_bytes());
        assert_eq!(whole.len(), 1, "the control: {name}");
        let public = json.replace("\"d\":", "\"e2\":");
        assert_eq!(find_private_keys(0, public.as_bytes()), [], "{name}");
        for len in [1, json.len() / 2, json.len() - 1] {
            assert_eq!(find_private_keys(0, &json.as_bytes()[..len]), [], "{name}");
            let behind = &json.as_bytes()[json.len() - len..];
            assert_eq!(find_private_keys(0, behind), [], "{name}");
        }
        let of_another_kind = json.replace("\"kty\":\"", "\"kty\":\"X");
        assert_eq!(
            find_private_keys(0, of_another_kind.as_bytes()),
            [],
            "{name}"
        );
        let secret = if name.starts_with("rsa") {
            "\"p\":\""
        } else {
            "\"d\":\""
        };
        let changed = json.replacen(secret, &format!("{secret}BBBB"), 1);
        assert_eq!(find_private_keys(0, changed.as_bytes()), [], "{name}");
    }
}

#[test]
fn markers_without_a_key_hide_none_behind_them() {
    let (_, key, _) = json_keys().swap_remove(0);
    for part in [
        "\"kty",
        "{\"kty",
        "{\"kty\":\"EC\",\"a\":",
        "{\"kty\":\"EC\",\"a\":[",
        "}\"kty",
    ] {
        let markers = part.repeat((1 << 20) / part.len());
        assert_eq!(find_private_keys(0, markers.as_bytes()), []);
        let found = find_private_keys(0, [&markers, &key[..]].concat().as_bytes());
        let offsets: Vec<u64> = found.iter().map(|key| key.offset).collect();
        assert_eq!(offsets, [markers.len() as u64], "{part}");
    }
}
