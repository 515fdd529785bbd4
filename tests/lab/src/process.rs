//! One running server: started, watched until it is ready, paused, ended. Its log is a file of the lab's folder and is
//! shown when the test fails.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::Lab;

/// How long a server may take until it is ready; a machine that compiles at the same time is slow.
pub(crate) const START: Duration = Duration::from_secs(30);
/// How often readiness is looked at.
const POLL: Duration = Duration::from_millis(20);
/// How long a server may take to end by itself before it is killed.
const END: Duration = Duration::from_secs(3);
/// Lines of a log shown in an error.
const TAIL: usize = 30;

/// A server of the lab. Dropping it ends it.
pub struct Process {
    name: String,
    log: PathBuf,
    child: Mutex<Child>,
    pid: Pid,
    /// Keeps the network until the last server of it is gone.
    _lab: Lab,
}

impl Process {
    /// Starts `command` (made by [`Lab::command`]) in a process group of its own; both outputs go to `NAME.log`.
    pub fn start(lab: &Lab, name: &str, mut command: Command) -> Result<Self> {
        let log = lab.dir().join(format!("{name}.log"));
        let out = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let child = command
            .process_group(0)
            .current_dir(lab.dir())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("pid of the child")?;
        Ok(Self { name: name.to_owned(), log, child: Mutex::new(child), pid, _lab: lab.clone() })
    }

    /// Its process id, which is also that of its group.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// SIGSTOP: ports stay open, connections are accepted by the kernel, nobody answers.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT after [`pause`](Self::pause).
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// SIGHUP: it reads its configuration again.
    pub fn reload(&self) -> Result<()> {
        self.signal(Signal::HUP)
    }

    /// Ends it: SIGTERM to its group, SIGKILL to those who stay.
    pub fn stop(&self) -> Result<()> {
        if self.is_running() {
            self.signal(Signal::TERM)?;
            self.signal(Signal::CONT)?;
            let _ = wait_until("its end", END, || !self.is_running());
        }
        // Also when the leader has gone: its workers may be left.
        let _ = kill_process_group(self.pid, Signal::KILL);
        self.child.lock().unwrap_or_else(PoisonError::into_inner).wait()?;
        Ok(())
    }

    /// SIGKILL, as when the machine runs out of memory.
    pub fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.child.lock().unwrap_or_else(PoisonError::into_inner).wait()?;
        Ok(())
    }

    /// Whether it has not ended yet.
    pub fn is_running(&self) -> bool {
        matches!(self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait(), Ok(None))
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Waits until `ready`; `what` completes the sentence "NAME was not ready: ...".
    ///
    /// # Errors
    /// When it ended before or the time is over, with the tail of its log.
    pub fn until(&self, what: &str, mut ready: impl FnMut() -> bool) -> Result<()> {
        let begin = Instant::now();
        while !ready() {
            let exit = self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait()?;
            if let Some(exit) = exit {
                let how = exit.signal().map_or(format!("{exit}"), |signal| format!("signal {signal}"));
                bail!("{} ended ({how}) before: {what}; its log ends:\n{}", self.name, self.tail());
            }
            if begin.elapsed() > START {
                bail!("{} was not ready after {START:?}: {what}; its log ends:\n{}", self.name, self.tail());
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Waits until it listens on the TCP port. Reads the kernel's table instead of connecting: a server that serves
    /// one client must not see us.
    pub fn until_port(&self, port: u16) -> Result<()> {
        self.until(&format!("TCP port {port}"), || listens(self.pid(), port))
    }

    /// Waits until its log holds `words`.
    pub fn until_log(&self, words: &str) -> Result<()> {
        self.until(&format!("\"{words}\" in its log"), || self.log().contains(words))
    }

    /// Waits until the file exists.
    pub fn until_file(&self, file: &Path) -> Result<()> {
        self.until(&file.display().to_string(), || file.exists())
    }

    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill_process_group(self.pid, signal).with_context(|| format!("{signal:?} to {}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "--- log of {} ends:\n{}", self.name, self.tail());
        }
        let _ = kill_process_group(self.pid, Signal::KILL);
        let _ = self.child.lock().unwrap_or_else(PoisonError::into_inner).wait();
    }
}

/// Waits until `ready`, looking every 20 ms.
///
/// # Errors
/// After `bound`: "WHAT did not happen within ...".
pub fn wait_until(what: &str, bound: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
    let begin = Instant::now();
    while !ready() {
        if begin.elapsed() > bound {
            bail!("{what} did not happen within {bound:?}");
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// Whether anybody in the network namespace of `pid` listens on the TCP port (proc(5): state 0A is LISTEN).
fn listens(pid: i32, port: u16) -> bool {
    let suffix = format!(":{port:04X}");
    ["tcp", "tcp6"].iter().any(|table| {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        text.lines().any(|line| {
            let mut words = line.split_whitespace().skip(1);
            words.next().is_some_and(|local| local.ends_with(&suffix)) && words.nth(1) == Some("0A")
        })
    })
}
