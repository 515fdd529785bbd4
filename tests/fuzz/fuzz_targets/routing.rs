//! What routing daemons, name servers and the kernel's routing table answer.
#![no_main]
use libfuzzer_sys::fuzz_target;
use weir_wire::bgp::{ROWS_MAX, bird, exabgp, frr, gobgp};
use weir_wire::{dns, protobuf, rtnetlink};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Some(reply)) = bird::Decoder::default().push(bytes) {
        assert!(bird::sessions(&reply).len() <= ROWS_MAX && bird::paths(&reply).len() <= ROWS_MAX);
        let _ = bird::roa(&reply);
    }
    let _ = frr::reply(bytes);
    let text = String::from_utf8_lossy(bytes);
    if let Ok(value) = frr::json(&text) {
        let _ = (
            frr::sessions(&value, true),
            frr::paths(&value, "own"),
            frr::refused(&value),
            frr::roa(&value, "x"),
        );
    }
    if let Ok(answers) = gobgp::messages(bytes) {
        assert!(gobgp::sessions(&answers).len() <= ROWS_MAX);
        for api in [gobgp::Api::V3, gobgp::Api::V4] {
            assert!(api.destinations(&answers, "own").len() <= ROWS_MAX);
        }
    }
    assert!(protobuf::fields(bytes).count() <= bytes.len() && protobuf::packed(bytes).count() <= bytes.len());
    if let Ok(Some(lines)) = exabgp::reply(&text) {
        let _ = (exabgp::sessions(&lines, &lines), exabgp::sent(&lines));
    }
    if let Ok(answer) = dns::parse(bytes) {
        assert!(answer.nsid.is_none_or(|nsid| nsid.len() <= 2 * bytes.len()));
    }
    let _ = rtnetlink::parse(bytes);
});
