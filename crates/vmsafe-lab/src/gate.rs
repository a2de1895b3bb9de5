//! The gate of tests that need what a machine may not have.

use vmsafe_os::lab as os;

/// Whether a test that needs root can run. If not, says `NOT RUN: needs root` on standard error:
/// the caller returns, and whoever reads the output sees that nothing was shown.
///
/// ```
/// # fn my_test() {
/// if !vmsafe_lab::require_root("my_test") {
///     return;
/// }
/// # }
/// ```
///
/// # Panics
/// If the environment variable `CI` is set: there, a test that cannot run has failed.
#[must_use]
pub fn require_root(test: &str) -> bool {
    let root = os::is_root();
    if !root {
        not_run(&format!("needs root ({test})"));
    }
    root
}

/// Says `NOT RUN` and why on standard error, for a test that ends without having shown anything.
///
/// # Panics
/// If the environment variable `CI` is set.
pub fn not_run(why: &str) {
    eprintln!("NOT RUN: {why}");
    assert!(
        std::env::var_os("CI").is_none(),
        "CI must run every test, and here is one that it cannot: {why}"
    );
}
