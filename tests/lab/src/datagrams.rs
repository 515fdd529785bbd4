//! Streams that are sent to whoever listens, as encoders send them: to multicast groups and to ports. A [`Relay`] breaks what a
//! real encoder sends, datagram by datagram, at the encoder's own pace.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{Clip, Lab, Process};

/// How often a relay looks whether it shall end.
const POLL: Duration = Duration::from_millis(100);
/// More than any datagram holds.
const DATAGRAM_MAX: usize = 64 * 1024;

/// Passes datagrams on, changed. Dropping it ends it.
pub struct Relay {
    port: u16,
    passed: Arc<AtomicU64>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Lab {
    /// An ffmpeg that sends `clip` for ever, in the form of a muxer (`mpegts`, `rtp_mpegts`, `mpegts -muxrate 20M`), to `url` (needs
    /// "ffmpeg"). It sends when this returns.
    pub fn ffmpeg_sender(&self, clip: Clip, format: &str, url: &str) -> Result<Process> {
        let mut ffmpeg = self.encoder(clip)?;
        ffmpeg.args(["-map", "0", "-c", "copy", "-f"]).args(format.split(' ')).arg(url);
        let process = Process::start(self, &self.name("ffmpeg-sender"), ffmpeg)?;
        process.until_log("size=")?;
        Ok(process)
    }

    /// An ffmpeg that sends the picture of `clip` alone as RTP, and its session description (needs "ffmpeg").
    pub fn ffmpeg_rtp(&self, clip: Clip, url: &str) -> Result<(Process, std::path::PathBuf)> {
        let sdp = self.dir().join(format!("{}.sdp", self.name("rtp")));
        let mut ffmpeg = self.encoder(clip)?;
        ffmpeg.args(["-an", "-c", "copy", "-f", "rtp", "-sdp_file"]).arg(&sdp).arg(url);
        let process = Process::start(self, &self.name("ffmpeg-rtp"), ffmpeg)?;
        process.until_log("size=")?;
        Ok((process, sdp))
    }

    /// A VLC that sends a transport stream in its own words: `#rtp{mux=ts,dst=239.1.2.3,port=5004}` (needs "vlc" and "ffmpeg").
    pub fn vlc_sender(&self, output: &str) -> Result<Process> {
        let clip = self.adopt(&Clip::Video.path()?, "media")?;
        let name = self.name("vlc-sender");
        let mut vlc = self.command_as("nobody", "cvlc");
        vlc.env("HOME", self.subdir(&name, Some("nobody"))?);
        vlc.args(["-I", "dummy", "--ttl", "8", "--miface", "lo", "--loop"]).arg(clip);
        vlc.args(["--sout", output, "--sout-keep"]);
        Process::start(self, &name, vlc)
    }

    /// Passes on what is sent to [`Relay::port`] of this lab's loopback, to `to`: each datagram as `change` leaves it, none when
    /// that says so.
    pub fn relay(
        &self,
        to: SocketAddr,
        mut change: impl FnMut(Vec<u8>) -> Option<Vec<u8>> + Send + 'static,
    ) -> Result<Relay> {
        let port = self.port();
        let (from, out) = self.enter(|| -> std::io::Result<_> {
            let any = if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
            Ok((UdpSocket::bind(("127.0.0.1", port))?, UdpSocket::bind(any)?))
        })??;
        from.set_read_timeout(Some(POLL))?;
        let (ends, passed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (shall_end, count) = (Arc::clone(&ends), Arc::clone(&passed));
        let work = move || {
            let mut buffer = vec![0; DATAGRAM_MAX];
            while !shall_end.load(Ordering::Relaxed) {
                let Ok(length) = from.recv(&mut buffer) else { continue };
                if let Some(changed) = change(buffer[..length].to_vec()) {
                    // Nobody need listen.
                    let _ = out.send_to(&changed, to);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        let thread = std::thread::Builder::new().name("relay".to_owned()).spawn(work).context("a thread")?;
        Ok(Relay { port, passed, ends, thread: Some(thread) })
    }
}

impl Relay {
    /// Where to send to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Datagrams passed on so far.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
