//! Short clips, encoded once per machine: every encoder of the lab copies them (`-c copy`), which costs about 1 % of a
//! core instead of all of it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

use crate::binaries::target_dir;
use crate::namespace::{run, tool};

const TONE: &str = "-f lavfi -i sine=440:r=44100";
const QUIET: &str = "-f lavfi -i anullsrc=r=44100:cl=mono";
const PICTURE: &str = "-f lavfi -i testsrc2=s=320x180:r=15";
const DARK: &str = "-f lavfi -i color=black:s=320x180:r=15";
const H264: &str = "-c:v libx264 -preset ultrafast -g 15 -bf 0 -pix_fmt yuv420p";

/// What a source plays. Every clip lasts 30 s and is played in a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clip {
    /// MP3, 64 kbit/s, a 440 Hz tone.
    Tone,
    /// MP3, 64 kbit/s, digital silence.
    Silence,
    /// Ogg Vorbis, a tone.
    ToneOgg,
    /// ADTS AAC, 48 kbit/s, a tone.
    ToneAac,
    /// MP4, H.264 320x180 at 200 kbit/s with a key frame each second, AAC 48 kbit/s.
    Video,
    /// MP4, H.264 640x360 at 500 kbit/s with a key frame each second, AAC 48 kbit/s.
    VideoHigh,
    /// MP4, black picture and silence.
    Black,
    /// MP4, a test card that does not change, and a tone.
    Still,
    /// MPEG-TS of [`Clip::Video`].
    VideoTs,
    /// Windows Media (WMV2, WMA2).
    Wmv,
    /// `RealMedia`, `RealAudio` 14.4 with the title `News_at_ten`.
    RealAudio,
    /// `RealMedia`, `RealVideo` 2 (RV20) 320x180 and `RealAudio` 14.4.
    RealVideo,
}

impl Clip {
    /// The file's name; its extension is that of the container.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Tone => "tone.mp3",
            Self::Silence => "silence.mp3",
            Self::ToneOgg => "tone.ogg",
            Self::ToneAac => "tone.aac",
            Self::Video => "video.mp4",
            Self::VideoHigh => "video-high.mp4",
            Self::Black => "black.mp4",
            Self::Still => "still.mp4",
            Self::VideoTs => "video.ts",
            Self::Wmv => "video.wmv",
            Self::RealAudio => "tone.rm",
            Self::RealVideo => "video.rm",
        }
    }

    /// The MIME type under which a server offers it.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Tone | Self::Silence => "audio/mpeg",
            Self::ToneOgg => "application/ogg",
            Self::ToneAac => "audio/aac",
            Self::Video | Self::VideoHigh | Self::Black | Self::Still => "video/mp4",
            Self::VideoTs => "video/mp2t",
            Self::Wmv => "video/x-ms-wmv",
            Self::RealAudio | Self::RealVideo => "application/vnd.rn-realmedia",
        }
    }

    fn encoding(self) -> String {
        match self {
            Self::Tone => format!("{TONE} -c:a libmp3lame -b:a 64k"),
            Self::Silence => format!("{QUIET} -c:a libmp3lame -b:a 64k"),
            Self::ToneOgg => format!("{TONE} -c:a libvorbis"),
            Self::ToneAac => format!("{TONE} -c:a aac -b:a 48k"),
            Self::Video | Self::VideoTs => format!("{PICTURE} {TONE} {H264} -b:v 200k -c:a aac -b:a 48k"),
            Self::VideoHigh => {
                let large = PICTURE.replace("320x180", "640x360");
                format!("{large} {TONE} {H264} -b:v 500k -c:a aac -b:a 48k")
            }
            Self::Black => format!("{DARK} {QUIET} {H264} -b:v 200k -c:a aac -b:a 48k"),
            Self::Still => {
                let card = PICTURE.replace("testsrc2", "smptebars");
                format!("{card} {TONE} {H264} -qp 28 -c:a aac -b:a 48k")
            }
            Self::Wmv => format!("{PICTURE} {TONE} -c:v wmv2 -b:v 200k -c:a wmav2 -b:a 48k"),
            Self::RealAudio => format!("{TONE} -c:a real_144 -ar 8000 -ac 1 -metadata title=News_at_ten"),
            Self::RealVideo => format!("{PICTURE} {TONE} -c:v rv20 -b:v 200k -c:a real_144 -ar 8000 -ac 1"),
        }
    }

    /// The clip's file; encoded at the first call on this machine.
    pub fn path(self) -> Result<PathBuf> {
        once_per_machine(self.file_name(), |path| {
            let encoding = self.encoding();
            let mut ffmpeg = tool("ffmpeg");
            ffmpeg.args(["-v", "error", "-y"]).args(encoding.split(' ')).args(["-t", "30"]).arg(path);
            run(&mut ffmpeg).map(drop)
        })
    }
}

/// Makes `target/weir-lab/media/NAME` if it is not there; several processes may ask at once, one makes it.
pub(crate) fn once_per_machine(name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let folder = target_dir()?.join("weir-lab/media");
    let path = folder.join(name);
    if path.exists() {
        return Ok(path);
    }
    fs::create_dir_all(&folder)?;
    let lock = File::create(folder.join(format!(".{name}.lock")))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    if !path.exists() {
        let unfinished = folder.join(format!("unfinished-{name}")); // keeps the extension, by which ffmpeg chooses
        make(&unfinished).with_context(|| format!("making {name}"))?;
        fs::rename(&unfinished, &path)?;
    }
    Ok(path)
}
