//! From bytes of a container to coded frames.

mod aac;
mod flv;
mod frames;
mod mp4;
mod ogg;
mod rtp;
mod ts;

use weir_wire::media::{Container, sniff};

use crate::{Codec, Watcher};
use frames::Frames;
pub use rtp::RtpTrack;

/// So many first bytes tell what they are.
const SNIFF: usize = 4096;
/// A fragmented MP4 that comes as an endless body is held back up to this size.
const HELD_MAX: usize = 16 * 1024 * 1024;

/// Takes a container apart and gives the frames to a [`Watcher`].
#[derive(Default)]
pub struct Demuxer {
    container: Option<Container>,
    /// Bytes before it is known what they are; all of them for MP4.
    held: Vec<u8>,
    frames: Frames,
    ogg: ogg::Ogg,
    ts: ts::Ts,
    flv: flv::Flv,
    mp4: mp4::Mp4,
}

impl Demuxer {
    /// For a stream of which nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next bytes of an endless body.
    pub fn feed(&mut self, bytes: &[u8], watcher: &mut Watcher) {
        let Some(container) = self.container else {
            self.held.extend_from_slice(bytes);
            if self.held.len() >= SNIFF {
                self.begin(watcher);
            }
            return;
        };
        self.take(container, bytes, watcher);
    }

    /// Nothing more comes.
    pub fn finish(&mut self, watcher: &mut Watcher) {
        if self.container.is_none() && !self.held.is_empty() {
            self.begin(watcher);
        }
        self.ts.flush(watcher);
        if self.container == Some(Container::Mp4) {
            self.mp4.segment(&std::mem::take(&mut self.held), watcher);
        }
    }

    /// An initialization segment of fragmented MP4.
    pub fn init(&mut self, bytes: &[u8]) {
        self.container = Some(Container::Mp4);
        self.mp4.init(bytes);
    }

    /// One whole segment of HLS or DASH; a segment of another kind than the one before it begins anew.
    pub fn segment(&mut self, bytes: &[u8], watcher: &mut Watcher) {
        match sniff(bytes) {
            Container::Mp4 => self.mp4.segment(bytes, watcher),
            container if container.is_media() => {
                let bytes = weir_wire::media::skip_id3(bytes).unwrap_or_default();
                self.take(container, bytes, watcher);
                self.ts.flush(watcher);
            }
            // An encrypted segment looks like nothing at all.
            other => watcher.cannot(format!("the media is {other}")),
        }
    }

    fn begin(&mut self, watcher: &mut Watcher) {
        let container = sniff(&self.held);
        self.container = Some(container);
        let held = std::mem::take(&mut self.held);
        self.take(container, &held, watcher);
    }

    fn take(&mut self, container: Container, bytes: &[u8], watcher: &mut Watcher) {
        match container {
            Container::MpegAudio | Container::Adts => {
                if watcher.wants(false) {
                    self.frames.feed(0, bytes, watcher);
                }
            }
            Container::Ogg => self.ogg.feed(bytes, watcher),
            Container::MpegTs => self.ts.feed(bytes, watcher),
            Container::Flv => self.flv.feed(bytes, watcher),
            Container::Mp4 if self.held.len() + bytes.len() <= HELD_MAX => self.held.extend_from_slice(bytes),
            Container::Mp4 => watcher.cannot(format!("more than {HELD_MAX} bytes of MP4 came")),
            other => watcher.cannot(format!("nobody here takes {other} apart")),
        }
    }
}

/// The codec that an MPEG-TS or MP4 names.
fn other(name: &'static str, video: bool) -> Codec {
    if video { Codec::OtherVideo(name) } else { Codec::OtherAudio(name) }
}
