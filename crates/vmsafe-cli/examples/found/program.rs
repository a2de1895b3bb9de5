//! The programs: each is started in the memory cgroup before it allocates anything, and put to use.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use vmsafe_lab::{Cgroup, SIGKILL, kill};

use super::secret::output;

/// A program at work. It is ended when dropped.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) pid: u32,
    child: Child,
}

/// Started by a shell that waits until it is in the group.
fn start(group: &Cgroup, script: &str, dir: &Path, stdout: Stdio) -> anyhow::Result<Child> {
    let mut shell = Command::new("bash");
    shell
        .args(["-c", &format!("read -r _; {script}")])
        .current_dir(dir);
    shell
        .stdin(Stdio::piped())
        .stdout(stdout)
        .stderr(Stdio::null());
    let mut child = shell.spawn().context("bash does not run")?;
    group.add(child.id())?;
    child.stdin.as_mut().context("piped")?.write_all(b"go\n")?;
    Ok(child)
}

/// The control: a shell that holds a text in a variable.
pub(crate) fn shell(group: &Cgroup, dir: &Path, text: &str) -> anyhow::Result<Program> {
    let script = "IFS= read -r held; echo ready; read -r _";
    let mut child = start(group, script, dir, Stdio::piped())?;
    writeln!(child.stdin.as_mut().context("piped")?, "{text}")?;
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().context("piped")?).read_line(&mut line)?;
    ensure!(line == "ready\n", "the control did not start");
    Ok(Program {
        name: "bash (control)",
        pid: child.id(),
        child,
    })
}

pub(crate) fn openssl(group: &Cgroup, dir: &Path) -> anyhow::Result<Program> {
    let script = "exec openssl s_server -quiet -unix tls.sock -key tls.key -cert tls.crt";
    let child = start(group, script, dir, Stdio::null())?;
    let program = Program {
        name: "openssl s_server",
        pid: child.id(),
        child,
    };
    appears(&dir.join("tls.sock"))?;
    for _ in 0..3 {
        let mut client = Command::new("openssl");
        client
            .args(["s_client", "-unix", "tls.sock"])
            .current_dir(dir)
            .stdin(Stdio::null());
        output(&mut client)?;
    }
    Ok(program)
}

pub(crate) fn ssh_agent(group: &Cgroup, dir: &Path) -> anyhow::Result<Program> {
    let child = start(group, "exec ssh-agent -D -a ssh.sock", dir, Stdio::null())?;
    let program = Program {
        name: "ssh-agent",
        pid: child.id(),
        child,
    };
    appears(&dir.join("ssh.sock"))?;
    let add = |args: &[&str]| {
        let mut add = Command::new("ssh-add");
        output(
            add.args(args)
                .current_dir(dir)
                .env("SSH_AUTH_SOCK", "ssh.sock"),
        )
    };
    add(&["-q", "rsa", "ed25519"])?;
    // Signs with each, and checks the signature.
    add(&["-T", "rsa.pub", "ed25519.pub"])?;
    Ok(program)
}

/// As it starts itself when first needed: it goes into the background.
pub(crate) fn gpg_agent(group: &Cgroup, home: &Path) -> anyhow::Result<Program> {
    let script = "exec gpg-agent --homedir \"$PWD\" --daemon -- sleep 3600";
    let child = start(group, script, home, Stdio::null())?;
    let mut program = Program {
        name: "gpg-agent --daemon",
        pid: child.id(),
        child,
    };
    appears(&home.join("S.gpg-agent"))?;
    let mut ask = Command::new("gpg-connect-agent");
    ask.arg("--homedir")
        .arg(home)
        .args(["--no-autostart", "getinfo pid", "/bye"]);
    let said = output(&mut ask)?;
    let said = String::from_utf8_lossy(&said);
    let pid = said.lines().find_map(|line| line.strip_prefix("D "));
    program.pid = pid.context("gpg-agent does not tell its number")?.parse()?;
    sign(home)?;
    Ok(program)
}

/// As a service manager starts it: it stays the process that it is.
pub(crate) fn gpg_agent_supervised(group: &Cgroup, home: &Path) -> anyhow::Result<Program> {
    let socket = UnixListener::bind(home.join("S.gpg-agent"))?;
    let script = "export LISTEN_PID=$$ LISTEN_FDS=1; \
                  exec gpg-agent --homedir \"$PWD\" --supervised 3<&1 1>/dev/null";
    let child = start(group, script, home, OwnedFd::from(socket).into())?;
    let program = Program {
        name: "gpg-agent --supervised",
        pid: child.id(),
        child,
    };
    sign(home)?;
    Ok(program)
}

/// Three times with the passphrase, and once by what the agent remembers.
fn sign(home: &Path) -> anyhow::Result<()> {
    let text = home.join("text");
    fs::write(&text, "signed\n")?;
    for nth in 0..4 {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir")
            .arg(home)
            .args(["--quiet", "--batch", "--yes", "--no-autostart"]);
        if nth < 3 {
            gpg.args(["--pinentry-mode", "loopback", "--passphrase-file"])
                .arg(home.join("phrase"));
        } else {
            gpg.args(["--pinentry-mode", "error"]);
        }
        output(gpg.arg("--detach-sign").arg(&text))?;
    }
    Ok(())
}

/// Waits for a socket that a program makes when it is ready.
fn appears(path: &Path) -> anyhow::Result<()> {
    let start = Instant::now();
    while !path.exists() {
        let waited = start.elapsed();
        ensure!(
            waited < Duration::from_secs(30),
            "no {} after {waited:?}",
            path.display()
        );
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.pid != self.child.id() {
            let _ = kill(self.pid, SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
