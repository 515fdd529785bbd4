//! Replies recorded from 6.1 with padding (user-mode Linux) and without (a distribution kernel), compared with what `ipvsadm`
//! printed of the same tables.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::ip_vs::ipvsadm;
use crate::ip_vs::{DaemonRole, Dest, Key, Service, Told};

fn recorded(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/ip_vs").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn payloads(bytes: &[u8]) -> Vec<&[u8]> {
    let record = |message: Result<Message<'_>, _>| match message.expect("a message") {
        Message::Record { payload, .. } => {
            Some(&bytes[payload.as_ptr() as usize - bytes.as_ptr() as usize..][..payload.len()])
        }
        Message::End { errno, .. } => {
            assert_eq!(errno, 0);
            None
        }
    };
    Messages::new(bytes).filter_map(record).collect()
}

fn table(kernel: &str) -> Vec<Service> {
    let bytes = recorded(&format!("{kernel}/genl/get_service.bin"));
    let mut services: Vec<Service> =
        payloads(&bytes).into_iter().map(|p| service(p).expect("a service").expect("known")).collect();
    for (at, service) in services.iter_mut().enumerate() {
        let bytes = recorded(&format!("{kernel}/genl/get_dest_{at:02}.bin"));
        let dest = |payload| dest(payload, service.key.is_ipv6()).expect("a destination");
        service.dests = payloads(&bytes).into_iter().map(dest).collect();
        service.dests.sort_by_key(Dest::address);
    }
    services.sort_by_key(|service| service.key);
    services
}

/// A table as ipvsadm printed it, in three texts: counts, counters, thresholds.
fn printed(kernel: &str) -> Vec<Service> {
    let text = |name: &str| String::from_utf8(recorded(&format!("{kernel}/{name}"))).expect("text");
    let mut services = ipvsadm::listing(&text("ipvsadm_Ln")).expect("a listing");
    let saved = ipvsadm::rules(&text("ipvsadm_save")).expect("rules");
    let stats = ipvsadm::listing(&text("ipvsadm_stats_exact")).expect("a listing");
    let thresholds = ipvsadm::listing(&text("ipvsadm_thresholds")).expect("a listing");
    for service in &mut services {
        let same = |table: &[Service]| {
            table.iter().find(|s| s.key == service.key).expect("the same service").clone()
        };
        let (stats, thresholds, saved) = (same(&stats), same(&thresholds), same(&saved));
        service.stats = stats.stats;
        for dest in &mut service.dests {
            let told = |table: &Service| *table.dest(dest.address()).expect("the same destination").told();
            let (stats, thresholds, saved) = (told(&stats), told(&thresholds), told(&saved));
            dest.tell(|told| *told = Told { stats: stats.stats, tunnel: saved.tunnel, ..thresholds });
        }
        service.dests.sort_by_key(Dest::address);
    }
    services.sort_by_key(|service| service.key);
    services
}

/// Without what `ipvsadm` does not print in these texts.
fn comparable(mut table: Vec<Service>) -> Vec<Service> {
    for service in &mut table {
        let strip = |stats: Option<&mut crate::ip_vs::Stats>| {
            if let Some(s) = stats {
                (s.conn_rate, s.in_packet_rate, s.out_packet_rate, s.in_byte_rate, s.out_byte_rate) =
                    (0, 0, 0, 0, 0);
            }
        };
        strip(service.stats.as_mut());
        for dest in &mut service.dests {
            dest.tell(|told| {
                strip(told.stats.as_mut());
                told.persistent = None;
            });
        }
    }
    table
}

#[test]
fn the_table_equals_that_of_ipvsadm_with_and_without_padding() {
    for kernel in ["uml-6.1", "cloud-6.1"] {
        let (own, theirs) = (comparable(table(kernel)), comparable(printed(kernel)));
        assert_eq!(own.len(), 14, "{kernel}");
        for (own, theirs) in own.iter().zip(&theirs) {
            assert_eq!(own, theirs, "{kernel}");
        }
    }
}

#[test]
fn a_dump_that_ends_says_so() {
    let bytes = recorded("uml-6.1/genl/get_dest_10.bin");
    let messages: Vec<_> = Messages::new(&bytes).collect();
    assert!(matches!(messages[..], [Ok(Message::End { errno: 0, .. })]), "{messages:?}");
}

#[test]
fn the_family_info_and_timeouts() {
    let of = |name: &str| recorded(&format!("uml-6.1/genl/{name}.bin"));
    assert_eq!(family_id(payloads(&of("getfamily"))[0]), Ok(28));
    assert_eq!(info(payloads(&of("get_info"))[0]), Ok(Info { version: 0x01_02_01, table_size: 4096 }));
    assert_eq!(timeouts(payloads(&of("get_config"))[0]), Ok(Timeouts { tcp: 900, tcp_fin: 120, udp: 300 }));
}

#[test]
fn two_daemons_with_a_port_in_native_order() {
    let bytes = recorded("uml-6.1/genl/get_daemon_two.bin");
    let daemons: Vec<_> = payloads(&bytes).into_iter().map(|p| daemon(p).expect("a daemon")).collect();
    assert_eq!(daemons.iter().map(|d| d.role).collect::<Vec<_>>(), [DaemonRole::Master, DaemonRole::Backup]);
    assert_eq!((daemons[0].sync_id, daemons[0].port, daemons[0].interface.as_str()), (42, 8848, "vcl"));
    assert_eq!(daemons[1].group, Some("224.0.0.99".parse().expect("an address")));
}

#[test]
fn requests_have_the_bytes_that_kernels_accept() {
    let key = Key::tcp("10.0.0.1:80".parse().expect("an address"));
    let bytes = get_dests(28, 7, &key);
    assert_eq!(bytes.len() % 4, 0);
    assert_eq!(
        &bytes[..20],
        &[
            &u32::try_from(bytes.len()).expect("short").to_ne_bytes()[..],
            &28_u16.to_ne_bytes(),
            &0x301_u16.to_ne_bytes(),
            &7_u32.to_ne_bytes(),
            &[0; 4],
            &[8, 1, 0, 0]
        ]
        .concat()[..]
    );
    assert!(bytes.windows(2).any(|pair| pair == [0, 80]), "the port is big-endian");
}

#[test]
fn a_length_that_lies_is_an_error_with_its_place() {
    let mut bytes = recorded("uml-6.1/genl/get_info.bin");
    bytes[0] = 255;
    let error = Messages::new(&bytes).next().expect("something").expect_err("too long");
    assert_eq!(error.to_string(), "the message at byte 0 claims 255 bytes, 36 are left");
}

proptest! {
    #[test]
    fn no_bytes_are_fatal(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), which in 0_usize..4, at in any::<proptest::sample::Index>(), value in any::<u8>()) {
        // Recorded replies with one byte changed come further than noise.
        if which < 3 {
            bytes = recorded(["uml-6.1/genl/get_dest_07.bin", "uml-6.1/genl/get_service.bin", "uml-6.1/genl/get_daemon_two.bin"][which]);
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        for message in Messages::new(&bytes).take(1000).flatten() {
            if let Message::Record { payload, .. } = message {
                let _ = (service(payload), dest(payload, false), daemon(payload), family_id(payload), info(payload));
                let _ = (timeouts(payload), interface_address(payload));
            }
        }
    }
}
