//! `vmsafe doctor`, on machines made of files and on this one.

use std::process::Command;

use crate::machine::Machine;
use crate::run::{run, said};

/// The risk of one check, and that the exit code follows from it.
#[track_caller]
fn expect(machine: &Machine, check: &str, risk: &str, because: &str) {
    let (found, reason, code) = machine.risk(check);
    assert_eq!(found, risk, "{check}: {reason}");
    assert!(reason.contains(because), "{check}: {reason}");
    let expected = match risk {
        "high" => 1,
        "unknown" => 3,
        _ => 0,
    };
    assert_eq!(code, Some(expected), "{check}: {reason}");
}

#[test]
fn a_sound_machine_has_no_risk() {
    let said = Machine::sound().doctor();
    assert_eq!(said.code, Some(0), "{said:?}");
    let json = said.json();
    assert_eq!(json["verdict"], "sound");
    for check in json["checks"].as_array().unwrap() {
        if check["name"] != "memfd_secret" {
            assert_eq!(check["risk"], "none", "{check}");
        }
    }
    let grade = json["grades"]["locked"]["grade"].as_array().unwrap();
    assert_eq!(grade[0]["threat"], "swap");
    assert_eq!(grade[0]["verdict"], "closed");
}

#[test]
fn this_machine_gets_a_diagnosis() {
    let said = run(["doctor", "--json"]);
    let code = match said.json()["verdict"].as_str().unwrap() {
        "sound" => 0,
        "at-risk" => 1,
        _ => 3,
    };
    assert_eq!(said.code, Some(code), "{said:?}");
    assert!(run(["doctor"]).out.contains("a locked buffer and"));
}

#[test]
fn swap_in_the_clear_is_a_high_risk() {
    let on = |area: &str| Machine::sound().swaps(&[area]);
    let clear = "in the clear to sda";
    expect(&on("/dev/sda2"), "swap /dev/sda2", "high", clear);
    expect(&on("/dev/sdb"), "swap /dev/sdb", "high", "clear to sdb");
    expect(&on("/swapfile"), "swap /swapfile", "high", clear);
    expect(&on("/a\\040b"), "swap /a b", "high", clear);
}

#[test]
fn swap_on_dm_crypt_is_no_risk() {
    let encrypted = || {
        Machine::sound()
            .mapped("dm-0", "CRYPT-LUKS2-0011-swap", &["sda2"])
            .link("/dev/mapper/swap", "../dm-0")
    };
    let crypt = "encrypted by dm-crypt";
    let plain = encrypted().swaps(&["/dev/dm-0"]);
    expect(&plain, "swap /dev/dm-0", "none", crypt);
    let named = encrypted().swaps(&["/dev/mapper/swap"]);
    expect(&named, "swap /dev/mapper/swap", "none", crypt);

    let volume = |machine: Machine, slave: &str| {
        let machine = machine.mapped("dm-1", "LVM-xyz", &[slave]);
        machine.swaps(&["/dev/dm-1"])
    };
    let inside = volume(encrypted(), "dm-0");
    expect(&inside, "swap /dev/dm-1", "none", crypt);
    let outside = volume(Machine::sound(), "sda2");
    expect(&outside, "swap /dev/dm-1", "high", "clear to sda");

    let halves = encrypted().made_of("md0", &["dm-0", "sdb"]);
    let halves = halves.swaps(&["/dev/md0"]);
    expect(&halves, "swap /dev/md0", "high", "clear to sdb");
}

#[test]
fn a_swap_file_is_as_safe_as_what_it_lies_on() {
    let pool = Machine::sound()
        .mapped("dm-3", "CRYPT-PLAIN-pool", &["sdb"])
        .link("/dev/mapper/pool", "../dm-3")
        .swaps(&["/pool/swap"]);
    expect(&pool, "swap /pool/swap", "none", "dm-crypt");
    let tank = Machine::sound().swaps(&["/tank/swap"]);
    expect(&tank, "swap /tank/swap", "unknown", "lies on zfs");
    let on_loop = |file: &str| {
        Machine::sound()
            .made_of("loop0", &[])
            .with("/sys/devices/virtual/block/loop0/loop/backing_file", file)
            .swaps(&["/dev/loop0"])
    };
    let image = on_loop("/var/swap.img");
    expect(&image, "swap /dev/loop0", "high", "clear to sda");
    let memory = on_loop("/memory/swap.img");
    expect(&memory, "swap /dev/loop0", "none", "no disk sees");
}

#[test]
fn what_cannot_be_told_of_swap_is_said() {
    let gone = Machine::sound().swaps(&["/dev/sdz"]);
    expect(&gone, "swap /dev/sdz", "unknown", "of the device sdz");
    let blind = Machine::sound()
        .swaps(&["/swapfile"])
        .without("/proc/self/mountinfo");
    expect(&blind, "swap /swapfile", "unknown", "mounts cannot be read");
    let circle = Machine::sound()
        .made_of("md0", &["md1"])
        .made_of("md1", &["md0"])
        .swaps(&["/dev/md0"]);
    expect(&circle, "swap /dev/md0", "unknown", "of the device md");
    let none = Machine::sound().without("/proc/swaps");
    expect(&none, "swap", "none", "no swap area");
}

#[test]
fn a_machine_without_proc_or_sys_cannot_be_judged() {
    let blind = [
        ("/proc", "swap"),
        ("/proc", "core pattern"),
        ("/proc", "systemd-coredump"),
        ("/proc", "core limit"),
        ("/proc", "core filter"),
        ("/proc", "lock limit"),
        ("/proc", "ptrace scope"),
        ("/sys", "hibernation"),
        ("/sys", "zswap"),
    ];
    for (tree, check) in blind {
        let machine = Machine::sound().without(tree);
        let because = format!("there is no {tree} here");
        expect(&machine, check, "unknown", &because);
    }
}

#[test]
fn zram_is_memory_unless_it_writes_back() {
    let sys = "/sys/devices/virtual/block/zram0";
    let zram = |size: &str, backing: &str| {
        Machine::sound()
            .made_of("zram0", &[])
            .mapped("dm-0", "CRYPT-PLAIN-x", &["sdb"])
            .with(&format!("{sys}/disksize"), size)
            .with(&format!("{sys}/backing_dev"), backing)
            .swaps(&["/dev/zram0"])
    };
    let area = "swap /dev/zram0";
    let memory = zram("4096", "none\n");
    expect(&memory, area, "none", "compressed memory");
    expect(&memory, "zram", "none", "writes nothing back");
    let unable = memory.without(&format!("{sys}/backing_dev"));
    expect(&unable, "zram", "none", "writes nothing back");
    expect(
        &zram("0", "none"),
        "zram",
        "none",
        "no zram device is in use",
    );
    let clear = zram("4096", "/dev/sdb\n");
    expect(&clear, "zram", "high", "back to sdb in the clear");
    expect(&clear, area, "high", "clear to sdb");
    let lost = zram("4096", "/dev/sdz\n");
    expect(&lost, "zram", "unknown", "the device sdz");
    let encrypted = zram("4096", "/dev/dm-0\n");
    expect(&encrypted, "zram", "none", "writes nothing back");
    expect(&encrypted, area, "none", "dm-crypt");
}

#[test]
fn zswap_delays_and_does_not_prevent() {
    let setting = "/sys/module/zswap/parameters/enabled";
    expect(&Machine::sound(), "zswap", "none", "off");
    let absent = Machine::sound().without(setting);
    expect(&absent, "zswap", "none", "has none");
    let on = Machine::sound().with(setting, "Y\n");
    expect(&on, "zswap", "none", "no swap area");
    let machine = on
        .mapped("dm-0", "CRYPT-PLAIN-x", &["sdb"])
        .swaps(&["/dev/dm-0"]);
    expect(&machine, "zswap", "low", "for a while");
}

#[test]
fn hibernation_is_as_safe_as_its_image() {
    const CHECK: &str = "hibernation";
    let offered = || Machine::sound().with("/sys/power/state", "freeze mem disk\n");
    let resume = |numbers: &str| offered().with("/sys/power/resume", numbers);
    expect(&Machine::sound(), CHECK, "none", "not offer");
    let unable = Machine::sound().without("/sys/power/state");
    expect(&unable, CHECK, "none", "cannot sleep");
    expect(&offered(), CHECK, "low", "no device");
    expect(&resume("0:0\n"), CHECK, "low", "no device");
    expect(&resume("8:2\n"), CHECK, "high", "to sda in the clear");
    expect(&resume("9:9\n"), CHECK, "unknown", "numbers 9:9");
    let disabled = resume("8:2\n").with("/sys/power/disk", "[disabled]\n");
    expect(&disabled, CHECK, "none", "not offer");
    let encrypted = resume("253:0\n")
        .mapped("dm-0", "CRYPT-LUKS2-x", &["sda2"])
        .link("/sys/dev/block/253:0", "../../devices/virtual/block/dm-0");
    expect(&encrypted, CHECK, "none", "encrypted by dm-crypt");
}

/// A machine with these soft limits.
fn limited(machine: Machine, core: &str, locked: &str) -> Machine {
    let line = |name: &str, soft: &str| format!("{name}  {soft}  unlimited  bytes\n");
    let core = line("Max core file size", core);
    let locked = line("Max locked memory", locked);
    machine.with("/proc/self/limits", &format!("{core}{locked}"))
}

fn with_pattern(pattern: &str) -> Machine {
    Machine::sound().with("/proc/sys/kernel/core_pattern", pattern)
}

#[test]
fn cores_are_judged_by_where_they_go() {
    const CHECK: &str = "core pattern";
    let open = |pattern: &str| limited(with_pattern(pattern), "unlimited", "unlimited");
    let shut = with_pattern;
    expect(&shut("|/bin/false"), CHECK, "none", "stores no memory");
    expect(&shut(""), CHECK, "none", "stores no memory");
    expect(&shut("core"), CHECK, "low", "\"core\" in the directory");
    expect(&open("core"), CHECK, "high", "\"core\" in the directory");
    expect(&open("/var/crash/%p"), CHECK, "high", "to /var/crash/%p");
    let by_pid = open("").with("/proc/sys/kernel/core_uses_pid", "1\n");
    expect(&by_pid, CHECK, "high", "directory of the process");
    let apport = "/usr/share/apport/apport";
    let handled = shut(&format!("|{apport} -p%p"));
    expect(&handled, CHECK, "high", apport);
    let served = shut("@/run/cores.socket");
    expect(&served, CHECK, "high", "server of /run/cores.socket");
    let systemd = shut("|/usr/lib/systemd/systemd-coredump %P");
    expect(&systemd, CHECK, "none", "systemd-coredump");
    let blind = shut("core").without("/proc/self/limits");
    expect(&blind, CHECK, "unknown", "no limits");
    let unable = shut("").without("/proc/sys/kernel/core_pattern");
    expect(&unable, CHECK, "none", "stores no memory");
}

#[test]
fn systemd_coredump_is_judged_by_its_storage() {
    const CHECK: &str = "systemd-coredump";
    let with_limit = |soft: &str| {
        let machine = with_pattern("|/usr/lib/systemd/systemd-coredump %P %u\n");
        limited(machine, soft, "unlimited")
    };
    let used = || with_limit("unlimited");
    let none = "[Coredump]\nStorage=none\n";
    let journal = "[Coredump]\nStorage = journal\n";
    let external = "/var/lib/systemd/coredump";
    expect(&Machine::sound(), CHECK, "none", "gets no cores");
    expect(&used(), CHECK, "high", external);
    expect(&with_limit("0"), CHECK, "low", "core limit is not 0");
    let main = used().with("/etc/systemd/coredump.conf", none);
    expect(&main, CHECK, "none", "Storage=none");
    let vendor = used().with("/usr/lib/systemd/coredump.conf", none);
    expect(&vendor, CHECK, "none", "Storage=none");
    let hidden = vendor.with("/etc/systemd/coredump.conf", "#Storage=none\n");
    expect(&hidden, CHECK, "high", external);
    let dropped = hidden.with("/usr/lib/systemd/coredump.conf.d/50.conf", journal);
    expect(&dropped, CHECK, "high", "the journal");
    // A namesake in /etc hides it; a later name overrides it.
    let masked = dropped.with("/etc/systemd/coredump.conf.d/50.conf", none);
    expect(&masked, CHECK, "none", "Storage=none");
    let later = masked.with("/run/systemd/coredump.conf.d/60.conf", journal);
    expect(&later, CHECK, "high", "the journal");
}

#[test]
fn the_core_limit_and_the_filter_are_low_risks() {
    expect(&Machine::sound(), "core limit", "none", "it is 0");
    let open = limited(Machine::sound(), "1000", "unlimited");
    expect(&open, "core limit", "low", "writes core files");
    let filter = |bits: &str| Machine::sound().with("/proc/self/coredump_filter", bits);
    expect(
        &filter("00000033"),
        "core filter",
        "none",
        "no mapped files",
    );
    expect(&filter("00000000"), "core filter", "none", "registers only");
    expect(
        &filter("0000003f"),
        "core filter",
        "low",
        "mapped files too",
    );
    expect(&filter("nonsense"), "core filter", "unknown", "no number");
    let unable = Machine::sound().without("/proc/self/coredump_filter");
    expect(&unable, "core filter", "none", "no cores");
}

#[test]
fn limits_on_locks_and_on_ptrace() {
    const LOCK: &str = "lock limit";
    let lock = |soft: &str| limited(Machine::sound(), "0", soft);
    expect(&lock("unlimited"), LOCK, "none", "any amount");
    expect(&lock("8388608"), LOCK, "none", "8192 KiB");
    expect(&lock("65536"), LOCK, "low", "64 KiB");
    expect(&lock("0"), LOCK, "high", "no memory");
    let silent = "Max core file size  0  0  bytes\n";
    let silent = Machine::sound().with("/proc/self/limits", silent);
    expect(&silent, LOCK, "unknown", "Max locked memory");

    const PTRACE: &str = "ptrace scope";
    let scope = "/proc/sys/kernel/yama/ptrace_scope";
    expect(&Machine::sound(), PTRACE, "none", "it is 1");
    let open = Machine::sound().with(scope, "0\n");
    expect(&open, PTRACE, "low", "of its user");
    let unable = Machine::sound().without(scope);
    expect(&unable, PTRACE, "low", "no Yama");
}

#[test]
fn a_high_risk_outweighs_what_could_not_be_told() {
    let machine = Machine::sound().swaps(&["/dev/sda2", "/dev/sdz"]);
    let said = machine.doctor();
    assert_eq!(said.json()["verdict"], "at-risk");
    assert_eq!(said.code, Some(1));
}

#[test]
fn without_proc_the_remedy_is_proc() {
    if !vmsafe_lab::require_root("without_proc_the_remedy_is_proc") {
        return;
    }
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", "umount -l /proc && exec \"$0\" doctor"]);
    let said = said(command.arg(env!("CARGO_BIN_EXE_vmsafe")));
    assert!(said.out.contains("mount -t proc proc /proc"), "{said:?}");
    assert!(!said.out.contains("ulimit -l"), "{said:?}");
}
