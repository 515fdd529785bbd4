//! DASH manifests: whatever is read, every representation answers where its newest and oldest segments are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_wire::dash::{MAX_REPRESENTATIONS, MAX_URI, parse};

fuzz_target!(|bytes: &[u8]| {
    let Ok(mpd) = parse(bytes) else { return };
    let all = || mpd.periods.iter().flat_map(|period| &period.representations);
    assert!(all().count() <= MAX_REPRESENTATIONS);
    for one in all() {
        for elapsed in [-1.0, 0.0, 20.0, 1e9, f64::INFINITY] {
            let places = [one.segments.newest(elapsed, None), one.segments.newest(elapsed, Some(30.0))];
            for place in places.into_iter().flatten().chain(one.segments.oldest(elapsed, Some(10.0))) {
                if let Ok(media) = one.media(&place) {
                    assert!(media.uri.is_none_or(|uri| uri.len() <= MAX_URI));
                }
            }
        }
        let _ = (one.initialization(), one.segments.longest());
    }
});
