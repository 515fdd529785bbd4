//! Session descriptions, down to the parameter sets inside.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_wire::sdp;

fuzz_target!(|data: &[u8]| {
    let _ = sdp::h264_resolution(data);
    let _ = sdp::h265_resolution(data);
    let Ok(description) = sdp::parse(data) else { return };
    let _ = (description.control(), description.is_live());
    for media in &description.media {
        let _ = (media.control(), media.codec(), media.clock_rate(), media.frame_rate(), media.audio());
        if let Some(sdp::Resolution { width, height }) = media.resolution() {
            assert!(width > 0 && height > 0);
        }
    }
});
