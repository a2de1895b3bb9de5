//! Progress on standard error, drawn only where that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar with rate and time left. Vanishes when dropped.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

const BYTES: &str = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} left";
const ENDLESS: &str = "{spinner} {bytes} {bytes_per_sec} {wide_msg}";
const STEPS: &str = "{msg} {wide_bar} {pos}/{len} {elapsed}";

impl Progress {
    pub(super) fn bytes(what: &str, total: Option<u64>) -> Self {
        let template = if total.is_some() { BYTES } else { ENDLESS };
        Self::new(what, total, template)
    }

    pub(super) fn steps(what: &str, total: u64) -> Self {
        Self::new(what, Some(total), STEPS)
    }

    fn new(what: &str, total: Option<u64>, template: &str) -> Self {
        // Indicatif draws on standard error, and draws nothing where that is no terminal.
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let style = ProgressStyle::with_template(template).expect("the templates are constants");
        bar.set_style(style);
        // A thread, for nothing where nobody sees it.
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        let bar = Self(bar);
        bar.say(what);
        bar
    }

    /// So much is done.
    pub(crate) fn at(&self, done: u64) {
        self.0.set_position(done);
    }

    /// There is so much to do.
    pub(crate) fn of(&self, total: u64) {
        self.0.set_length(total);
    }

    /// What is done now.
    pub(crate) fn say(&self, what: &str) {
        if !self.0.is_hidden() {
            self.0.set_message(super::plain(what));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
