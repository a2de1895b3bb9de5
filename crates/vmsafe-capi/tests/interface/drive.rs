//! Compiles C against the shared object and the header, and talks with the program.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use vmsafe_lab::not_run;

/// A path of this crate.
pub(crate) fn own(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The shared object, which cargo built beside this test.
pub(crate) fn shared_object() -> PathBuf {
    let test = std::env::current_exe().expect("a path of our own");
    let places = test.ancestors().skip(1).take(2);
    let mut found = places.map(|place| place.join("libwin32vmsafe.so"));
    let found = found.find(|path| path.exists());
    found.expect("cargo builds the shared object for the tests of its crate")
}

/// Two words of 64 letters that are nowhere else: what goes into the head, and the key.
pub(crate) fn words() -> (String, String) {
    let word = || {
        let random = fs::read_to_string("/proc/sys/kernel/random/uuid").expect("procfs");
        random.trim().replace('-', "").repeat(2)
    };
    (word(), word())
}

pub(crate) fn holds(bytes: &[u8], needle: impl AsRef<[u8]>) -> bool {
    let needle = needle.as_ref();
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// An empty directory, removed at the end.
#[derive(Debug)]
pub(crate) struct Room(PathBuf);

impl Room {
    pub(crate) fn on_disk(name: &str) -> Self {
        Self::within(Path::new(env!("CARGO_TARGET_TMPDIR")), name)
    }

    /// None where there is no shared memory.
    pub(crate) fn in_memory(name: &str) -> Option<Self> {
        let memory = Path::new("/dev/shm");
        memory.is_dir().then(|| Self::within(memory, name))
    }

    fn within(parent: &Path, name: &str) -> Self {
        let parent = parent.canonicalize().expect("a directory");
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("vmsafe-{name}-{}-{number}", std::process::id()));
        // What a killed run with this number left.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("a directory of our own");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The C program, compiled once; None without a compiler.
fn compiled() -> Option<&'static Path> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    let compile = || {
        let library = shared_object();
        let beside = library.parent().expect("a directory");
        let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let fresh = place.join(format!("program-of-2001-{}", std::process::id()));
        let program = place.join("program-of-2001");
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let output = Command::new(&compiler)
            .args(["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"])
            .arg("-I")
            .arg(own("include"))
            .arg("-o")
            .arg(&fresh)
            .arg(own("tests/c/program.c"))
            .arg(library.as_os_str())
            .arg(format!("-Wl,-rpath,{}", beside.display()))
            .output();
        let output = match output {
            Ok(output) => output,
            Err(error) => {
                eprintln!("{}: {error}", compiler.display());
                return None;
            }
        };
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        // Another run may have it open: it keeps what it has.
        fs::rename(fresh, &program).expect("two names in one directory");
        Some(program)
    };
    let program = PROGRAM.get_or_init(compile).as_deref();
    if program.is_none() {
        not_run("no C compiler: install gcc, or name one in CC");
    }
    program
}

/// The program while it runs.
pub(crate) struct Program {
    child: Child,
    /// None once it was told that there is no more.
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    file: PathBuf,
    head: String,
    key: String,
}

impl Program {
    /// Starts it; None without a C compiler.
    pub(crate) fn start(file: &Path, mapsize: &str, how: Option<&str>) -> Option<Self> {
        let (head, key) = words();
        Self::with(file, mapsize, how, &head, &key)
    }

    pub(crate) fn with(
        file: &Path,
        mapsize: &str,
        how: Option<&str>,
        head: &str,
        key: &str,
    ) -> Option<Self> {
        let mut child = Command::new(compiled()?)
            .arg(file)
            .arg(mapsize)
            .args(how.map(OsStr::new))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a program that was just compiled");
        let mut program = Self {
            to: child.stdin.take(),
            from: BufReader::new(child.stdout.take().expect("a pipe")),
            child,
            file: file.to_owned(),
            head: head.to_owned(),
            key: key.to_owned(),
        };
        program.tell(head);
        program.tell(key);
        Some(program)
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    pub(crate) fn head(&self) -> &str {
        &self.head
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn tell(&mut self, word: &str) {
        let to = self.to.as_mut().expect("told after its end");
        writeln!(to, "{word}").expect("a program that listens");
    }

    pub(crate) fn says(&mut self) -> String {
        let mut line = String::new();
        self.from
            .read_line(&mut line)
            .expect("a program that speaks");
        line.trim_end().to_owned()
    }

    pub(crate) fn asked(&mut self, word: &str) -> String {
        self.tell(word);
        self.says()
    }

    /// The grade, line by line.
    pub(crate) fn graded(&mut self) -> Vec<String> {
        self.tell("grade");
        let mut lines = Vec::new();
        loop {
            let line = self.says();
            if line == "." {
                return lines;
            }
            lines.push(line);
        }
    }

    /// Its file holds the head, 512 bytes in all, and nothing of the key, not even half.
    pub(crate) fn sees_the_head_and_not_the_key(&self) {
        let content = fs::read(&self.file).unwrap();
        assert_eq!(content.len(), 512);
        assert!(
            holds(&content, &self.head),
            "the control: the head is in the file"
        );
        let (first, second) = self.key.as_bytes().split_at(self.key.len() / 4);
        assert!(!holds(&content, first) && !holds(&content, &second[..first.len()]));
    }

    /// Free removes the file.
    pub(crate) fn frees(&mut self) {
        assert!(self.file.exists(), "the control: it was there");
        let freed = self.asked("free");
        // 1 where not all could be confirmed: in memory, or on a disk that copies.
        assert!(freed == "freed 0" || freed == "freed 1", "{freed}");
        assert!(!self.file.exists(), "its file is gone after Free");
    }

    /// Hears nothing more, and ends by itself.
    pub(crate) fn end(mut self) -> Option<i32> {
        drop(self.to.take());
        self.child.wait().expect("a child of ours").code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
