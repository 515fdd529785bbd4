//! Squid's pages, lines of its access log in any format, and SNMP answers: read or refused, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_wire::snmp;
use weir_wire::squid::access_log::Format;
use weir_wire::squid::{Averages, Clients, Counters, Info, Page, Peer, Store};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let _ = Counters::parse(&text);
    let _ = Averages::parse(Page::FiveMinutes, &text);
    let _ = Info::parse(&text);
    let _ = Store::parse(&text);
    let _ = Peer::parse_list(&text);
    let _ = Clients::parse(&text);
    let _ = snmp::decode(data);
    // The first line is the template, the others are the log.
    let (template, log) = text.split_once('\n').unwrap_or((&text, &text));
    let formats = [Format::new("squid"), Format::new("combined"), Format::new(template)];
    for format in formats.iter().flatten() {
        for line in log.as_bytes().split(|byte| *byte == b'\n') {
            if let Some(entry) = format.read(line) {
                let _ = (entry.site(), entry.path(), entry.is_hit(), entry.is_aborted());
            }
        }
    }
});
