//! Ctrl-C: the first asks the work to stop and keep its results, the second ends the program.
//! A terminal that goes away asks too.

use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// How often it is asked about while something is waited for.
const POLL: Duration = Duration::from_millis(50);

/// Makes a write beyond the limit on the size of files (`ulimit -f`) an error, which can be told,
/// and not the end of the program. Programs that are started get the signal as ever.
pub(crate) fn outlive_a_file_limit() {
    if let Some(signal) = vmsafe_lab::oversize() {
        // It is refused for signals only that no program may handle.
        let _ = flag::register(signal, Arc::default());
    }
}

/// Whether the user wants the work to stop. By default nobody listens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag unset, and sets it.
            flag::register_conditional_default(signal, Arc::clone(&asked))
                .and_then(|_| flag::register(signal, Arc::clone(&asked)))
                .context("cannot listen for Ctrl-C")?;
        }
        if let Some(hangup) = vmsafe_lab::hangup() {
            // Kernel and shell may each send one, so a second is no demand.
            flag::register(hangup, Arc::clone(&asked))
                .context("cannot listen for the end of the terminal")?;
        }
        Ok(Self(asked))
    }

    /// Asks in place of the user, who cannot want what comes.
    pub(crate) fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// True once the user has asked.
    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// What `work` comes to; `None` once the user has asked. It may wait for what never comes, and
    /// is left behind then, with a thread of its own.
    ///
    /// # Errors
    ///
    /// If there can be no such thread.
    ///
    /// # Panics
    ///
    /// If `work` does.
    pub(crate) fn wait_for<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Option<T>> {
        let (send, done) = mpsc::sync_channel(1);
        let thread = thread::Builder::new().spawn(move || drop(send.send(work())))?;
        loop {
            match done.recv_timeout(POLL) {
                Ok(done) => return Ok(Some(done)),
                Err(RecvTimeoutError::Timeout) if self.asked() => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    resume_unwind(thread.join().expect_err("it sends unless it panics"))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_is_given_unless_it_never_comes_and_the_user_asks() {
        let interrupt = Interrupt::default();
        assert_eq!(interrupt.wait_for(|| 1).unwrap(), Some(1));
        interrupt.0.store(true, Ordering::Relaxed);
        let (_keeps_it_waiting, never) = mpsc::channel::<()>();
        assert!(interrupt.wait_for(move || never.recv()).unwrap().is_none());
    }

    #[test]
    #[should_panic(expected = "as it was thrown")]
    fn a_panic_goes_on_where_it_was_waited_for() {
        let interrupt = Interrupt::default();
        let _ = interrupt.wait_for(|| panic!("as it was thrown"));
    }
}
