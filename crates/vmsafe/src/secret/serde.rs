//! serde: secrets out of configuration files, each byte straight to its place.
//!
//! Only reading: a secret that is written out is none. The text that is read from is the caller's
//! to protect; a format that must undo escapes makes a copy of its own before this sees it.
//!
//! An error says what was expected and never what was there. A format's own error does: "invalid
//! type: string "hunter2"", also where no visitor is asked. So none of them is passed on. It was
//! made all the same, in ordinary memory, as the text that was read is.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::{Secret, SecretString, SecretVec};
use crate::plain::Plain;

/// Why it failed, in words that hold nothing of what was read.
#[derive(Default)]
struct Reason(Cell<Option<String>>);

impl Reason {
    /// Keeps the words for [`Reason::tell`]; the error is to go back with.
    fn keep<E: Error>(&self, words: impl fmt::Display) -> E {
        self.0.set(Some(words.to_string()));
        E::custom("not shown")
    }

    /// In place of any error one with the words that were kept, or else with what was expected.
    fn tell<T, E: Error>(self, read: Result<T, E>, expected: impl fmt::Display) -> Result<T, E> {
        read.map_err(|_| {
            E::custom(self.0.into_inner().unwrap_or_else(|| {
                format!("expected {expected}; what was found is not shown, for it may be secret")
            }))
        })
    }
}

/// The next of a row; when it is none, only its number is told.
fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(
    seq: &mut A,
    place: usize,
    reason: &Reason,
) -> Result<Option<T>, A::Error> {
    seq.next_element().map_err(|_| {
        let number = place + 1;
        reason.keep(format_args!(
            "value {number} of the row cannot be read; it is not shown, for it may be secret"
        ))
    })
}

impl<'de, const N: usize> Deserialize<'de> for Secret<[u8; N]> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes<'a, const N: usize>(&'a Reason);

        impl<const N: usize> Bytes<'_, N> {
            fn wrong_length<E: Error>(&self, length: impl fmt::Display) -> E {
                self.0
                    .keep(format_args!("invalid length {length}, expected {N} bytes"))
            }
        }

        impl<'de, const N: usize> Visitor<'de> for Bytes<'_, N> {
            type Value = Secret<[u8; N]>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{N} bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                if bytes.len() != N {
                    return Err(self.wrong_length(bytes.len()));
                }
                Secret::init_with(|value: &mut [u8; N]| value.copy_from_slice(bytes))
                    .map_err(|error| self.0.keep(error))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let secret = Secret::<[u8; N]>::zeroed();
                let mut secret = secret.map_err(|error| self.0.keep::<A::Error>(error))?;
                secret.expose_mut(|value| {
                    for (place, byte) in value.iter_mut().enumerate() {
                        let next = next(&mut seq, place, self.0)?;
                        *byte = next.ok_or_else(|| self.wrong_length::<A::Error>(place))?;
                    }
                    match next::<serde::de::IgnoredAny, _>(&mut seq, N, self.0)? {
                        None => Ok(()),
                        Some(_) => Err(self.wrong_length(format_args!("over {N}"))),
                    }
                })?;
                Ok(secret)
            }
        }

        let reason = Reason::default();
        let read = deserializer.deserialize_bytes(Bytes(&reason));
        reason.tell(read, format_args!("{N} bytes"))
    }
}

impl<'de, T: Plain + Deserialize<'de>> Deserialize<'de> for SecretVec<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values<'a, T>(&'a Reason, PhantomData<T>);

        impl<'de, T: Plain + Deserialize<'de>> Visitor<'de> for Values<'_, T> {
            type Value = SecretVec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row of values")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let failed = |error| self.0.keep::<A::Error>(error);
                let mut row = SecretVec::new().map_err(failed)?;
                while let Some(value) = next(&mut seq, row.len(), self.0)? {
                    row.push(value).map_err(failed)?;
                }
                Ok(row)
            }
        }

        let reason = Reason::default();
        let read = deserializer.deserialize_seq(Values(&reason, PhantomData));
        reason.tell(read, "a row of values")
    }
}

impl<'de> Deserialize<'de> for SecretString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<'a>(&'a Reason);

        impl Visitor<'_> for Text<'_> {
            type Value = SecretString;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                let failed = |error| self.0.keep::<E>(error);
                let mut secret = SecretString::new().map_err(failed)?;
                secret.push_str(text).map_err(failed)?;
                Ok(secret)
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
                // The deserialiser made a copy; at least this one is zeroed.
                self.visit_str(&zeroize::Zeroizing::new(text))
            }
        }

        let reason = Reason::default();
        let read = deserializer.deserialize_str(Text(&reason));
        reason.tell(read, "a text")
    }
}
