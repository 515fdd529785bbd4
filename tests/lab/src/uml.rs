//! User-mode Linux: a kernel with a real IPVS as an ordinary process, without KVM and without root.
//!
//! The guest's root is this machine's own file system, read-only, so whatever is installed or built here runs there as it is;
//! the lab's folder can be written to. A guest boots in two seconds, runs one script as root, and is gone.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::getpid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::{Lab, Process, ReleaseRoot};

/// A guest that runs longer than this hangs; a machine that compiles at the same time is slow, ten times as slow has been seen.
const HANGS: Duration = Duration::from_mins(5);

/// What a guest is made of.
pub struct Uml {
    lab: Lab,
    release: Option<ReleaseRoot>,
}

/// What a guest left behind.
#[derive(Debug)]
pub struct Guest {
    /// What the script wrote to both its outputs.
    pub log: String,
    folder: PathBuf,
}

/// Makes the guest a place to run in, runs the script, and switches off. The kernel must not load modules by itself: whether
/// a program under test makes it do so is one of the things to be seen.
const INIT: &str = r#"#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/run TMPDIR=/run
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs run /run
mount -t tmpfs -o mode=1777 tmp /var/tmp
mkdir -p /run/m/lib/modules /run/netns
mount -t hostfs none FOLDER -o FOLDER || mount -t hostfs none FOLDER -o hostfs=FOLDER
mkdir /run/m/lib/modules/$(uname -r); mount --bind /usr/lib/uml/modules/$(uname -r) /run/m/lib/modules/$(uname -r)
echo /bin/false > /proc/sys/kernel/modprobe
ip link set lo up
load() { for m; do modprobe -d /run/m "$m" || echo "no module $m"; done; } # it may be built in: what follows shows it
export -f load
cd FOLDER; bash FOLDER/script > FOLDER/log 2>&1; echo $? > FOLDER/code
sync; echo o > /proc/sysrq-trigger; sleep 5
"#;

/// Kernels before 6.13 give their processes' vector registers too little room for a processor with AMX, and cannot start one.
/// A filter that refuses ptrace's `GETREGSET` of `NT_X86_XSTATE` makes them use the older `GETFPREGS`. That one does not save the
/// upper halves of vector registers, so programs in the guest must do without them ([`NO_VECTORS`]).
const WITHOUT_XSTATE: &str = r#"
my @program = (0x20,0,0,0, 0x15,0,5,101, 0x20,0,0,16, 0x15,0,3,0x4204, 0x20,0,0,32, 0x15,0,1,0x202, 6,0,0,0x50016, 6,0,0,0x7fff0000);
my $program = pack("SCCL" x 8, @program);
my $filter = pack("Sx6P", 8, $program);
syscall(157, 38, 1, 0, 0, 0) == 0 and syscall(157, 22, 2, $filter) == 0 or die "prctl: $!";
exec @ARGV or die "exec: $!";
"#;

/// What keeps glibc from using vector registers wider than those of SSE, as a variable of the guest's environment.
const NO_VECTORS: &str = "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-AVX_Fast_Unaligned_Load,-XSAVE,-XSAVEC";

fn has_amx() -> bool {
    fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains(" amx_tile"))
}

impl Lab {
    /// A guest with the kernel of this machine's release (needs "uml").
    pub fn uml(&self) -> Uml {
        Uml { lab: self.clone(), release: None }
    }
}

impl Uml {
    /// The kernel and the programs of another release, which must hold `user-mode-linux`, `bash`, `coreutils`, `iproute2`, `kmod`,
    /// `mount` and what the script calls.
    #[must_use]
    pub fn release(mut self, root: ReleaseRoot) -> Self {
        self.release = Some(root);
        self
    }

    /// Runs a bash script as root in a new guest, to its end. It finds itself in a folder of its own that it may write to; the
    /// function `load` loads kernel modules.
    ///
    /// # Errors
    /// When the guest does not come to an end in time, or its script fails: the error shows what it said.
    pub fn run(&self, script: &str) -> Result<Guest> {
        let name = self.lab.name("uml");
        let folder = self.lab.dir().join(&name);
        fs::create_dir_all(&folder)?;
        let init = folder.join("init");
        fs::write(&init, INIT.replace("FOLDER", &folder.display().to_string()))?;
        fs::write(folder.join("script"), script)?;
        fs::set_permissions(&init, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let mut linux = match &self.release {
            Some(root) => root.command(&self.lab, "/usr/bin/linux.uml"),
            None if has_amx() => {
                let mut perl = self.lab.command("perl");
                perl.args(["-e", WITHOUT_XSTATE, "linux.uml"]);
                perl
            }
            None => self.lab.command("linux.uml"),
        };
        linux.args([
            "mem=256M",
            "rootfstype=hostfs",
            "rootflags=/",
            "ro",
            "con=null",
            "con0=null,fd:1",
            "ssl=null",
        ]);
        linux.args(["quiet", "loglevel=3", NO_VECTORS]).arg(format!("init={}", init.display()));
        linux.stdin(std::process::Stdio::null());
        let process = on_one_processor(|| Process::start(&self.lab, &name, linux))??;
        let begin = Instant::now();
        while process.is_running() && begin.elapsed() < HANGS {
            std::thread::sleep(Duration::from_millis(20));
        }
        let log = fs::read(folder.join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let code = fs::read_to_string(folder.join("code")).with_context(|| {
            format!("the guest did not finish; it said:\n{log}\nits console:\n{}", process.log())
        })?;
        if code.trim() != "0" {
            bail!("the script ended with {}; it said:\n{log}", code.trim());
        }
        Ok(Guest { log, folder })
    }
}

/// Runs `start` with one of this process's processors alone, which what it starts inherits; each call takes the next one.
///
/// A guest has one processor, and its kernel and its programs are processes here that take turns. On two processors that costs three
/// times as much, and never the same (a program that does nothing: 3.8 ms on one, 4 to 15 on two).
fn on_one_processor<T>(start: impl FnOnce() -> T) -> Result<T> {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let all = sched_getaffinity(None)?;
    let own: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&cpu| all.is_set(cpu)).collect();
    let turn = CALLS.fetch_add(1, Ordering::Relaxed) + usize::try_from(getpid().as_raw_nonzero().get())?;
    let mut one = CpuSet::new();
    one.set(own[turn % own.len()]);
    sched_setaffinity(None, &one)?;
    let started = start();
    sched_setaffinity(None, &all)?;
    Ok(started)
}

impl Guest {
    /// A file that the script wrote.
    ///
    /// # Errors
    /// When there is none, with what the script said.
    pub fn file(&self, name: &str) -> Result<String> {
        let bytes = fs::read(self.folder.join(name))
            .with_context(|| format!("the guest wrote no {name}; it said:\n{}", self.log))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
