//! No playlist may panic, and what was read must hold together.
#![no_main]
use libfuzzer_sys::fuzz_target;
use weir_wire::hls::{MAX_DEFECTS, Playlist, Progress, Scope, parse_in};

fuzz_target!(|bytes: &[u8]| {
    let headed = [b"#EXTM3U\n", bytes].concat();
    for bytes in [bytes, &headed] {
        match parse_in(bytes, &Scope { imports: None, query: "token=x&a=%7b$b}" }) {
            Ok(Playlist::Media(media)) => {
                assert!(media.defects.len() <= MAX_DEFECTS);
                assert!(media.duration().is_finite() && media.duration() >= 0.0);
                assert!(media.segments.is_sorted_by_key(|segment| segment.sequence));
                let edge = media.edge();
                assert_eq!(edge.since(&edge), Progress::Same);
            }
            Ok(Playlist::Master(master)) => {
                assert!(master.media_uris().len() <= master.variants.len() + master.renditions.len())
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
