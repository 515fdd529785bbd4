//! A transport stream in one piece and in two must give the same report; MP4 boxes must end.
#![no_main]
use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use weir_wire::ts::{Analyzer, PACKET, analyze, mp4};

fuzz_target!(|input: (u16, &[u8])| {
    let (at, bytes) = input;
    // Give the fuzzer packets: a sync byte at every 188th place of one half of the inputs.
    let mut bytes = bytes.to_vec();
    if at & 1 == 0 {
        bytes.chunks_mut(PACKET).for_each(|packet| packet[0] = 0x47);
    }
    let (first, second) = bytes.split_at(usize::from(at).min(bytes.len()));
    let mut analyzer = Analyzer::new();
    analyzer.feed(first);
    analyzer.feed(second);
    let report = analyzer.finish();
    assert_eq!(report, analyze(&bytes));
    assert_eq!(report.packets * PACKET as u64 + report.extra_bytes + report.junk_bytes, bytes.len() as u64);
    let _ = (report.duration(), report.opens_with_key_frame(), report.continuity_errors());
    // With arrival times, some of them long after the one before; what is handed on is never more than what came.
    let (mut timed, mut handed) = (Analyzer::new(), 0);
    for (n, packet) in bytes.chunks(PACKET).enumerate() {
        let at = Duration::from_millis(n as u64 * u64::from(at));
        timed.feed_with(packet, Some(at), |piece| handed += piece.bytes.len());
    }
    assert!(handed <= bytes.len());
    let timed = timed.finish_at(Duration::from_secs(100_000));
    assert_eq!((timed.packets, timed.continuity_errors()), (report.packets, report.continuity_errors()));
    for program in &timed.programs {
        let _ = (timed.pmt_interval(program), timed.service(program), timed.packets_of(program));
    }
    let _ = mp4::survey(&bytes);
});
