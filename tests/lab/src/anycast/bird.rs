//! BIRD 2 and 3.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use super::Host;
use crate::Process;

/// A running BIRD.
pub struct Bird {
    process: Process,
    host: Host,
    socket: PathBuf,
}

/// Timers that make a session come up in a second or two.
const QUICK: &str = "hold time 9; connect retry time 2; connect delay time 1; error wait time 1,5;";

impl Host {
    /// BIRD with this configuration (needs "bird"). `QUICK;` in it stands for timers that do not keep a test waiting.
    pub fn bird(&self, config: &str) -> Result<Bird> {
        let dir = self.lab().dir();
        let (file, socket) = (dir.join("bird.conf"), dir.join("bird.ctl"));
        fs::write(&file, self.bird_config(config))?;
        let mut bird = self.daemon("/usr/sbin/bird");
        bird.arg("-f").arg("-c").arg(&file).arg("-s").arg(&socket).arg("-P").arg(dir.join("bird.pid"));
        let process = Process::start(self.lab(), "bird", bird)?;
        process.until_file(&socket)?;
        Ok(Bird { process, host: self.clone(), socket })
    }

    fn bird_config(&self, config: &str) -> String {
        let log = self.lab().dir().join("bird.txt");
        let basics = format!("log \"{}\" all;\nprotocol device {{ scan time 10; }}\n", log.display());
        basics + &config.replace("QUICK;", QUICK)
    }
}

impl Bird {
    /// Its control socket.
    pub fn socket(&self) -> &PathBuf {
        &self.socket
    }

    /// The answer to a command: `bird.tell("disable anycast4")`.
    pub fn tell(&self, command: &str) -> Result<String> {
        let mut birdc = self.host.lab().command("birdc");
        birdc.arg("-s").arg(&self.socket).args(command.split(' '));
        Ok(self.host.lab().run(birdc)?.stdout)
    }

    /// Gives it another configuration while it runs.
    pub fn configure(&self, config: &str) -> Result<()> {
        fs::write(self.host.lab().dir().join("bird.conf"), self.host.bird_config(config))?;
        self.until("configure", "Reconfig")
    }

    /// Waits until the answer to `command` contains `words`.
    pub fn until(&self, command: &str, words: &str) -> Result<()> {
        let what = format!("`{words}` in the answer to `{command}`");
        self.process.until(&what, || self.tell(command).is_ok_and(|answer| answer.contains(words)))
    }

    /// Waits until the answer to `command` no longer contains `words`.
    pub fn until_gone(&self, command: &str, words: &str) -> Result<()> {
        let what = format!("`{words}` gone from the answer to `{command}`");
        self.process.until(&what, || self.tell(command).is_ok_and(|answer| !answer.contains(words)))
    }
}

impl std::ops::Deref for Bird {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}
