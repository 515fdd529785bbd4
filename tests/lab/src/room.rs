//! The lab itself: its name, folder, network, ports, and the programs that run in it.

use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::net::SocketAddr;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::namespace::{Network, folder, give, run, unique_name};
use crate::{Outcome, bin, packages};

/// A program under test that runs longer than this hangs.
const HANGS: Duration = Duration::from_secs(45);
/// What a check may allocate, whatever a server sends.
const MEMORY: u64 = 16 * 1024 * 1024;

/// A private place where servers run. Cheap to clone; the last one to go cleans up.
#[derive(Clone)]
pub struct Lab(Arc<Inner>);

struct Inner {
    network: Network, // dropped first: everybody has gone when the folder is removed
    folder: Folder,
    ports: AtomicU16,
}

struct Folder {
    title: String,
    path: PathBuf,
}

impl Drop for Folder {
    fn drop(&mut self) {
        if fs::remove_dir(&self.path).is_ok() {
            return; // it was empty: nothing to keep
        }
        if std::thread::panicking() || std::env::var_os("WEIR_LAB_KEEP").is_some() {
            let (title, path) = (&self.title, self.path.display());
            let _ = writeln!(std::io::stderr(), "--- {title}: logs and configurations are kept in {path}");
        } else {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

impl Lab {
    /// An empty lab. `title` names it in messages.
    pub fn new(title: &str) -> Result<Self> {
        let name = unique_name();
        let folder = Folder { title: title.to_owned(), path: folder(&name) };
        fs::create_dir_all(&folder.path).with_context(|| format!("creating {}", folder.path.display()))?;
        fs::set_permissions(&folder.path, fs::Permissions::from_mode(0o755))?;
        let network = Network::create(&name)?;
        Ok(Self(Arc::new(Inner { network, folder, ports: AtomicU16::new(0) })))
    }

    /// A lab for the running test, or `None` after a loud line when the machine lacks one of the `needs` (names of
    /// [`packages::NEEDS`]): `let Some(lab) = Lab::for_test(&["gst"]) else { return };`.
    ///
    /// # Panics
    /// With `WEIR_LAB=require` (set in CI) when something is missing, and when the lab cannot be made at all.
    #[expect(clippy::panic, reason = "this is the way in which a test fails")]
    pub fn for_test(needs: &[&str]) -> Option<Self> {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("test");
        if let Err(missing) = have(needs) {
            let required = std::env::var("WEIR_LAB").is_ok_and(|mode| mode == "require");
            assert!(!required, "WEIR_LAB=require and this machine lacks: {missing}");
            say_skipped(&format!("{test}: this machine lacks {missing}"));
            return None;
        }
        match Self::new(test) {
            Ok(lab) => Some(lab),
            Err(problem) => panic!("no lab: {problem:#}"),
        }
    }

    /// Its folder: readable for everybody, removed at the end unless the test failed or `WEIR_LAB_KEEP` is set.
    pub fn dir(&self) -> &Path {
        &self.0.folder.path
    }

    /// Creates `dir()/name`, which belongs to `user` if that is given.
    pub(crate) fn subdir(&self, name: &str, user: Option<&str>) -> Result<PathBuf> {
        let path = self.dir().join(name);
        fs::create_dir_all(&path)?;
        if let Some(user) = user {
            give(&path, user)?;
        }
        Ok(path)
    }

    /// A TCP and UDP port nobody else uses.
    pub fn port(&self) -> u16 {
        self.0.network.port(self.0.ports.fetch_add(1, Ordering::Relaxed))
    }

    /// A name nobody else in this lab has, for logs and configurations.
    pub(crate) fn name(&self, base: &str) -> String {
        format!("{base}-{}", self.port())
    }

    /// Whether the lab has a network of its own (else it is a guest on the machine's loopback).
    pub fn is_private(&self) -> bool {
        self.0.network.is_private()
    }

    /// The name of its namespace, for ip(8).
    pub(crate) fn namespace(&self) -> &str {
        self.0.network.name()
    }

    /// The address on which servers listen: every address of a private network, else loopback.
    pub(crate) fn listen(&self) -> &'static str {
        if self.is_private() { "0.0.0.0" } else { "127.0.0.1" }
    }

    /// `program` inside the lab's network, with its `/etc/hosts` and `/etc/resolv.conf`.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        self.0.network.command(program.as_ref())
    }

    /// [`command`](Self::command) as another user, when we are root: several servers refuse to be root.
    pub fn command_as(&self, user: &str, program: impl AsRef<Path>) -> Command {
        if !rustix::process::geteuid().is_root() {
            return self.command(program);
        }
        let mut command = self.command("setpriv");
        command
            .args([format!("--reuid={user}"), "--clear-groups".into()])
            .arg(group_of(user))
            .arg(program.as_ref());
        command.env("HOME", self.dir());
        command
    }

    /// Runs the built plugin `name` inside the lab: `lab.check("check_rtsp", &[&url])`.
    pub fn check(&self, name: &str, arguments: &[&str]) -> Result<Outcome> {
        let mut command = self.command(bin(name)?);
        command.args(arguments);
        self.run(command)
    }

    /// As [`check`](Self::check); the kernel refuses the plugin more than 16 MiB of heap and stacks.
    pub fn bounded(&self, name: &str, arguments: &[&str]) -> Result<Outcome> {
        let mut prlimit = self.command("prlimit");
        prlimit.arg(format!("--data={MEMORY}")).arg(bin(name)?).args(arguments);
        self.run(prlimit)
    }

    /// Runs a program of [`command`](Self::command) to its end.
    ///
    /// # Errors
    /// When it does not start, or still runs after 45 s (it is killed then).
    pub fn run(&self, mut command: Command) -> Result<Outcome> {
        let begin = Instant::now();
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("starting the program")?;
        let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
        std::thread::scope(|scope| {
            let reader = |pipe: &mut dyn Read| {
                let mut bytes = Vec::new();
                let _ = pipe.read_to_end(&mut bytes);
                String::from_utf8_lossy(&bytes).into_owned()
            };
            let stdout = scope.spawn(move || out.as_mut().map(|pipe| reader(pipe)));
            let stderr = scope.spawn(move || err.as_mut().map(|pipe| reader(pipe)));
            let mut status = child.try_wait()?;
            while status.is_none() && begin.elapsed() < HANGS {
                std::thread::sleep(Duration::from_millis(1));
                status = child.try_wait()?;
            }
            let took = begin.elapsed();
            let _ = child.kill();
            let _ = child.wait();
            let text = |thread: std::thread::ScopedJoinHandle<'_, Option<String>>| {
                thread.join().ok().flatten().unwrap_or_default()
            };
            let (stdout, stderr) = (text(stdout), text(stderr));
            let status = status.with_context(|| {
                format!("{command:?} still ran after {HANGS:?}; it said: {stdout}{stderr}")
            })?;
            Ok(Outcome { code: status.code(), stdout, stderr, took })
        })
    }

    /// Does `work` inside the lab's network, in this process: sockets opened there belong to the lab. Names are still
    /// resolved by the machine's files; a test about names runs the binary.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| self.0.network.enter().map(|()| work()));
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// A TCP connection inside the lab.
    pub fn connect(&self, address: SocketAddr) -> Result<TcpStream> {
        self.enter(|| TcpStream::connect(address))?.with_context(|| format!("connecting to {address}"))
    }

    /// The body of `url`, fetched by curl inside the lab.
    pub fn get(&self, url: &str) -> Result<String> {
        run(self.command("curl").args(["-sS", "--fail", "--insecure", "--max-time", "10", url]))
    }

    /// Gives the programs of the lab names: `lab.hosts(&[("live.example", "192.0.2.1"), ("live.example", "::1")])`.
    /// A name given twice has two addresses. Replaces the names given before.
    pub fn hosts(&self, names: &[(&str, &str)]) -> Result<()> {
        let lines = hosts_lines(names);
        self.0.network.write_etc("hosts", &format!("127.0.0.1 localhost\n::1 localhost\n{lines}\n"))
    }

    /// Replaces `/etc/resolv.conf` for the programs of the lab (as made: `nameserver 127.0.0.1`, where nobody listens).
    pub fn resolv_conf(&self, text: &str) -> Result<()> {
        self.0.network.write_etc("resolv.conf", text)
    }

    /// Copies a built binary to `dir()/bin`, where every user may run it.
    pub fn publish(&self, name: &str) -> Result<PathBuf> {
        self.adopt(&bin(name)?, "bin")
    }

    /// Copies a file to `dir()/FOLDER`, where every user may read it: a checkout below `/root` is closed to `nagios`.
    pub(crate) fn adopt(&self, file: &Path, folder: &str) -> Result<PathBuf> {
        let to = self.subdir(folder, None)?.join(file.file_name().unwrap_or_default());
        if to != file {
            fs::copy(file, &to).with_context(|| format!("copying {}", file.display()))?;
        }
        Ok(to)
    }
}

/// Says it where it is heard: test harnesses hide what a passing test prints, so it goes straight to the descriptor,
/// and to the file that `WEIR_LAB_SKIPPED` names, from which `cargo xtask test` tells it again at the end.
fn say_skipped(sentence: &str) {
    let _ = writeln!(std::io::stderr(), "\n*** SKIPPED {sentence} ***");
    if let Some(path) = std::env::var_os("WEIR_LAB_SKIPPED") {
        let file = fs::OpenOptions::new().append(true).create(true).open(path);
        let _ = file.and_then(|mut file| file.write_all(format!("{sentence}\n").as_bytes()));
    }
}

/// Pairs of name and address as lines of hosts(5).
pub(crate) fn hosts_lines(names: &[(&str, &str)]) -> String {
    let lines: Vec<String> = names.iter().map(|(name, address)| format!("{address} {name}")).collect();
    lines.join("\n")
}

/// The `setpriv` option for the main group of `user`.
fn group_of(user: &str) -> String {
    let group = if user == "nobody" { "nogroup" } else { user };
    format!("--regid={group}")
}

/// Whether this is a user namespace with one user: `inside outside count` in `user_namespaces(7)`.
fn single_user() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let counts = map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    counts.sum::<u64>() == 1
}

/// Whether the machine has all of it; the error is a list for people.
fn have(needs: &[&str]) -> Result<()> {
    let mut lacks: Vec<String> = Vec::new();
    for need in needs {
        let missing = packages::missing(need);
        if !missing.is_empty() {
            let how = if *need == packages::NODE_MEDIA_SERVER { "" } else { "apt-get install " };
            lacks.push(format!("{need} ({how}{})", missing.join(" ")));
        } else if *need == packages::NAMESPACE && !rustix::process::geteuid().is_root() {
            lacks.push(
                "root, for a network namespace (tests/lab/rootless.sh makes us root of one)".to_owned(),
            );
        } else if packages::OF_MANY_USERS.contains(need) && single_user() {
            lacks.push(format!("other users than ours, for {need}"));
        } else if *need == "delay" && File::options().write(true).open("/dev/net/tun").is_err() {
            lacks.push("/dev/net/tun, for wires with delay".to_owned());
        }
    }
    if lacks.is_empty() { Ok(()) } else { Err(anyhow!(lacks.join(", "))) }
}
