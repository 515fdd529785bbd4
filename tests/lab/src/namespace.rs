//! The private network of one lab, and the guard that ends everything in it.
//!
//! The guard is a shell that waits for its standard input to close. The lab holds the other end, so it closes when the
//! lab is dropped and also when the test process dies by any signal: the way out is the same in every case, and is
//! therefore used by every test. Membership is decided by the kernel: whoever lives in the namespace is ours,
//! also a daemon that forked twice and left its process group.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::binaries::target_dir;

/// Every lab's namespace and folder start with this, followed by the pid of its test process.
const PREFIX: &str = "weir-";
/// Documentation networks (RFC 5737, RFC 3849), all local inside a lab: any server answers on any of them.
pub(crate) const LOCAL_NETWORKS: [&str; 4] =
    ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"];
/// Ports of a lab: below the ephemeral range, so that no outgoing connection takes one.
const FIRST_PORT: u16 = 20_000;
/// Ports that a lab without a namespace of its own may lock for itself.
const PORTS_PER_LAB: u16 = 50;
const LOCKABLE_RANGES: u16 = 200;
/// How long the folder of a killed test stays readable.
const KEEP_REMAINS: Duration = Duration::from_secs(5000);
/// The variable by which processes of a lab without a namespace are recognised.
const MARK: &str = "WEIR_LAB_NAME";

/// `$1` is the lab's name, `$2` is "namespace" or "host". Looks again until nobody is left, because a process may fork
/// while it is being looked at.
const GUARD: &str = r#"
cat >/dev/null
members() {
    if [ "$2" = namespace ]; then ip netns pids "$1"
    else grep -lsxz "WEIR_LAB_NAME=$1" /proc/[0-9]*/environ | cut -d/ -f3 | grep -vx "$$"; fi
}
for round in 1 2 3 4 5 6 7 8 9 10; do
    found=$(members "$1" "$2") && [ -n "$found" ] || break
    kill -KILL $found
    sleep 0.02
done 2>/dev/null
[ "$2" = namespace ] && ip netns delete "$1"
rm -rf "/etc/netns/$1"
"#;

pub(crate) struct Network {
    name: String,
    ports: Ports,
    guard: Child,
}

enum Ports {
    /// A namespace of our own: every port is free.
    Private,
    /// The machine's loopback; the lock on this file keeps other labs off the range which begins here.
    Shared { first: u16, _lock: File },
}

impl Network {
    /// Creates the network `name`: private when we are root, a locked port range otherwise.
    pub(crate) fn create(name: &str) -> Result<Self> {
        let ports = if rustix::process::geteuid().is_root() {
            sweep();
            set_up(name)?;
            Ports::Private
        } else {
            lock_range()?
        };
        let kind = if matches!(ports, Ports::Private) { "namespace" } else { "host" };
        let guard = tool("sh")
            .args(["-c", GUARD, "weir-lab-guard", name, kind])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0) // out of reach of Ctrl-C and of a test runner which kills its group
            .spawn()
            .context("starting the guard")?;
        Ok(Self { name: name.to_owned(), ports, guard })
    }

    /// The name of the namespace, for ip(8).
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_private(&self) -> bool {
        matches!(self.ports, Ports::Private)
    }

    /// The `n`-th port of this lab.
    pub(crate) fn port(&self, n: u16) -> u16 {
        match &self.ports {
            Ports::Private => FIRST_PORT + n,
            Ports::Shared { first, .. } => first + n % PORTS_PER_LAB,
        }
    }

    /// `program` inside the network, with the lab's own `/etc/hosts` and `/etc/resolv.conf`.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = if self.is_private() {
            let mut ip = tool("ip");
            ip.args(["netns", "exec", &self.name]).arg(program);
            ip
        } else {
            tool(program)
        };
        command.env(MARK, &self.name);
        command
    }

    /// Moves the calling thread into the network. Sockets that it opens stay there, children that it starts too.
    pub(crate) fn enter(&self) -> Result<()> {
        if self.is_private() {
            let door =
                File::open(Path::new("/run/netns").join(&self.name)).context("opening the namespace")?;
            move_into_link_name_space(door.as_fd(), Some(LinkNameSpaceType::Network))
                .context("entering the namespace")?;
        }
        Ok(())
    }

    /// Replaces a file of `/etc` (`hosts`, `resolv.conf`) for the programs of this lab.
    pub(crate) fn write_etc(&self, file: &str, text: &str) -> Result<()> {
        if !self.is_private() {
            bail!("{file} of its own needs a namespace: ask for it with Lab::for_test(&[\"namespace\"])");
        }
        fs::write(etc_dir(&self.name).join(file), text).with_context(|| format!("writing {file}"))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// A program of the system; `/usr/sbin` is searched too, which is not in everybody's PATH.
pub(crate) fn tool(program: impl AsRef<Path>) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program.as_ref());
    command.env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin:/sbin")).stdin(Stdio::null());
    command
}

/// Runs a helper program to its end; an error carries what it said.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let out = command.output().with_context(|| format!("starting {command:?}"))?;
    if !out.status.success() {
        let said = [out.stdout, out.stderr].concat();
        bail!("{command:?} ended with {}:\n{}", out.status, String::from_utf8_lossy(&said));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Makes `user` the owner of everything below `path`, when we are root.
pub(crate) fn give(path: &Path, user: &str) -> Result<()> {
    if rustix::process::geteuid().is_root() {
        run(tool("chown").arg("-R").arg(user).arg(path))?;
    }
    Ok(())
}

fn set_up(name: &str) -> Result<()> {
    let etc = etc_dir(name);
    fs::create_dir_all(&etc)?;
    fs::write(etc.join("hosts"), "127.0.0.1 localhost\n::1 localhost\n")?;
    fs::write(etc.join("resolv.conf"), "nameserver 127.0.0.1\n")?;
    run(tool("ip").args(["netns", "add", name]))?;
    let ip = |arguments: &str| run(tool("ip").args(["-n", name]).args(arguments.split(' ')));
    ip("link set lo up multicast on")?;
    for network in LOCAL_NETWORKS {
        ip(&format!("route add local {network} dev lo"))?;
    }
    ip("route add 224.0.0.0/4 dev lo")?;
    Ok(())
}

fn etc_dir(name: &str) -> PathBuf {
    Path::new("/etc/netns").join(name)
}

/// A name that no other lab has: the pid says whose it is.
pub(crate) fn unique_name() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static LABS: AtomicU32 = AtomicU32::new(0);
    format!("{PREFIX}{}-{}", std::process::id(), LABS.fetch_add(1, Ordering::Relaxed))
}

/// The folder of the lab `name`; in the system's temporary folder, because users such as `nagios` must get there.
pub(crate) fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(name)
}

/// Removes what labs left behind whose guard was killed as well.
fn sweep() {
    let orphans = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| is_orphan(name))
            .collect()
    };
    for name in orphans(Path::new("/run/netns")) {
        // The guard of a process that has just died is at work on the same; whoever comes second finds nothing.
        let _ = tool("sh")
            .args(["-c", GUARD, "weir-lab-guard", &name, "namespace"])
            .stderr(Stdio::null())
            .status();
    }
    for name in orphans(&std::env::temp_dir()) {
        let path = folder(&name);
        let age = fs::metadata(&path)
            .and_then(|meta| meta.modified())
            .map(|time| SystemTime::now().duration_since(time));
        if matches!(age, Ok(Ok(age)) if age > KEEP_REMAINS) {
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// Whether `name` is that of a lab (`weir-PID-N`) whose test process is gone.
fn is_orphan(name: &str) -> bool {
    let pid = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split_once('-'))
        .and_then(|(pid, _)| pid.parse::<u32>().ok());
    pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
}

fn lock_range() -> Result<Ports> {
    let folder = target_dir()?.join("weir-lab/ports");
    fs::create_dir_all(&folder)?;
    for range in 0..LOCKABLE_RANGES {
        let first = FIRST_PORT + range * PORTS_PER_LAB;
        let lock = File::create(folder.join(first.to_string()))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Ok(Ports::Shared { first, _lock: lock });
        }
    }
    bail!("all {LOCKABLE_RANGES} port ranges are taken by other labs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_dead_test_processes_are_orphans() {
        assert!(!is_orphan(&unique_name()));
        assert!(!is_orphan("weir-foundation"));
        assert!(!is_orphan("blue"));
        assert!(is_orphan("weir-4194305-0"), "above the kernel's largest pid");
    }

    #[test]
    fn two_labs_without_a_namespace_never_share_a_port_range() {
        let (a, b) = (lock_range().unwrap(), lock_range().unwrap());
        let first = |ports: &Ports| match ports {
            Ports::Shared { first, .. } => *first,
            Ports::Private => 0,
        };
        assert_ne!(first(&a), first(&b));
    }
}
