//! A session: what stands between Init and Free.

use std::ffi::{CStr, c_int};
use std::path::PathBuf;
use std::ptr::NonNull;

use vmsafe::buffer::evaporating::PlainPage;
use vmsafe::{Confined, Demand, Grade, Threat};
use vmsafe_os::{Kernel, path_of};

use crate::fault::{Code, Fault, confirmed};

/// The mapsize of the page that evaporates, and the length of its file.
const EVAPORATING: c_int = 512;

/// Which places are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Places {
    /// Those that keep the promise.
    Judged,
    /// Any, as in 2001.
    Any,
}

/// The buffer of one Init.
#[derive(Debug)]
pub(crate) enum Session {
    Page(Box<PlainPage>),
    Pages(Box<Confined>),
}

impl Session {
    pub(crate) fn open(
        kernel: &'static dyn Kernel,
        name: Option<&CStr>,
        mapsize: c_int,
        places: Places,
    ) -> Result<Self, Fault> {
        if mapsize == EVAPORATING {
            let options = PlainPage::options().kernel(kernel);
            let options = match places {
                Places::Judged => options,
                Places::Any => options.as_2001(),
            };
            return Ok(Self::Page(Box::new(options.create(path(name)?)?)));
        }
        let len = whole_pages(mapsize, kernel.page_size())?;
        let options = Confined::options().kernel(kernel);
        let options = match places {
            Places::Judged => options,
            Places::Any => Threat::ALL
                .into_iter()
                .fold(options.allow_network(), |options, threat| {
                    options.demand(threat, Demand::Prefer)
                }),
        };
        Ok(Self::Pages(Box::new(options.create(path(name)?, len)?)))
    }

    pub(crate) fn start(&mut self) -> NonNull<u8> {
        match self {
            Self::Page(page) => page.start(),
            Self::Pages(pages) => pages.start(),
        }
    }

    /// False in a child.
    pub(crate) fn is_present(&mut self) -> bool {
        match self {
            Self::Page(page) => page.is_present(),
            Self::Pages(pages) => pages.is_present(),
        }
    }

    pub(crate) fn grade(&self) -> &Grade {
        match self {
            Self::Page(page) => page.grade(),
            Self::Pages(pages) => pages.grade(),
        }
    }

    /// True: a loss came before.
    pub(crate) fn mark(&mut self) -> Result<bool, Fault> {
        match self {
            Self::Page(page) => Ok(!page.mark()?),
            Self::Pages(_) => Ok(false),
        }
    }

    pub(crate) fn is_lost(&mut self) -> Result<bool, Fault> {
        match self {
            Self::Page(page) => Ok(page.is_lost()?),
            Self::Pages(_) => Ok(false),
        }
    }

    pub(crate) fn wipe(&mut self) -> Result<(), Fault> {
        let burned = match self {
            Self::Page(page) => page.wipe(),
            Self::Pages(pages) => pages.wipe(),
        }?;
        confirmed(&burned, &[&burned.verified, &burned.in_place])
    }

    pub(crate) fn burn(self) -> Result<(), Fault> {
        let burned = match self {
            Self::Page(page) => page.burn(),
            Self::Pages(pages) => pages.burn(),
        }?;
        // That a device forgets what was overwritten is more than Free promises.
        confirmed(&burned, &[&burned.verified, &burned.in_place])
    }
}

fn whole_pages(mapsize: c_int, page: usize) -> Result<usize, Fault> {
    let len = usize::try_from(mapsize).ok();
    len.filter(|len| *len > 0 && len.is_multiple_of(page))
        .ok_or_else(|| {
            let text = format!(
                "a mapsize of {mapsize} is neither {EVAPORATING}, for the page that evaporates, \
                 nor a multiple of {page}, for whole pages"
            );
            Fault::new(Code::Size, text)
        })
}

fn path(name: Option<&CStr>) -> Result<PathBuf, Fault> {
    let Some(name) = name else {
        return Err(Fault::new(
            Code::Name,
            "fName is NULL; name a file to be created",
        ));
    };
    if name.is_empty() {
        return Err(Fault::new(
            Code::Name,
            "fName is empty; name a file to be created",
        ));
    }
    path_of(name).map_err(|error| Fault::new(Code::Name, format!("fName is no name here: {error}")))
}

#[cfg(test)]
mod tests;
