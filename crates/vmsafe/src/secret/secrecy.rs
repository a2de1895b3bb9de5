//! secrecy: for code that asks for its traits.

use secrecy::{ExposeSecret, ExposeSecretMut};

use super::Secret;

impl<T> ExposeSecret<T> for Secret<T> {
    fn expose_secret(&self) -> &T {
        // SAFETY: a whole value that is ours; the borrow keeps writers out.
        unsafe { self.at.as_ref() }
    }
}

impl<T> ExposeSecretMut<T> for Secret<T> {
    fn expose_secret_mut(&mut self) -> &mut T {
        // SAFETY: as above; `&mut self` makes this the only reference.
        unsafe { self.at.as_mut() }
    }
}
