//! The control of ThreadSanitizer: two threads count without a lock.

use std::cell::UnsafeCell;
use std::thread;

struct Count(UnsafeCell<u64>);

// SAFETY: none: this is what the sanitizer must find.
unsafe impl Sync for Count {}

static COUNT: Count = Count(UnsafeCell::new(0));

fn count() {
    for _ in 0..1000 {
        // SAFETY: none, as above.
        unsafe { *COUNT.0.get() += 1 };
    }
}

fn main() {
    let other = thread::spawn(count);
    count();
    other.join().expect("a count does not panic");
}
