//! The gate of tests that need root.

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
        eprintln!("NOT RUN: needs root ({test})");
        assert!(
            std::env::var_os("CI").is_none(),
            "{test} needs root, and CI must run every test"
        );
    }
    root
}
