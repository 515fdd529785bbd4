//! `cargo xtask demo`: a small streaming platform on loopback, half of it broken, and what the checks say about it.

use std::io::{BufRead as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use weir_lab::{Clip, GstServer, Hls, Hostile, Icecast, Lab, Served, Source};

use crate::{install, sh};

/// The frozen channel must be this old before anybody may call it stale: more than three target durations.
const STALE: Duration = Duration::from_secs(5);

/// What the platform is made of, by the names of the lab: much less than all tests want.
const NEEDS: [&str; 6] = ["namespace", "ffmpeg", "gst", "icecast2", "nginx", "curl"];

/// The servers; they run until this is dropped.
struct Platform {
    lab: Lab,
    rtsp: GstServer,
    silent_rtsp: Served,
    hls: Hls,
    frozen_hls: Hls,
    icecast: Icecast,
    sources: [Source; 2],
}

/// One check of the demonstration, and the exit code that it must end with.
struct Scene {
    story: &'static str,
    check: &'static str,
    url: String,
    code: i32,
}

pub(crate) fn run(stay: bool) -> Result<()> {
    install::needed(&NEEDS)?;
    println!("\nBuilding the checks.");
    sh::run(sh::cargo().args(["build", "-p", "weir-stream"]))?;
    println!(
        "\nStarting Icecast, nginx, ffmpeg encoders and a GStreamer RTSP server. (The first time, clips are encoded.)"
    );
    let platform = Platform::start()?;
    let scenes = platform.scenes();
    let mut wrong = 0;
    for scene in &scenes {
        let outcome = platform.lab.check(scene.check, &[&scene.url])?;
        println!("\n{}\n$ {} {}", scene.story, scene.check, scene.url);
        print!("{}{}", outcome.stdout, outcome.stderr);
        let code = outcome.code.map_or("none, a signal ended it".to_owned(), |code| code.to_string());
        println!("(exit code {code}, {:.2} s)", outcome.took.as_secs_f64());
        wrong += usize::from(outcome.code != Some(scene.code));
    }
    println!("\n{}", what_next());
    if stay {
        platform.stay(&scenes)?;
    }
    ensure!(
        wrong == 0,
        "{wrong} of {} checks ended otherwise than this demonstration promises",
        scenes.len()
    );
    Ok(())
}

impl Platform {
    fn start() -> Result<Self> {
        let lab = Lab::new("demo")?;
        let icecast = lab.icecast().start()?;
        let sources = [icecast.source("good.mp3", Clip::Tone)?, icecast.source("stalled.mp3", Clip::Tone)?];
        let frozen_hls = lab.hls().segment_seconds(1).start()?;
        frozen_hls.freeze()?;
        let frozen_at = Instant::now();
        let platform = Self {
            rtsp: lab.gst().start()?,
            silent_rtsp: lab.hostile(Hostile::RtspSilent)?,
            hls: lab.hls().variants(2).segment_seconds(1).start()?,
            frozen_hls,
            icecast,
            sources,
            lab,
        };
        platform.sources[1].stall()?;
        std::thread::sleep(STALE.saturating_sub(frozen_at.elapsed()));
        Ok(platform)
    }

    fn scenes(&self) -> Vec<Scene> {
        let scene = |story, check, url, code| Scene { story, check, url, code };
        vec![
            scene("A live RTSP stream of GStreamer.", "check_rtsp", self.rtsp.url("/live"), 0),
            scene(
                "An RTSP server which says 200 OK to PLAY and sends nothing.",
                "check_rtsp",
                self.silent_rtsp.url("rtsp", "/live"),
                2,
            ),
            scene("A live HLS channel with two variants.", "check_hls", self.hls.url(), 0),
            scene(
                "An HLS channel whose encoder hangs; the web server is fine.",
                "check_hls",
                self.frozen_hls.url(),
                2,
            ),
            scene("An Icecast mount.", "check_http_stream", self.icecast.url("good.mp3"), 0),
            scene(
                "An Icecast mount whose source hangs; listeners still get what the server has buffered.",
                "check_http_stream",
                self.icecast.url("stalled.mp3"),
                2,
            ),
        ]
    }

    /// Keeps the platform until Enter, and says how to reach it.
    fn stay(&self, scenes: &[Scene]) -> Result<()> {
        let name = self.lab.dir().file_name().context("the lab has a name")?.display().to_string();
        let inside =
            if self.lab.is_private() { format!("sudo ip netns exec {name} ") } else { String::new() };
        println!("\nThe platform runs until you press Enter. Ask it yourself from another terminal:");
        for scene in scenes {
            println!("  {inside}target/debug/{} --output human {}", scene.check, scene.url);
        }
        std::io::stdout().flush()?;
        std::io::stdin().lock().read_line(&mut String::new())?;
        Ok(())
    }
}

fn what_next() -> &'static str {
    "What to try next:
  cargo xtask demo --stay                 keep this platform running and ask it yourself
  target/debug/check_hls --help           options, thresholds, examples; the same for every check
  target/debug/check_rtsp --output human rtsp://YOUR.SERVER/LIVE
                                          your own stream, for a person; also json and openmetrics
  nagios-conf/ and munin-conf/            ready definitions for Nagios, Icinga and Munin
  docs/plugins/                           one page per program
  cargo xtask test                        everything, against the real servers
  cargo xtask dist                        static binaries to copy to your monitoring host"
}
