//! Faults: a code of the header and a sentence that says what to do.

use std::ffi::c_int;
use std::io::ErrorKind;

use vmsafe::Error;
use vmsafe::buffer::confined::{Burned, Confirmed};

/// The codes of the header, which lists them in this order and says what each means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Code {
    Ok,
    Size,
    Name,
    Exists,
    Place,
    Limit,
    File,
    Held,
    None,
    Child,
    Unmet,
    System,
    Unconfirmed,
    Defect,
}

/// What a call has to say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) text: String,
}

impl Fault {
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { code, text }
    }

    /// As C sees it.
    pub(crate) fn number(&self) -> c_int {
        self.code as c_int
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let (code, advice) = match &error {
            Error::Size { .. } => (Code::Size, ""),
            Error::Place { .. } => (
                Code::Place,
                "; or call win32vmSafeInitAs2001 to take the place as it is",
            ),
            Error::LockLimit { .. } => (Code::Limit, ""),
            Error::Unmet { .. } => (
                Code::Unmet,
                "; or call win32vmSafeInitAs2001 and read win32vmSafeGrade",
            ),
            Error::Elsewhere => (Code::Child, ""),
            Error::File { refused, .. } => match refused.kind() {
                ErrorKind::AlreadyExists | ErrorKind::ResourceBusy => (
                    Code::Exists,
                    "; no file is ever taken over: give another name, or burn what a crash left \
                     by `vmsafe burn FILE`",
                ),
                ErrorKind::InvalidInput => (Code::Name, ""),
                _ => (Code::File, ""),
            },
            _ => (Code::System, ""),
        };
        Self::new(code, format!("{error}{advice}"))
    }
}

/// A burn is done; what it could not confirm is told.
pub(crate) fn confirmed(burned: &Burned, steps: &[&Confirmed]) -> Result<(), Fault> {
    let doubts: Vec<&str> = steps
        .iter()
        .filter_map(|step| match step {
            Confirmed::Yes => None,
            Confirmed::No { because } => Some(because.as_str()),
        })
        .collect();
    if doubts.is_empty() {
        return Ok(());
    }
    let text = format!(
        "{} bytes were overwritten, but not all of it could be confirmed: {}",
        burned.bytes,
        doubts.join("; ")
    );
    Err(Fault::new(Code::Unconfirmed, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const YES: Confirmed = Confirmed::Yes;

    #[test]
    fn what_could_not_be_confirmed_is_told() {
        let no = |because: &str| Confirmed::No {
            because: because.to_owned(),
        };
        let burned = Burned {
            bytes: 512,
            verified: no("first"),
            in_place: no("second"),
            discarded: YES,
        };
        assert_eq!(confirmed(&burned, &[&YES, &burned.discarded]), Ok(()));
        let fault = confirmed(&burned, &[&burned.verified, &YES, &burned.in_place]).unwrap_err();
        assert_eq!(fault.code, Code::Unconfirmed);
        assert!(
            fault.text.ends_with("confirmed: first; second"),
            "{}",
            fault.text
        );
    }

    #[test]
    fn advice_is_added_where_c_has_another_way() {
        let fault = Fault::from(Error::Elsewhere);
        assert_eq!(fault.code, Code::Child);
        let place = Error::Place {
            path: "key".into(),
            filesystem: "ext4".to_owned(),
            because: "of this",
            advice: "do that",
        };
        let text = Fault::from(place).text;
        assert!(
            text.contains("do that; or call win32vmSafeInitAs2001"),
            "{text}"
        );
    }
}
