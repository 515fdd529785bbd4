//! What was seen of a stream: what it is said to be, what came of each track, and how it ended.

use std::time::Duration;

use url::Url;
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
    /// Where redirects led, in their order.
    pub redirects: Vec<Url>,
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
    /// Takes a message of sound or picture that came at `now`; others are nothing to it.
    pub fn take(&mut self, message: &Message, now: Duration) {
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

    /// How long three pictures take when they are announced as slow as slides, at 0.4 to 1.5 a second. What is announced to be slower
    /// is not believed: it could not be told from a picture that has stopped.
    pub fn slides(&self) -> Option<Duration> {
        let rate = self.metadata.as_ref().and_then(|data| data.frame_rate);
        rate.filter(|rate| (0.4..1.5).contains(rate)).map(|rate| Duration::from_secs_f64(3.0 / rate))
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

#[cfg(test)]
mod tests {
    use super::*;
    use weir_wire::rtmp::kind;

    /// A message of 100 bytes that begins so.
    fn message(kind: u8, timestamp: u32, head: &[u8]) -> Message {
        Message { kind, timestamp, stream: 1, length: 100, body: head.to_vec() }
    }

    /// Five seconds of both tracks, in which the time of the picture runs at `speed` percent.
    fn seen(speed: u32) -> Seen {
        let mut seen = Seen::default();
        for n in 0..100_u32 {
            let now = Duration::from_millis(u64::from(n) * 50);
            seen.take(&message(kind::AUDIO, n * 50, &[0xaf, 1]), now);
            seen.take(&message(kind::VIDEO, n * 50 * speed / 100, &[0x27, 1]), now);
        }
        seen
    }

    #[test]
    fn headers_that_a_server_has_kept_are_no_media() {
        let mut seen = Seen::default();
        for (kind, head) in [(kind::AUDIO, [0xaf, 0]), (kind::VIDEO, [0x17, 0]), (kind::VIDEO, [0x17, 2])] {
            seen.take(&message(kind, 0, &head), Duration::from_secs(1));
        }
        assert_eq!((seen.first_media, seen.pace.bytes), (None, 0));
        assert_eq!(seen.tracks().filter(|(_, track)| track.set_up).count(), 2);
    }

    #[test]
    fn a_track_whose_time_stands_still_shows_beside_one_that_runs() {
        assert_eq!(seen(100).speed(), Some(100.0));
        assert_eq!(seen(50).speed(), Some(50.0));
        assert_eq!(seen(0).speed(), Some(0.0));
    }

    #[test]
    fn metadata_is_read_as_encoders_write_it() {
        let data = |members: &[(&str, f64)]| {
            let member = |(name, value): &(&str, f64)| ((*name).to_owned(), Value::Number(*value));
            Metadata::read(&Value::Object(members.iter().map(member).collect()))
        };
        let live = [
            ("duration", 0.0),
            ("width", 320.0),
            ("height", 180.0),
            ("videocodecid", 7.0),
            ("audiocodecid", 0.0),
        ];
        let live = data(&live);
        assert_eq!((live.size, live.duration), (Some((320.0, 180.0)), None));
        assert_eq!((live.video, live.audio), (true, false), "0 is what encoders write for no track");
        let odd =
            data(&[("duration", f64::NAN), ("framerate", f64::INFINITY), ("width", -1.0), ("height", 1.0)]);
        assert_eq!(odd, Metadata::default());
        let recording = Seen { metadata: Some(data(&[("duration", 30.0)])), ..Seen::default() };
        assert!(!recording.live() && Seen::default().live());
    }
}
