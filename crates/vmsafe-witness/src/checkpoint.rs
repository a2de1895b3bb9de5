//! Records by which an interrupted scan goes on.
//!
//! A record is text, one fact a line, and names needles by number only:
//!
//! ```text
//! vmsafe-scan 1
//! position 1048576
//! covered 1044480
//! hit 4096 32 0 exact whole
//! key 8192 176 176 aes-128 schedule 0123456789abcdef
//! gap 12288 4096 reading failed: Input/output error
//! end
//! ```

use core::fmt;
use core::str::FromStr;

use crate::hit::{Form, Hit};
use crate::keys::{Fingerprint, KeyForm, KeyHit, KeyKind};
use crate::needles::NeedleId;
use crate::report::{Gap, Report};

const FIRST_LINE: &str = "vmsafe-scan 1";

/// How far a scan came, and what it found on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// All before this offset was searched, or is a gap.
    pub position: u64,
    /// What was found before it.
    pub report: Report,
}

/// Why a record cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It does not begin as one.
    #[error("not the record of a scan, or of another version: begin the scan anew")]
    Version,
    /// A line cannot be read.
    #[error("line {0} of the record is damaged: begin the scan anew")]
    Line(usize),
    /// There are more hits than were counted, or a count is out of all bounds.
    #[error("the counts of the record are wrong: begin the scan anew")]
    Counts,
    /// The last line is missing.
    #[error("the record is cut short: begin the scan anew")]
    CutShort,
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = &self.report;
        writeln!(f, "{FIRST_LINE}\nposition {}", self.position)?;
        writeln!(f, "covered {}", report.covered_bytes)?;
        writeln!(f, "counts {} {}", report.hit_count, report.key_count)?;
        for hit in &report.hits {
            let extent = if hit.whole { "whole" } else { "part" };
            writeln!(
                f,
                "hit {} {} {} {} {extent}",
                hit.offset, hit.len, hit.needle, hit.form
            )?;
        }
        for key in &report.keys {
            let KeyHit {
                offset,
                len,
                kind,
                form,
                matching,
                fingerprint,
            } = key;
            writeln!(
                f,
                "key {offset} {len} {matching} {kind} {form} {fingerprint}"
            )?;
        }
        for gap in &report.gaps {
            let because = gap.because.replace(['\n', '\r'], " ");
            writeln!(f, "gap {} {} {because}", gap.offset, gap.len)?;
        }
        writeln!(f, "end")
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(record: &str) -> Result<Self, CheckpointError> {
        let mut lines = record.lines().enumerate();
        if lines.next().is_none_or(|(_, line)| line != FIRST_LINE) {
            return Err(CheckpointError::Version);
        }
        let mut checkpoint = Self::default();
        for (number, line) in lines {
            if line == "end" {
                return checkpoint
                    .is_consistent()
                    .then_some(checkpoint)
                    .ok_or(CheckpointError::Counts);
            }
            checkpoint
                .read_line(line)
                .ok_or(CheckpointError::Line(number + 1))?;
        }
        Err(CheckpointError::CutShort)
    }
}

impl Checkpoint {
    /// The report without what a scan from the position on tells anew: parts that ended where the
    /// scan was stopped, and may go on there, and what was given up then.
    pub(crate) fn before_position(self) -> Report {
        let Self {
            position,
            mut report,
        } = self;
        let (hits, keys) = (report.hits.len(), report.keys.len());
        report.hits.retain(|hit| hit.whole || hit.end() < position);
        report.keys.retain(|key| key.end() <= position);
        report.gaps.retain(|gap| gap.offset < position);
        report.hit_count -= (hits - report.hits.len()) as u64;
        report.key_count -= (keys - report.keys.len()) as u64;
        report
    }

    fn is_consistent(&self) -> bool {
        let report = &self.report;
        // What follows is added to these.
        let counts = [report.covered_bytes, report.hit_count, report.key_count];
        counts.iter().all(|count| *count < 1 << 62)
            && report.hit_count >= report.hits.len() as u64
            && report.key_count >= report.keys.len() as u64
    }

    fn read_line(&mut self, line: &str) -> Option<()> {
        let (kind, rest) = line.split_once(' ').filter(|_| !line.contains('\r'))?;
        let report = &mut self.report;
        match kind {
            "position" => self.position = rest.parse().ok()?,
            "covered" => report.covered_bytes = rest.parse().ok()?,
            "counts" => {
                let (hits, keys) = rest.split_once(' ')?;
                report.hit_count = hits.parse().ok()?;
                report.key_count = keys.parse().ok()?;
            }
            "hit" if report.hits.len() < Report::MOST_HITS => report.hits.push(read_hit(rest)?),
            "key" if report.keys.len() < Report::MOST_HITS => report.keys.push(read_key(rest)?),
            "gap" if report.gaps.len() < Report::MOST_GAPS => {
                let mut fields = rest.splitn(3, ' ');
                let (offset, len) = (number(&mut fields)?, number(&mut fields)?);
                offset.checked_add(len)?;
                let because = fields.next()?.to_owned();
                report.gaps.push(Gap {
                    offset,
                    len,
                    because,
                });
            }
            _ => return None,
        }
        Some(())
    }
}

fn read_hit(fields: &str) -> Option<Hit> {
    let mut fields = fields.split(' ');
    let (offset, len) = (number(&mut fields)?, number(&mut fields)?);
    offset.checked_add(len)?;
    let needle = NeedleId::new(fields.next()?.parse().ok()?);
    let name = fields.next()?;
    let form = Form::ALL.into_iter().find(|form| form.name() == name)?;
    let whole = match fields.next()? {
        "whole" => true,
        "part" => false,
        _ => return None,
    };
    fields.next().is_none().then_some(Hit {
        offset,
        len,
        needle,
        form,
        whole,
    })
}

fn read_key(fields: &str) -> Option<KeyHit> {
    let mut fields = fields.split(' ');
    let (offset, len) = (number(&mut fields)?, number(&mut fields)?);
    offset.checked_add(len)?;
    let matching = number(&mut fields)?;
    let (kind_name, form_name) = (fields.next()?, fields.next()?);
    let kind = KeyKind::ALL
        .into_iter()
        .find(|kind| kind.name() == kind_name)?;
    let form = KeyForm::ALL
        .into_iter()
        .find(|form| form.name() == form_name)?;
    let fingerprint = Fingerprint::parse(fields.next()?)?;
    let key = KeyHit {
        offset,
        len,
        kind,
        form,
        matching,
        fingerprint,
    };
    fields.next().is_none().then_some(key)
}

fn number<'a>(fields: &mut impl Iterator<Item = &'a str>) -> Option<u64> {
    fields.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Checkpoint {
        let mut report = Report {
            covered_bytes: 99,
            hit_count: 8,
            key_count: KeyKind::ALL.len() as u64,
            ..Report::default()
        };
        for (nth, form) in (0..).zip(Form::ALL) {
            let needle = NeedleId::new(3);
            report.hits.push(Hit {
                offset: nth,
                len: 32,
                needle,
                form,
                whole: nth > 2,
            });
        }
        for (nth, (kind, form)) in (0..).zip(KeyKind::ALL.into_iter().zip(KeyForm::ALL)) {
            let fingerprint = Fingerprint::of(b"a key");
            report.keys.push(KeyHit {
                offset: nth,
                len: 9,
                kind,
                form,
                matching: 8,
                fingerprint,
            });
        }
        let because = "reading failed: bad luck (os error 5)".to_owned();
        report.gaps.push(Gap {
            offset: 1,
            len: 2,
            because,
        });
        Checkpoint {
            position: 12345,
            report,
        }
    }

    #[test]
    fn a_record_reads_back_as_it_was() {
        let record = example().to_string();
        assert_eq!(record.parse(), Ok(example()));
        assert_eq!(
            Checkpoint::default().to_string().parse(),
            Ok(Checkpoint::default())
        );
    }

    #[test]
    fn a_damaged_record_is_refused() {
        let record = example().to_string();
        let lines: Vec<&str> = record.lines().collect();
        for end in 1..lines.len() {
            let cut = lines[..end].join("\n");
            assert_eq!(
                cut.parse::<Checkpoint>(),
                Err(CheckpointError::CutShort),
                "{end} lines"
            );
        }
        let miscounted = record.replace("counts 8", "counts 7");
        assert_eq!(
            miscounted.parse::<Checkpoint>(),
            Err(CheckpointError::Counts)
        );
        assert_eq!("".parse::<Checkpoint>(), Err(CheckpointError::Version));
        for (nth, line) in lines.iter().enumerate().skip(1).take(lines.len() - 2) {
            let first = line.split(' ').next().unwrap_or("");
            let stray = line.replacen(' ', " \r", 1);
            for broken in [format!("x{line}"), first.to_owned(), stray] {
                let mut changed = lines.clone();
                changed[nth] = &broken;
                let read = changed.join("\n").parse::<Checkpoint>();
                assert_eq!(read, Err(CheckpointError::Line(nth + 1)), "{broken}");
            }
        }
    }
}
