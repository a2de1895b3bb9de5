//! `vmsafe scan`: looks for known secrets and unknown keys in files, devices, swap and processes.

mod crew;
mod directory;
mod explain;
mod finding;
mod findings;
mod gathered;
mod intake;
mod look;
mod name;
mod open;
mod process;
mod record;
mod reveal;
mod search;
mod target;
mod telling;
mod word;

use std::path::PathBuf;

use anyhow::ensure;
use clap::ValueEnum;
use clap::builder::{OsStringValueParser, TypedValueParser};
use vmsafe_witness::{Modulus, Searcher, Wanted};

use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output::Output;
use findings::{Findings, Format};
use look::Quest;
use record::{Question, Record};
use reveal::Blot;
use search::Search;
use target::Target;
use telling::Telling;

pub(crate) use process::scan_all;

/// Looks for known secrets and unknown keys in files, devices, swap, core dumps and processes.
///
/// Known secrets ("needles") are read from a file or a descriptor, never from the command line: one
/// a line, as hex:…, base64:… or text:…, blank lines and lines that start with # left out. Reports
/// name them by number, from 0 in the order of their lines, and never show them. Unknown keys
/// (--keys) are recognised by their structure, checked, and told apart by a fingerprint.
///
/// Swap areas, block devices and volumes of Windows (\\.\C:) are read past the page cache, which
/// may hold other bytes than they do. A finding in a swap area is told with its slot, one in a core
/// dump with its address and thread, one in a process with its mapping. Holes of sparse files are
/// passed over. Streams of gzip, zstd, lz4 and xz are searched by their content; that of bzip2, 7z,
/// zip and qcow2 counts as not searched.
///
/// Below a directory all regular files are searched. Symbolic links are not followed, and pipes,
/// sockets, devices and what the kernel makes up (/proc, /sys) are passed over; notes count them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ScanArgs {
    /// Read the needles from this open file descriptor.
    #[arg(long, value_name = "N", conflicts_with = "needle_file")]
    needle_fd: Option<u32>,
    /// Read the needles from this file [default: -, standard input; none with --keys or
    /// --public-key].
    #[arg(long, value_name = "FILE")]
    needle_file: Option<PathBuf>,
    /// Look for the needles also reversed, in hexadecimal, base64 and UTF-16.
    #[arg(long)]
    encoded: bool,
    /// Look for keys that are not known, of these kinds [default: all].
    #[arg(
        long,
        value_name = "KINDS",
        num_args = 0..=1,
        require_equals = true,
        value_delimiter = ',',
        default_missing_value = "aes,private"
    )]
    keys: Vec<Unknown>,
    /// Look for the primes of this RSA public key, as numbers in memory: 64-bit words, the lowest
    /// first, at multiples of eight bytes. The key is given as PEM, DER, or an ssh-rsa line.
    #[arg(long, value_name = "FILE")]
    public_key: Vec<PathBuf>,
    /// Search the content of compressed streams and archives, or their bytes as they are.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    decompress: Decompress,
    /// Below a directory, search what lies on its own file system alone.
    #[arg(long, short = 'x')]
    one_file_system: bool,
    /// Show the 16 bytes before and after each finding, in hexadecimal; of needles and keys, and of
    /// 16 bytes or more of one, ** for each byte.
    #[arg(long)]
    reveal: bool,
    /// Keep what was covered and found in FILE when interrupted, and go on from it; on a device
    /// until the next boot. Streams, compressed files and processes begin anew, and so do files
    /// below a directory that are shorter than 8 MiB.
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Report each finding when it is found, as one JSON object a line. Once nobody reads them any
    /// more, the scan stops at the next; its exit code tells what was found until then.
    #[arg(long, conflicts_with_all = ["json", "sarif"])]
    jsonl: bool,
    /// Report as SARIF 2.1.0, for continuous integration.
    #[arg(long, conflicts_with = "json")]
    sarif: bool,
    /// A file, a directory with all below it, a block device or swap area, - for standard input, or
    /// pid:N for the memory of process N.
    #[arg(
        required = true,
        value_name = "TARGET",
        value_parser = OsStringValueParser::new().map(Target::from)
    )]
    targets: Vec<Target>,
}

/// Keys that nobody names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Unknown {
    /// AES keys, by their key schedules, of every length and layout.
    Aes,
    /// Private keys in DER, PEM, OpenSSH, PuTTY, OpenPGP and age, as JSON Web Keys and
    /// S-expressions.
    Private,
}

/// Whether compressed streams are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Decompress {
    /// Where a file or standard input begins as gzip, zstd, lz4 or xz does.
    Auto,
    /// Search the bytes as they are stored.
    Never,
}

const EXAMPLES: &str = "\
Examples:
  vmsafe scan --needle-file needles.txt core disk.img
  vmsafe scan --needle-file needles.txt --encoded mail.mbox
  vmsafe scan --keys core.gz
  sudo vmsafe scan --keys -x /home /var
  sudo vmsafe scan --keys=aes /dev/vda
  sudo vmsafe scan --keys --needle-file needles.txt /dev/sda2 /swapfile
  sudo vmsafe scan --public-key server.crt.pub pid:4711
  sudo vmsafe scan --keys --resume disk.scan /dev/sda
  pass show bank | sed 's/^/text:/' | vmsafe scan pid:4711
  ssh host cat core | vmsafe scan --keys --jsonl -
  vmsafe scan --needle-fd 3 --sarif app.img 3< needles.txt

Exit codes: 0 clean, 1 found, 2 usage or I/O error, 3 something could not be searched.";

pub(crate) fn run(args: &ScanArgs, out: &Output) -> anyhow::Result<Exit> {
    let (fd, file) = (args.needle_fd, args.needle_file.as_deref());
    let keys_alone = !args.keys.is_empty() || !args.public_key.is_empty();
    ensure!(
        !args.targets.contains(&Target::Input) || !intake::is_input(fd, file, keys_alone),
        "standard input cannot be both needles and target: give --needle-file or --needle-fd"
    );
    let source = intake::source(fd, file, keys_alone, out)?;
    let is_source = |target: &Target| {
        let source = source.as_ref();
        source.is_some_and(|source| target.is_stream_of(source))
    };
    ensure!(
        !args.targets.iter().any(is_source),
        "one stream cannot be both needles and target: give --needle-file or --needle-fd"
    );
    let needles = intake::needles(source)?;
    let moduli = args.public_key.iter().map(|path| intake::modulus(path));
    let moduli = moduli.collect::<anyhow::Result<Vec<_>>>()?;
    let record = args.resume.as_deref().map(|path| {
        Record::open(path, &needles, |mark| {
            args.question(needles.len(), mark, &moduli)
        })
    });
    let record = record.transpose()?;
    let wanted = args.wanted(moduli);
    let stop = Interrupt::listen()?;
    let mut search = Search {
        record,
        one_file_system: args.one_file_system,
        telling: Telling::new(Findings::new(args.format(), stop.clone()), out),
        quest: Quest {
            searcher: Searcher::with(&needles, &wanted),
            decompress: args.decompress == Decompress::Auto,
            blot: args.reveal.then(|| Blot::new(&needles, wanted)),
            stop,
        },
    };
    drop(needles);
    for target in &args.targets {
        search.target(target)?;
    }
    search.end(out)
}

impl ScanArgs {
    fn wanted(&self, moduli: Vec<Modulus>) -> Wanted {
        let mut wanted = Wanted::default();
        wanted.encoded = self.encoded;
        wanted.schedules = self.keys.contains(&Unknown::Aes);
        wanted.private_keys = self.keys.contains(&Unknown::Private);
        wanted.moduli = moduli;
        wanted
    }

    fn question(&self, needles: usize, mark: u16, moduli: &[Modulus]) -> Question {
        Question {
            needles,
            mark,
            encoded: self.encoded,
            schedules: self.keys.contains(&Unknown::Aes),
            private_keys: self.keys.contains(&Unknown::Private),
            moduli: moduli
                .iter()
                .map(|modulus| modulus.fingerprint().to_string())
                .collect(),
            decompress: self.decompress == Decompress::Auto,
        }
    }

    fn format(&self) -> Format {
        match (self.json, self.jsonl, self.sarif) {
            (true, ..) => Format::Json,
            (_, true, _) => Format::Lines,
            (.., true) => Format::Sarif,
            _ => Format::Tables,
        }
    }
}
