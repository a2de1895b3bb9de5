//! What each thread was last told: a code, a sentence, a grade.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use crate::fault::{Code, Fault};

thread_local! {
    static LAST: RefCell<(c_int, CString)> = RefCell::default();
    static GRADE: RefCell<CString> = RefCell::default();
}

const DEFECT: &CStr = c"a defect of the library; please report it with what was printed";

/// Runs `body` where no panic passes, and remembers what it has to say.
pub(crate) fn boundary<T>(body: impl FnOnce() -> Result<T, Fault>) -> Result<T, Code> {
    let outcome = catch_unwind(AssertUnwindSafe(body));
    let (outcome, number, text) = match outcome {
        Ok(Ok(value)) => (Ok(value), Code::Ok as c_int, CString::default()),
        Ok(Err(fault)) => (Err(fault.code), fault.number(), sentence(fault.text)),
        Err(_) => (Err(Code::Defect), Code::Defect as c_int, DEFECT.to_owned()),
    };
    // A thread whose locals are gone has the return value.
    let _ = LAST.try_with(|last| *last.borrow_mut() = (number, text));
    outcome
}

fn sentence(text: String) -> CString {
    CString::new(text.replace('\0', "?")).unwrap_or_else(|_| DEFECT.to_owned())
}

pub(crate) fn code() -> c_int {
    let code = LAST.try_with(|last| last.borrow().0);
    code.unwrap_or(Code::Defect as c_int)
}

/// Valid until this thread's next [`boundary`].
pub(crate) fn text() -> *const c_char {
    let text = LAST.try_with(|last| last.borrow().1.as_ptr());
    text.unwrap_or(DEFECT.as_ptr())
}

/// Keeps a grade's words; valid until this thread's next grade.
pub(crate) fn grade(words: String) -> *const c_char {
    let kept = GRADE.try_with(|grade| {
        *grade.borrow_mut() = sentence(words);
        grade.borrow().as_ptr()
    });
    kept.unwrap_or(ptr::null())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_defect_and_ends_at_the_boundary() {
        let outcome: Result<(), Code> = boundary(|| panic!("as a test"));
        assert_eq!(outcome, Err(Code::Defect));
        assert_eq!(code(), Code::Defect as c_int);
        assert_eq!(boundary(|| Ok(7)), Ok(7));
        assert_eq!(code(), 0);
    }

    #[test]
    fn each_thread_has_its_own_last_word() {
        let fault = || Err::<(), _>(Fault::new(Code::Size, "zero \0 inside"));
        assert_eq!(boundary(fault), Err(Code::Size));
        let other = std::thread::spawn(|| (code(), boundary(|| Ok(())), code()));
        assert_eq!(other.join().unwrap(), (0, Ok(()), 0));
        assert_eq!(code(), Code::Size as c_int);
    }
}
