//! Rules of RFC 8216 (and its successor, for low latency) that players rely on.

use weir_wire::hls::{MasterPlaylist, MediaPlaylist, RenditionType};

/// A peak this far above the announced one stalls players which chose the variant by it.
const OVER_BANDWIDTH: f64 = 1.5;
/// Durations are floating point: so much is no longer.
const HAIR: f64 = 0.001;

/// What a master playlist does wrong.
pub(super) fn master(playlist: &MasterPlaylist) -> Vec<String> {
    let mut broken: Vec<String> = playlist.defects.iter().map(ToString::to_string).collect();
    let group_exists = |kind: RenditionType, group: &str| {
        playlist.renditions.iter().any(|rendition| rendition.kind == kind && rendition.group == group)
    };
    for variant in &playlist.variants {
        let groups = [
            (RenditionType::Audio, "AUDIO", &variant.audio),
            (RenditionType::Video, "VIDEO", &variant.video),
            (RenditionType::Subtitles, "SUBTITLES", &variant.subtitles),
        ];
        for (kind, name, group) in groups {
            if let Some(group) = group.as_deref().filter(|group| !group_exists(kind, group)) {
                broken.push(format!("the {name} group \"{group}\" of {} does not exist", variant.uri));
            }
        }
    }
    broken
}

/// What a media playlist does wrong.
pub(super) fn media(playlist: &MediaPlaylist) -> Vec<String> {
    let mut broken: Vec<String> = playlist.defects.iter().map(ToString::to_string).collect();
    if let Some(target) = playlist.target_duration {
        let longest = playlist.segments.iter().max_by(|a, b| a.duration.total_cmp(&b.duration));
        // Section 4.3.3.1: rounded to the nearest integer.
        if let Some(segment) = longest.filter(|segment| segment.duration.round() > target) {
            broken.push(format!(
                "segment {} lasts {:.3} s, longer than TARGETDURATION {target}",
                segment.sequence, segment.duration
            ));
        }
        // Section 6.2.2: a server must not remove segments below this.
        let listed = playlist.duration();
        if playlist.is_live()
            && playlist.media_sequence > 0
            && playlist.skipped == 0
            && listed + HAIR < 3.0 * target
        {
            broken.push(format!(
                "only {listed:.1} s are listed, less than three target durations of {target} s"
            ));
        }
    }
    low_latency(playlist, &mut broken);
    broken
}

/// rfc8216bis sections 4.4.3.7, 4.4.3.8 and 4.4.4.9.
fn low_latency(playlist: &MediaPlaylist, broken: &mut Vec<String>) {
    let Some(target) = playlist.part_target else { return };
    let parts = playlist.segments.iter().flat_map(|segment| &segment.parts).chain(&playlist.parts);
    let longest = parts.map(|part| part.duration).fold(0.0, f64::max);
    if longest > target + HAIR {
        broken.push(format!("a part lasts {longest:.3} s, longer than PART-TARGET {target}"));
    }
    match playlist.server_control.and_then(|control| control.part_hold_back) {
        None => broken.push("PART-HOLD-BACK is missing".to_owned()),
        Some(hold) if hold + HAIR < 2.0 * target => {
            broken.push(format!("PART-HOLD-BACK {hold} is less than two parts of {target} s"));
        }
        Some(_) => {}
    }
}

/// Whether a segment needs more than the master playlist announces.
pub(super) fn exceeds(bitrate: f64, bandwidth: u64) -> bool {
    bandwidth > 0 && bitrate > bandwidth as f64 * OVER_BANDWIDTH
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_wire::hls::{Playlist, parse};

    fn media_of(text: &str) -> Vec<String> {
        match parse(text.as_bytes()) {
            Ok(Playlist::Media(playlist)) => media(&playlist),
            other => panic!("no media playlist: {other:?}"),
        }
    }

    #[test]
    fn what_ffmpeg_and_nginx_write_breaks_no_rule() {
        for recorded in [
            include_str!("../../testdata/hls/ffmpeg-live-pdt.m3u8"),
            include_str!("../../testdata/hls/nginx-rtmp-live.m3u8"),
        ] {
            assert_eq!(media_of(recorded), Vec::<String>::new());
        }
    }

    #[test]
    fn a_segment_longer_than_the_target_is_named() {
        let text =
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.4,\na.ts\n#EXTINF:2.6,\nb.ts\n#EXTINF:2,\nc.ts\n";
        assert_eq!(media_of(text), ["segment 1 lasts 2.600 s, longer than TARGETDURATION 2"]);
    }

    #[test]
    fn a_window_of_less_than_three_targets_is_short() {
        let text =
            "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:4,\na.ts\n#EXTINF:4,\nb.ts\n";
        assert!(media_of(text)[0].contains("only 8.0 s"), "{:?}", media_of(text));
        assert!(media_of(&text.replace(":7\n", ":0\n")).is_empty(), "it has only begun");
        assert!(media_of(&format!("{text}#EXT-X-ENDLIST\n")).is_empty(), "it has ended");
    }

    #[test]
    fn a_group_that_nobody_defines_is_named() {
        let text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\nv.m3u8\n";
        let Ok(Playlist::Master(playlist)) = parse(text.as_bytes()) else { panic!("no master playlist") };
        assert_eq!(master(&playlist), ["the AUDIO group \"a\" of v.m3u8 does not exist"]);
    }
}
