use super::*;

fn parse(text: &str) -> Source {
    Source::parse(text).unwrap()
}

#[test]
fn functions_are_measured_wherever_they_stand() {
    let source = parse(
        "/// Doc.\nfn a() {\n    // why\n    fn b() {}\n}\nimpl T {\n    fn c(\n    ) {\n    }\n}\n\
         trait U {\n    fn d();\n    fn e() {}\n}\n",
    );
    let found: Vec<_> = source
        .functions()
        .into_iter()
        .map(|f| (f.name, f.lines))
        .collect();
    let wanted = [("a", 4), ("b", 1), ("c", 3), ("e", 1)];
    assert_eq!(found, wanted.map(|(name, lines)| (name.to_owned(), lines)));
}

#[test]
fn tests_are_found_in_modules_and_macros_and_others_are_not() {
    let source = parse(
        "#[test]\nfn a() {}\nfn no() {}\nmod tests {\n    #[test]\n    #[should_panic]\n\
         fn b() {}\n}\n\
         proptest! {\n    #[test]\n    fn c(x in 0..9) { f(x) }\n    fn not(x in 0..9) {}\n}\n",
    );
    assert_eq!(source.tests(), ["a", "tests::b", "c"]);
}

#[test]
fn words_in_comments_and_strings_are_no_code() {
    let source = parse("// unsafe\nfn f() { g(\"unsafe\") }\n/// unsafe\nunsafe fn h() {}\n");
    assert_eq!(source.lines_with(&["unsafe"]), [4]);
}

#[test]
fn conditions_are_found_in_attributes_and_macros() {
    let source = parse(
        "#[cfg(any(test, target_os = \"linux\"))]\nfn f() {}\n\
         fn g(unix: u8) -> bool {\n    cfg!(unix)\n}\n\
         #[cfg_attr(windows, path = \"x\")]\nmod m;\n",
    );
    assert_eq!(
        source.conditions_on(&["target_os", "unix", "windows"]),
        [1, 4, 6]
    );
}

#[test]
fn what_the_standard_library_tells_of_the_system_is_a_condition() {
    let source = parse(
        "use std::env::consts::{ARCH, OS};\n\
         fn f() -> bool {\n    std::env::consts::OS == \"linux\"\n}\n\
         fn g() -> bool {\n    h(env::consts::FAMILY)\n}\n\
         // consts::OS\nfn i() -> f64 {\n    f64::consts::PI\n}\n\
         use OS::consts;\n",
    );
    assert_eq!(source.conditions_on(&["OS", "FAMILY"]), [1, 3, 6]);
}

#[test]
fn strings_are_read_and_documentation_is_not() {
    let source = parse("/// \"/proc/no\"\nfn f() { g(\"/proc/a\", c\"/dev/b\", r\"c\\d\") }\n");
    let found: Vec<String> = source.strings().into_iter().map(|(text, _)| text).collect();
    assert_eq!(found, ["/proc/a", "/dev/b", "c\\d"]);
}

#[test]
fn an_unsafe_block_without_a_proof_is_found() {
    let proved =
        "fn f() {\n    // SAFETY: it is.\n    let a = g(\n        unsafe { h() },\n    );\n}\n";
    assert!(parse(proved).unproved().is_empty());
    let bare =
        "fn f() {\n    // SAFETY: of the other.\n    unsafe { g() };\n    unsafe { h() };\n}\n";
    assert_eq!(parse(bare).unproved(), [4]);
    let implied = "struct S;\n\nunsafe impl Send for S {}\n";
    assert_eq!(parse(implied).unproved(), [3]);
}

#[test]
fn blank_lines_and_comments_are_no_code_lines() {
    assert_eq!(
        code_lines("//! Doc.\n\n// why\nfn f() {} // here\n    /// Doc.\n}\n"),
        2
    );
}

#[test]
fn a_file_names_its_tests() {
    let name = |file| module_path(file).unwrap();
    assert_eq!(name("crates/a/src/lib.rs"), "a");
    assert_eq!(name("crates/a/src/b/c.rs"), "a::b::c");
    assert_eq!(name("crates/a/tests/b.rs"), "a/tests/b.rs");
    assert_eq!(module_path("crates/a/examples/b.rs"), None);
}

#[test]
fn attributes_are_told_from_functions_of_their_name() {
    let text = "#![allow(x)]\n#[cfg_attr(y, allow(z))]\nfn allow() {}\nfn g() {\n    allow()\n}\n";
    assert_eq!(parse(text).attributes("allow"), [1, 2]);
}
