//! What was seen of a stream: what it is said to be, what came of each track, and how it ended.

use std::time::Duration;

use weir_wire::rtmp::{Location, Message, Role, Setup, Tag, TrackKind, Value};

use crate::Pace;

/// What `onMetaData` says. Encoders fill in what they like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// Width and height of the picture.
    pub size: Option<(f64, f64)>,
    /// Frames a second.
    pub frame_rate: Option<f64>,
    /// Bits per second of sound and picture.
    pub bit_rate: Option<f64>,
    /// How long a recording lasts.
    pub duration: Option<Duration>,
    /// The encoder's name.
    pub encoder: Option<String>,
    /// Whether a picture is announced.
    pub video: bool,
    /// Whether sound is announced.
    pub audio: bool,
}

impl Metadata {
    /// Reads the names that encoders use (FLV 10.1, annex E.5, and OBS, ffmpeg, FMLE).
    pub(super) fn read(value: &Value) -> Self {
        let positive = |name: &str| {
            value.get(name).and_then(Value::number).filter(|number| number.is_finite() && *number > 0.0)
        };
        let text = |name: &str| value.get(name).and_then(Value::text).filter(|text| !text.is_empty());
        // A number of FLV, of which encoders without such a track write 0, or four characters.
        let codec = |name: &str| positive(name).is_some() || text(name).is_some();
        let rates = [positive("videodatarate"), positive("audiodatarate")];
        let sum: f64 = rates.iter().flatten().sum();
        Self {
            size: positive("width").zip(positive("height")),
            frame_rate: positive("framerate").or_else(|| positive("fps")),
            bit_rate: (sum > 0.0).then_some(sum * 1000.0),
            duration: positive("duration").and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            encoder: text("encoder").or_else(|| text("metadatacreator")).map(str::to_owned),
            video: codec("videocodecid") || positive("videodatarate").is_some(),
            audio: codec("audiocodecid") || positive("audiodatarate").is_some(),
        }
    }
}

/// What came of sound or picture.
#[derive(Clone, Debug, Default)]
pub struct Track {
    /// The codec, as its frames or its setup name it.
    pub codec: Option<String>,
    /// What its setup says.
    pub setup: Option<Setup>,
    /// Whether a setup came, which may be one that the server has kept.
    pub set_up: bool,
    /// Frames.
    pub frames: u64,
    /// Frames with which decoding may begin.
    pub key_frames: u64,
    /// How they came.
    pub pace: Pace,
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The server said so: a code, or a stream event.
    Said(String),
    /// The connection was closed or reset.
    Closed,
}

/// What was seen. Times count from the start of the check.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// What was asked for.
    pub location: Option<Location>,
    /// What the server says it is.
    pub server: Option<String>,
    /// The URL after redirects, when there were any.
    pub redirected: Option<String>,
    /// What the stream is said to be.
    pub metadata: Option<Metadata>,
    /// What the server last said of the stream: `NetStream.Play.Start`.
    pub said: Option<String>,
    /// When media was asked for.
    pub asked: Option<Duration>,
    /// When the first frame came.
    pub first_media: Option<Duration>,
    /// When the watch ended.
    pub until: Duration,
    /// The picture.
    pub video: Track,
    /// The sound.
    pub audio: Track,
    /// What came of both.
    pub pace: Pace,
    /// Whether the stream ended, and how.
    pub ended: Option<Ended>,
    /// Whether the server called it a recording.
    pub recorded: bool,
}

impl Seen {
    /// Takes a message of sound or picture.
    pub(super) fn take(&mut self, message: &Message, now: Duration) {
        let Some(tag) = Tag::read(message) else { return };
        let track = match tag.track {
            TrackKind::Audio => &mut self.audio,
            TrackKind::Video => &mut self.video,
        };
        if tag.codec.is_some() {
            track.codec = tag.codec;
        }
        match tag.role {
            Role::Setup => {
                track.set_up = true;
                track.setup = tag.setup.or(track.setup);
            }
            Role::Frame { key } => {
                track.frames += 1;
                track.key_frames += u64::from(key);
                self.first_media.get_or_insert(now);
                for pace in [&mut track.pace, &mut self.pace] {
                    pace.arrive(now);
                    pace.play(message.timestamp, message.length.into());
                }
            }
            Role::Other => {}
        }
    }

    /// Whether it is live; a recording has a length.
    pub fn live(&self) -> bool {
        !self.recorded && self.metadata.as_ref().is_none_or(|data| data.duration.is_none())
    }

    /// The tracks that are announced, or that came: their kind, and what came.
    pub fn tracks(&self) -> impl Iterator<Item = (&'static str, &Track)> {
        let announced = |of: fn(&Metadata) -> bool| self.metadata.as_ref().is_some_and(of);
        let is = |track: &Track, announced| announced || track.set_up || track.frames > 0;
        let video = is(&self.video, announced(|data| data.video)).then_some(("video", &self.video));
        let audio = is(&self.audio, announced(|data| data.audio)).then_some(("audio", &self.audio));
        video.into_iter().chain(audio)
    }

    /// How long was watched after the first frame.
    pub fn watched(&self) -> Duration {
        self.first_media.map_or(Duration::ZERO, |first| self.until.saturating_sub(first))
    }

    /// Bits of media per second: of a live stream what came after the burst, over time; of a recording what it plays at.
    pub fn bitrate(&self) -> Option<f64> {
        if self.live() { self.pace.live_rate(self.until) } else { self.pace.encoded_rate() }
    }

    /// Percent of real time at which the slowest track ran after the burst.
    pub fn speed(&self) -> Option<f64> {
        let speeds = [&self.video, &self.audio].map(|track| track.pace.speed());
        speeds.into_iter().flatten().min_by(f64::total_cmp)
    }
}
