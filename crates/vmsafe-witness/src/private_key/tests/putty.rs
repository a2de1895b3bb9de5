//! Keys in files of PuTTY.

use super::*;

/// The same key as OpenSSL or OpenSSH writes it, by the name of the file.
fn other_form(name: &str) -> Vec<u8> {
    let name = name.trim_end_matches("-v2");
    let (_, pem) = open_keys().find(|(other, _)| other == name).unwrap();
    pem
}

fn putty_files() -> Vec<(String, Vec<u8>)> {
    let all = files("tests/keys/putty");
    assert_eq!(all.len(), 10);
    all
}

#[test]
fn finds_every_key_of_putty_that_is_not_encrypted() {
    for (name, file) in putty_files() {
        for line_end in ["\n", "\r\n"] {
            let text = String::from_utf8(file.clone())
                .unwrap()
                .replace('\n', line_end);
            let found = find_private_keys(7, text.as_bytes());
            if name == "encrypted" {
                assert_eq!(found, []);
                continue;
            }
            let end = text.find(&format!("{line_end}Private-MAC")).unwrap();
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            let key = found[0];
            assert_eq!((key.offset, key.len), (7, end as u64), "{name}");
            assert_eq!(
                (key.kind, key.form),
                (kind(&name), KeyForm::Putty),
                "{name}"
            );
            let other = find_private_keys(0, &other_form(&name))[0];
            assert_eq!(key.fingerprint, other.fingerprint, "{name}");
            // What is behind the key need not be there, and each of its digits must.
            let whole = &text.as_bytes()[..end];
            assert_eq!(find_private_keys(7, whole), found, "{name}");
            assert_eq!(find_private_keys(7, &whole[..end - 4]), [], "{name}");
        }
    }
}

#[test]
fn a_file_of_putty_that_names_another_key_is_none() {
    for (name, file) in putty_files() {
        let text = String::from_utf8(file).unwrap();
        let changes = [
            ("-3: ssh-", "-3: SSH-"),
            ("-3: ecdsa-sha2-nistp2", "-3: ecdsa-sha2-nistp3"),
            ("Encryption: none", "Encryption: aes256-cbc"),
            ("Comment", "Remark"),
            ("Public-Lines: ", "Public-Lines: 1"),
            ("Private-Lines: ", "Private-Lines: 9"),
            ("Public-Lines: ", "Public-Lines: -"),
        ];
        for (from, to) in changes {
            let changed = text.replacen(from, to, 1);
            if changed != text {
                assert_eq!(find_private_keys(0, changed.as_bytes()), [], "{name}: {to}");
            }
        }
        let is_open = name != "encrypted";
        assert_eq!(
            !find_private_keys(0, text.as_bytes()).is_empty(),
            is_open,
            "the control: {name}"
        );
    }
}
