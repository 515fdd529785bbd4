//! SRT listeners: ffmpeg, which serves one caller; `srt-live-transmit`, this machine's or a newer one, fed by ffmpeg over UDP; and
//! libsrt itself with rules, for many callers.

use std::fs;
use std::process::Command;

use anyhow::Result;

use crate::{Clip, Lab, Process, ReleaseRoot};

/// The clip's own rate, bytes per second, stuffing of TS included.
const CLIP_RATE: u32 = 39_000;

/// How the listener shall be; [`start`](Self::start) runs it.
pub struct SrtBuilder {
    lab: Lab,
    kind: Kind,
    options: String,
    arguments: Vec<String>,
    clip: Clip,
}

enum Kind {
    Ffmpeg,
    LiveTransmit(Option<ReleaseRoot>),
    Rules,
}

/// A running listener.
pub struct Srt {
    process: Process,
    feeder: Option<Process>,
    port: u16,
}

impl Lab {
    /// ffmpeg as a listener: it serves one caller, and ends when that leaves (needs "ffmpeg").
    pub fn srt_ffmpeg(&self) -> SrtBuilder {
        self.srt_listener(Kind::Ffmpeg)
    }

    /// `srt-live-transmit` (needs "srt" and "ffmpeg"): one caller after the other.
    pub fn srt_live_transmit(&self) -> SrtBuilder {
        self.srt_listener(Kind::LiveTransmit(None))
    }

    /// `srt-live-transmit` of another release (needs "release-root" too); the root holds "srt-tools".
    pub fn srt_live_transmit_of(&self, root: ReleaseRoot) -> SrtBuilder {
        self.srt_listener(Kind::LiveTransmit(Some(root)))
    }

    /// libsrt with rules (needs "srt"): many callers; see `srt_listener.py` for its stream ids.
    pub fn srt_rules(&self) -> SrtBuilder {
        self.srt_listener(Kind::Rules)
    }

    fn srt_listener(&self, kind: Kind) -> SrtBuilder {
        SrtBuilder {
            lab: self.clone(),
            kind,
            options: String::new(),
            arguments: Vec::new(),
            clip: Clip::VideoTs,
        }
    }
}

impl SrtBuilder {
    /// Sends this clip, as MPEG-TS.
    #[must_use]
    pub fn clip(mut self, clip: Clip) -> Self {
        self.clip = clip;
        self
    }

    /// Wants this passphrase.
    #[must_use]
    pub fn passphrase(self, passphrase: &str) -> Self {
        self.option("passphrase", passphrase)
    }

    /// Sets an option of libsrt as the listener's URL names it: `option("pbkeylen", "32")`.
    #[must_use]
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.options.extend(["&", name, "=", value]);
        self
    }

    /// Another argument for `srt-live-transmit`, such as `-statsout:FILE`.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Starts it, and what feeds it.
    pub fn start(self) -> Result<Srt> {
        let lab = &self.lab;
        let port = lab.port();
        let url = format!("srt://{}:{port}?mode=listener{}", lab.listen(), self.options);
        let (command, feeder) = match &self.kind {
            Kind::Ffmpeg => {
                let mut ffmpeg = lab.encoder(self.clip)?;
                ffmpeg.args(["-c", "copy", "-f", "mpegts", &url]);
                (ffmpeg, None)
            }
            Kind::LiveTransmit(root) => {
                let feed = lab.port();
                let program = "srt-live-transmit";
                let mut transmit =
                    root.as_ref().map_or_else(|| lab.command(program), |root| root.command(lab, program));
                transmit.arg("-q").args(&self.arguments).args([format!("udp://127.0.0.1:{feed}"), url]);
                let mut ffmpeg = lab.encoder(self.clip)?;
                ffmpeg.args(["-c", "copy", "-f", "mpegts"]);
                ffmpeg.arg(format!("udp://127.0.0.1:{feed}?pkt_size=1316"));
                (transmit, Some(ffmpeg))
            }
            Kind::Rules => (self.rules(port)?, None),
        };
        let process = Process::start(lab, &format!("srt-{port}"), command)?;
        process.until(&format!("UDP port {port}"), || bound(process.pid(), port))?;
        let feed = |command| -> Result<Process> {
            let feeder = Process::start(lab, &format!("srt-feeder-{port}"), command)?;
            feeder.until_log("size=")?; // it sends
            Ok(feeder)
        };
        let feeder = feeder.map(feed).transpose()?;
        Ok(Srt { process, feeder, port })
    }

    fn rules(&self, port: u16) -> Result<Command> {
        let script = self.lab.dir().join("srt_listener.py");
        fs::write(&script, include_str!("srt_listener.py"))?;
        let mut python = self.lab.command("/usr/bin/python3");
        python.arg(&script).arg(port.to_string()).arg(self.clip.path()?).arg(CLIP_RATE.to_string());
        Ok(python)
    }
}

impl Srt {
    /// Its URL: `url("?streamid=tv1")`.
    pub fn url(&self, query: &str) -> String {
        format!("srt://127.0.0.1:{}{query}", self.port)
    }

    /// Its UDP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What feeds it, when that is another program.
    pub fn feeder(&self) -> Option<&Process> {
        self.feeder.as_ref()
    }
}

impl std::ops::Deref for Srt {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

/// Whether anybody in the network namespace of `pid` has the UDP port.
fn bound(pid: i32, port: u16) -> bool {
    let suffix = format!(":{port:04X}");
    ["udp", "udp6"].iter().any(|table| {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        text.lines().filter_map(|line| line.split_whitespace().nth(1)).any(|local| local.ends_with(&suffix))
    })
}
