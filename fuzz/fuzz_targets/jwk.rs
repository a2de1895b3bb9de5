//! JSON Web Keys: any members, in strings of JSON too.
#![no_main]

mod private_keys;

use base64ct::{Base64UrlUnpadded, Encoding};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, bool, Vec<(u8, &[u8])>, &str)| {
    let (kind, is_in_string, members, text) = input;
    let kinds = [
        r#""kty":"RSA""#,
        r#""kty":"EC","crv":"P-256""#,
        r#""kty":"OKP","crv":"Ed25519""#,
        r#""kty":"OKP","crv":"X448""#,
    ];
    let kind = kinds[usize::from(kind) % kinds.len()];
    let mut key = format!("{{{kind}");
    for (name, content) in members {
        // Mostly the names that a key has.
        let name = char::from(b"dnepqxykzz"[usize::from(name) % 10]);
        let digits = Base64UrlUnpadded::encode_string(content);
        key += &format!(",\"{name}\":\"{digits}\"");
    }
    key += text;
    key.push('}');
    if is_in_string {
        key = key.replace('"', "\\\"");
    }
    private_keys::search(key.as_bytes());
    private_keys::search(format!("{{{text},{kind},{text}}}").as_bytes());
});
