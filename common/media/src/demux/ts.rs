//! MPEG-TS: elementary streams put together to frames.

use std::collections::BTreeMap;

use weir_wire::ts::{Analyzer, Kind, Report};

use super::frames::Frames;
use crate::{Codec, Unit, Watcher};

/// The most bytes of one coded picture that are put together.
const PICTURE_MAX: usize = 4 * 1024 * 1024;
/// So much may come before the tables.
const HELD_MAX: usize = 512 * 1024;
/// Presentation times count so many a second.
const CLOCK: f64 = 90_000.0;

/// Takes a transport stream apart.
pub(super) struct Ts {
    analyzer: Analyzer,
    tracks: BTreeMap<u16, Track>,
    /// What came before the tables that tell what it is, and who looks for them: the first picture must not be missed.
    held: Vec<u8>,
    scout: Option<Analyzer>,
}

impl Default for Ts {
    fn default() -> Self {
        Self {
            analyzer: Analyzer::new(),
            tracks: BTreeMap::new(),
            held: Vec::new(),
            scout: Some(Analyzer::new()),
        }
    }
}

struct Track {
    codec: Codec,
    frames: Frames,
    picture: Vec<u8>,
    time: Option<f64>,
}

impl Ts {
    /// The next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8], watcher: &mut Watcher) {
        let Some(scout) = &mut self.scout else {
            self.pass(bytes, watcher);
            return;
        };
        scout.feed(bytes);
        self.held.extend_from_slice(bytes);
        if scout.report().streams().next().is_some() || self.held.len() > HELD_MAX {
            self.release(watcher);
        }
    }

    /// Passes on what was held.
    fn release(&mut self, watcher: &mut Watcher) {
        if let Some(scout) = self.scout.take() {
            register(&mut self.tracks, scout.report());
            let held = std::mem::take(&mut self.held);
            self.pass(&held, watcher);
        }
    }

    fn pass(&mut self, bytes: &[u8], watcher: &mut Watcher) {
        let Self { analyzer, tracks, .. } = self;
        analyzer.feed_with(bytes, None, |piece| {
            if let Some(track) = tracks.get_mut(&piece.pid) {
                track.piece(piece.pid, piece.start, piece.pts, piece.bytes, watcher);
            }
        });
        register(tracks, analyzer.report());
        if analyzer.report().scrambled_share() > 0.0 {
            watcher.cannot("the transport stream is scrambled");
        }
    }

    /// A segment has ended, and with it the last picture of each track; tables need not come again.
    pub(super) fn flush(&mut self, watcher: &mut Watcher) {
        self.release(watcher);
        for (pid, track) in &mut self.tracks {
            track.flush(*pid, watcher);
        }
    }
}

/// A track for each stream that tables name.
fn register(tracks: &mut BTreeMap<u16, Track>, report: &Report) {
    for stream in report.streams().filter(|stream| stream.kind != Kind::Data) {
        let codec = codec(stream.codec, stream.kind == Kind::Video);
        let new = || Track { codec, frames: Frames::default(), picture: Vec::new(), time: None };
        tracks.entry(stream.pid).or_insert_with(new);
    }
}

impl Track {
    fn piece(&mut self, pid: u16, start: bool, pts: Option<u64>, bytes: &[u8], watcher: &mut Watcher) {
        if !watcher.wants(self.codec.is_video()) {
            return;
        }
        match self.codec {
            Codec::MpegAudio | Codec::Aac { .. } => self.frames.feed(pid.into(), bytes, watcher),
            _ => {
                if start {
                    self.flush(pid, watcher);
                    self.time = pts.map(|pts| pts as f64 / CLOCK).or(self.time);
                }
                if self.picture.len() + bytes.len() <= PICTURE_MAX {
                    self.picture.extend_from_slice(bytes);
                }
            }
        }
    }

    fn flush(&mut self, pid: u16, watcher: &mut Watcher) {
        if let (Some(time), false) = (self.time, self.picture.is_empty()) {
            let unit = Unit { track: pid.into(), codec: self.codec, time, bytes: &self.picture };
            if self.codec == Codec::Opus { opus(&unit, watcher) } else { watcher.unit(&unit) }
        }
        self.picture.clear();
    }
}

/// Opus access units: a control header of 0x7fe0, flags and a size before each packet (ETSI TS 103 491 annex, `opus_control_header`).
fn opus(unit: &Unit<'_>, watcher: &mut Watcher) {
    let mut rest = unit.bytes;
    while let [0x7f, flags, after @ ..] = rest {
        if flags & 0xe0 != 0xe0 {
            return;
        }
        rest = after;
        let mut size = 0;
        loop {
            let Some((&byte, after)) = rest.split_first() else { return };
            rest = after;
            size += usize::from(byte);
            if byte < 255 {
                break;
            }
        }
        // Trimming at the start and the end has two bytes each, an extension its own length.
        let trims = usize::from(flags & 0x10 != 0) * 2 + usize::from(flags & 0x08 != 0) * 2;
        let extension =
            if flags & 0x04 != 0 { 1 + rest.get(trims).copied().map_or(0, usize::from) } else { 0 };
        let Some((packet, after)) =
            rest.get(trims + extension..).and_then(|rest| rest.split_at_checked(size))
        else {
            return;
        };
        watcher.unit(&Unit { bytes: packet, ..*unit });
        rest = after;
    }
}

fn codec(name: &'static str, video: bool) -> Codec {
    match name {
        "h264" => Codec::H264,
        "hevc" => Codec::H265,
        "mpeg audio" => Codec::MpegAudio,
        // Each frame says its own.
        "aac" => Codec::Aac { rate: 0, channels: 0 },
        "opus" => Codec::Opus,
        name => super::other(name, video),
    }
}
