//! IPVS: netlink replies, the kernel's texts, listings and rules of ipvsadm, and the files of those who manage a director.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use weir_wire::ip_vs::expect::{self, Surroundings};
use weir_wire::ip_vs::netlink::{self, Message, Messages};
use weir_wire::ip_vs::{Protocol, control, ipvsadm, proc};

/// A machine on which every file includes itself and every name has an address.
struct Endless(String);

impl Surroundings for Endless {
    fn include(&mut self, _pattern: &str, _from: &str) -> Result<Vec<(String, String)>, String> {
        Ok(vec![("included".to_owned(), self.0.clone())])
    }

    fn addresses(&mut self, name: &str) -> Vec<IpAddr> {
        vec![IpAddr::from([192, 0, 2, u8::try_from(name.len() % 256).unwrap_or(0)])]
    }

    fn port(&mut self, name: &str, _protocol: Protocol) -> Option<u16> {
        u16::try_from(name.len()).ok()
    }
}

fuzz_target!(|data: &[u8]| {
    for message in Messages::new(data).flatten() {
        if let Message::Record { payload, .. } = message {
            let _ = (netlink::service(payload), netlink::dest(payload, true), netlink::daemon(payload));
            let _ = (netlink::info(payload), netlink::timeouts(payload), netlink::family_id(payload));
            let _ = netlink::interface_address(payload);
        }
    }
    let _ = (control::Info::read(data), control::pools(data), control::dests(data));
    let text = String::from_utf8_lossy(data);
    let _ = (proc::table(&text), proc::status(&text), proc::totals(&text), proc::sockets(&text));
    let _ = ipvsadm::listing(&text);
    // What was read from rules are rules.
    if let Ok(services) = ipvsadm::rules(&text) {
        assert!(services.iter().all(|service| service.key.to_string().parse() == Ok(service.key)));
    }
    let _ = expect::parse("fuzz", &text, Some("id"), &mut Endless(text.clone().into_owned()));
});
