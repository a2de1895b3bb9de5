//! serde: secrets out of configuration files, each byte straight to its place.
//!
//! Only reading: a secret that is written out is none. The text that is read from is the caller's
//! to protect; a format that must undo escapes makes a copy of its own before this sees it.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};

use super::{Secret, SecretString, SecretVec};
use crate::plain::Plain;

impl<'de, const N: usize> Deserialize<'de> for Secret<[u8; N]> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes<const N: usize>;

        impl<'de, const N: usize> Visitor<'de> for Bytes<N> {
            type Value = Secret<[u8; N]>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{N} bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                if bytes.len() != N {
                    return Err(E::invalid_length(bytes.len(), &self));
                }
                Secret::init_with(|value: &mut [u8; N]| value.copy_from_slice(bytes))
                    .map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut secret = Secret::<[u8; N]>::zeroed().map_err(A::Error::custom)?;
                secret.expose_mut(|value| {
                    for (place, byte) in value.iter_mut().enumerate() {
                        let next = seq.next_element()?;
                        *byte = next.ok_or_else(|| A::Error::invalid_length(place, &self))?;
                    }
                    match seq.next_element::<serde::de::IgnoredAny>()? {
                        None => Ok(()),
                        Some(_) => Err(A::Error::invalid_length(N + 1, &self)),
                    }
                })?;
                Ok(secret)
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}

impl<'de, T: Plain + Deserialize<'de>> Deserialize<'de> for SecretVec<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values<T>(PhantomData<T>);

        impl<'de, T: Plain + Deserialize<'de>> Visitor<'de> for Values<T> {
            type Value = SecretVec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row of values")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut row = SecretVec::new().map_err(A::Error::custom)?;
                while let Some(value) = seq.next_element()? {
                    row.push(value).map_err(A::Error::custom)?;
                }
                Ok(row)
            }
        }

        deserializer.deserialize_seq(Values(PhantomData))
    }
}

impl<'de> Deserialize<'de> for SecretString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = SecretString;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let mut secret = SecretString::new().map_err(E::custom)?;
                secret.push_str(text).map_err(E::custom)?;
                Ok(secret)
            }

            fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Self::Value, E> {
                // The deserialiser made a copy; at least this one is zeroed.
                self.visit_str(&zeroize::Zeroizing::new(text))
            }
        }

        deserializer.deserialize_str(Text)
    }
}
