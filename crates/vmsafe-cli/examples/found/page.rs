//! The page of Markdown.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Write};

use super::look::{Places, Sight};
use super::run::{Found, Run};

const HEAD: &str = "\
# What is found where

Programs with known keys, in a memory cgroup of their own, were put to use: three TLS handshakes,
`ssh-add` with a test signature by each key, three OpenPGP signatures with the passphrase and one by
what the agent remembers of it. Their memory was searched. Then all of it was paged out to a fresh
swap file, zswap off, and that was searched, with direct reads. The control is a shell that holds a
text in a variable. As root, this page is the output of

```sh
cargo run --release -p vmsafe-cli --example found
```

and `cargo test -p vmsafe-cli --test found` makes the run and checks what the page says.
";

const FORMS: &str = "\
Looked for were the private exponents and primes of the RSA keys, the seed of the Ed25519 key and
the passphrases, in every form; the primes by their public keys alone (`prime`); and keys that
nobody named: AES key schedules and private keys. `exact` is the highest byte first, `reversed` the
lowest, as big numbers lie in memory; `s-expression` is libgcrypt's own form of a whole key. A count
in brackets is of parts. Swap is counted per key, whichever program it came from.
";

/// The whole page.
pub(crate) fn page(run: &Run) -> String {
    let mut page = HEAD.to_owned();
    fill(&mut page, run).expect("a string takes everything");
    page
}

fn fill(page: &mut String, run: &Run) -> fmt::Result {
    writeln!(page, "\n{}.\n", run.versions.join("; "))?;
    page.push_str(
        "| program | locked, KiB | paged out, KiB | known secrets in memory | in swap |\n\
         |---|---:|---:|---|---|\n",
    );
    for found in &run.programs {
        let Found { name, secrets, .. } = found;
        let (locked, swapped) = (found.locked / 1024, found.swapped / 1024);
        let whole = |sight: &Sight| {
            let stands = |(number, _): &&(usize, &str)| sight.whole(*number).0 > 0;
            format!(
                "{} of {}",
                secrets.iter().filter(stands).count(),
                secrets.len()
            )
        };
        let (memory, swap) = (whole(&found.memory), whole(&run.swap));
        writeln!(
            page,
            "| {name} | {locked} | {swapped} | {memory} | {swap} |"
        )?;
    }
    writeln!(page, "\n{FORMS}")?;
    page.push_str("| program | found | form | in its memory | in swap |\n|---|---|---|---|---|\n");
    for found in &run.programs {
        secrets(page, found, &run.swap)?;
        keys(page, found, &run.swap)?;
    }
    page.push_str(READING);
    Ok(())
}

fn secrets(page: &mut String, found: &Found, swap: &Sight) -> fmt::Result {
    for (number, what) in &found.secrets {
        let forms_at = |sight: &Sight| -> BTreeSet<&'static str> {
            let of_it = sight.needles.keys().filter(|(needle, _)| needle == number);
            of_it.map(|(_, form)| *form).collect()
        };
        let mut forms = forms_at(&found.memory);
        forms.extend(forms_at(swap));
        if forms.is_empty() {
            writeln!(page, "| {} | {what} | | none | none |", found.name)?;
        }
        for form in forms {
            let [memory, swap] = [&found.memory, swap].map(|at| at.needles.get(&(*number, form)));
            row(page, found.name, what, form, memory, swap)?;
        }
    }
    Ok(())
}

fn keys(page: &mut String, found: &Found, swap: &Sight) -> fmt::Result {
    for (key, memory) in &found.memory.keys {
        let (kind, form, print) = key;
        let own = found.own_key.as_ref() == Some(print);
        let whose = if own { ", its own" } else { "" };
        let what = format!("{kind} key {print}{whose}");
        row(
            page,
            found.name,
            what,
            form,
            Some(memory),
            swap.keys.get(key),
        )?;
    }
    Ok(())
}

fn row(
    page: &mut String,
    program: &str,
    what: impl Display,
    form: &str,
    memory: Option<&Places>,
    swap: Option<&Places>,
) -> fmt::Result {
    let none = || "none".to_owned();
    let memory = memory.map_or_else(none, |places| {
        format!("{}: {}", count(places), places.at.join(", "))
    });
    let swap = swap.map_or_else(none, count);
    writeln!(page, "| {program} | {what} | {form} | {memory} | {swap} |")
}

fn count(places: &Places) -> String {
    match (places.whole, places.parts) {
        (whole, 0) => whole.to_string(),
        (0, parts) => format!("({parts})"),
        (whole, parts) => format!("{whole} ({parts})"),
    }
}

const READING: &str = "
* `openssl s_server` keeps its key as numbers on the heap, unlocked: all of it goes to swap. The
  keys in DER are those that `openssl speed` carries.
* `ssh-agent` keeps keys encrypted while it does not use them, and leaves nothing behind.
* `gpg-agent` leaves the whole private key of its signatures behind in the heap of the thread that
  made them, as libgcrypt's S-expressions, though the key is stored under a passphrase: they were
  made in ordinary memory and freed without being wiped. They go to swap whether the secure memory
  is locked or not.
* `gpg-agent --daemon`, which is how `gpg` starts it, has **no locked memory at all**: it locks its
  secure memory and then forks, and locks do not pass to a child. So the AES-128 key under which it
  keeps the passphrases that it remembers can go to swap as well. Started by a service manager
  (`--supervised`) it does not fork, and its secure memory stays locked.
* The AES-256 key `630dcd2966c43366` in `openssl` and `ssh-agent` is no secret but the constant
  00 01 02 … 1f with which OpenSSL's generator of random numbers condenses its seed. A finding says
  that a key is there, not whose it is.
";
