//! The texts of `ipvsadm` 1.31: the listings of `-Ln` in all its columns, and the rules of `-Sn`, which people keep as
//! `/etc/ipvsadm.rules`.
//!
//! The rules carry no thresholds: `-S` forgets them.

use std::net::SocketAddr;

use super::model::{full_prefix, prefix, sched_flags};
use super::proc::TableError;
use super::{Dest, Forward, Key, MAX_LINE, MAX_ROWS, Persistence, Protocol, Service, Stats, Told, Tunnel};

/// Which numbers stand behind an address.
#[derive(Clone, Copy, PartialEq)]
enum Columns {
    Weights,
    Counters,
    Rates,
    Thresholds,
    Persistent,
}

/// Reads a listing of `ipvsadm -Ln`, also with `--stats`, `--rate`, `--thresholds` or `--persistent-conn`.
///
/// # Errors
/// The first line that cannot be read.
pub fn listing(text: &str) -> Result<Vec<Service>, TableError> {
    let mut services: Vec<Service> = Vec::new();
    let mut columns = Columns::Weights;
    for (number, line) in text.lines().enumerate() {
        let error = |why| TableError::new(number + 1, why, line);
        if line.len() > MAX_LINE || number > MAX_ROWS {
            return Err(error("too long"));
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [] | ["IP", "Virtual", "Server", ..] => {}
            ["Prot", ..] | ["->", "RemoteAddress:Port", ..] => columns = columns_of(line).unwrap_or(columns),
            ["->", address, ref rest @ ..] => {
                let service = services.last_mut().ok_or(error("a destination without a service"))?;
                let mut dest = Dest::new(address.parse().map_err(|_| error("address"))?);
                dest_columns(&mut dest, columns, rest).ok_or(error("number"))?;
                service.dests.push(dest);
            }
            [kind, address, ref rest @ ..] => {
                let ipv6 = rest.first() == Some(&"IPv6");
                let rest = if ipv6 { &rest[1..] } else { rest };
                let key = match kind.parse::<Protocol>() {
                    Ok(protocol) => {
                        Key::Address { protocol, address: address.parse().map_err(|_| error("address"))? }
                    }
                    Err(()) if kind == "FWM" => {
                        Key::Fwmark { mark: address.parse().map_err(|_| error("mark"))?, ipv6 }
                    }
                    Err(()) => return Err(error("unknown kind of service")),
                };
                let mut service = Service::new(key, "");
                if let Columns::Counters | Columns::Rates = columns {
                    service.stats = Some(statistics(columns, rest).ok_or(error("number"))?);
                } else {
                    service_flags(&mut service, rest).ok_or(error("flags"))?;
                }
                services.push(service);
            }
            _ => return Err(error("too few columns")),
        }
    }
    Ok(services)
}

/// Reads a listing that is a whole table, with weights: of `ipvsadm -Ln` alone.
///
/// # Errors
/// The first line that cannot be read, or a header of other columns, without which every server would seem to have its weight.
pub fn table(text: &str) -> Result<Vec<Service>, TableError> {
    let other = |(_, line): &(usize, &str)| {
        let header = ["Prot", "->"].iter().any(|start| line.trim_start().starts_with(start));
        header && columns_of(line).is_some_and(|columns| columns != Columns::Weights)
    };
    if let Some((number, line)) = text.lines().enumerate().find(other) {
        return Err(TableError::new(number + 1, "no weights: save ipvsadm -Ln or -Sn", line));
    }
    listing(text)
}

fn columns_of(header: &str) -> Option<Columns> {
    let has = |word: &str| header.contains(word);
    Some(match () {
        () if has("InPkts") => Columns::Counters,
        () if has("InPPS") => Columns::Rates,
        () if has("Uthreshold") => Columns::Thresholds,
        () if has("PersistConn") => Columns::Persistent,
        () if has("Forward") => Columns::Weights,
        () => return None,
    })
}

/// `wlc persistent 360 mask 255.255.255.0 pe sip ops (mh-port)`
fn service_flags(service: &mut Service, words: &[&str]) -> Option<()> {
    let mut words = words.iter();
    words.next().copied()?.clone_into(&mut service.scheduler);
    service.sched_flags = Some(0);
    let ipv6 = service.key.is_ipv6();
    while let Some(word) = words.next() {
        match *word {
            "persistent" => {
                let seconds = words.next()?.parse().ok()?;
                service.persistence = Some(Persistence { seconds: Some(seconds), prefix: full_prefix(ipv6) });
            }
            "mask" => {
                let bits = prefix(words.next()?)?;
                if let Some(persistence) = &mut service.persistence {
                    persistence.prefix = bits;
                }
            }
            "pe" => service.engine = words.next().map(|&name| name.to_owned()),
            "ops" => service.one_packet = true,
            word if word.starts_with('(') => {
                service.sched_flags = Some(sched_flags(word.trim_matches(['(', ')'])));
            }
            _ => {}
        }
    }
    Some(())
}

fn dest_columns(dest: &mut Dest, columns: Columns, words: &[&str]) -> Option<()> {
    let number = |at: usize| words.get(at)?.parse::<u32>().ok();
    match columns {
        Columns::Weights => {
            dest.forward = words.first()?.parse().ok()?;
            (dest.weight, dest.active, dest.inactive) = (number(1)?, number(2)?, number(3)?);
        }
        Columns::Counters | Columns::Rates => {
            let stats = statistics(columns, words)?;
            dest.tell(|told| told.stats = Some(stats));
        }
        Columns::Thresholds => {
            let (upper, lower) = (number(0)?, number(1)?);
            dest.tell(|told| (told.upper, told.lower) = (Some(upper), Some(lower)));
            (dest.active, dest.inactive) = (number(2)?, number(3)?);
        }
        Columns::Persistent => {
            let persistent = number(1)?;
            dest.tell(|told| told.persistent = Some(persistent));
            dest.weight = number(0)?;
            (dest.active, dest.inactive) = (number(2)?, number(3)?);
        }
    }
    Some(())
}

fn statistics(columns: Columns, words: &[&str]) -> Option<Stats> {
    let mut numbers = words.iter().map(|word| large(word));
    let mut next = || numbers.next().flatten();
    let values = [next()?, next()?, next()?, next()?, next()?];
    let mut stats = Stats::default();
    let into = if columns == Columns::Counters {
        [
            &mut stats.conns,
            &mut stats.in_packets,
            &mut stats.out_packets,
            &mut stats.in_bytes,
            &mut stats.out_bytes,
        ]
    } else {
        [
            &mut stats.conn_rate,
            &mut stats.in_packet_rate,
            &mut stats.out_packet_rate,
            &mut stats.in_byte_rate,
            &mut stats.out_byte_rate,
        ]
    };
    for (place, value) in into.into_iter().zip(values) {
        *place = value;
    }
    Some(stats)
}

/// Without `--exact`, large numbers are cut to thousands, millions and so on.
fn large(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(['K', 'M', 'G', 'T']);
    let factor = match &text[digits.len()..] {
        "" => 1,
        "K" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// Reads rules as `ipvsadm -Sn` and `ipvsadm-save -n` write them; `#` begins a comment.
///
/// # Errors
/// The first line that cannot be read. Names instead of addresses cannot: save with `-n`.
pub fn rules(text: &str) -> Result<Vec<Service>, TableError> {
    let mut services: Vec<Service> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let error = |why| TableError::new(number + 1, why, line);
        if line.len() > MAX_LINE || number > MAX_ROWS {
            return Err(error("too long"));
        }
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(command) = words.next() else { continue };
        // What `ipvsadm -R` takes besides.
        if matches!(
            command,
            "-C" | "--clear" | "--set" | "--start-daemon" | "--stop-daemon" | "-Z" | "--zero"
        ) {
            continue;
        }
        let options = options(words).ok_or(error("an option lacks its value"))?;
        let key = key(&options).ok_or(error("it names no service by addresses; save it with -n"))?;
        match command {
            "-A" | "--add-service" | "-E" | "--edit-service" => {
                services.push(rule_service(key, &options).ok_or(error("an option's value"))?);
            }
            "-a" | "--add-server" | "-e" | "--edit-server" => {
                let dest = rule_dest(&key, &options).ok_or(error("a server's option"))?;
                let service = services.iter_mut().rfind(|service| service.key == key);
                service.ok_or(error("a server without its service"))?.dests.push(dest);
            }
            _ => return Err(error("not a rule of -A or -a")),
        }
    }
    Ok(services)
}

type Options<'a> = Vec<(&'a str, &'a str)>;

/// Pairs of option and value, the value empty where the option takes none.
fn options<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Options<'a>> {
    let mut options = Vec::new();
    while let Some(word) = words.next() {
        let flag = matches!(
            word,
            "-m" | "--masquerading"
                | "-g"
                | "--gatewaying"
                | "-i"
                | "--ipip"
                | "-6"
                | "--ipv6"
                | "-o"
                | "--ops"
                | "--tun-nocsum"
                | "--tun-csum"
                | "--tun-remcsum"
                | "-n"
        );
        options.push((word, if flag { "" } else { words.next()? }));
    }
    Some(options)
}

fn value<'a>(options: &Options<'a>, names: &[&str]) -> Option<&'a str> {
    options.iter().find(|(name, _)| names.contains(name)).map(|(_, value)| *value)
}

fn key(options: &Options<'_>) -> Option<Key> {
    options.iter().find_map(|(name, text)| {
        let protocol = match *name {
            "-t" | "--tcp-service" => Protocol::Tcp,
            "-u" | "--udp-service" => Protocol::Udp,
            "--sctp-service" => Protocol::Sctp,
            "-f" | "--fwmark-service" => {
                let ipv6 = value(options, &["-6", "--ipv6"]).is_some();
                return Some(Key::Fwmark { mark: text.parse().ok()?, ipv6 });
            }
            _ => return None,
        };
        Some(Key::Address { protocol, address: text.parse().ok()? })
    })
}

fn rule_service(key: Key, options: &Options<'_>) -> Option<Service> {
    let mut service = Service::new(key, value(options, &["-s", "--scheduler"]).unwrap_or("wlc"));
    service.one_packet = value(options, &["-o", "--ops"]).is_some();
    service.sched_flags = Some(value(options, &["-b", "--sched-flags"]).map_or(0, sched_flags));
    service.engine = value(options, &["--pe"]).map(str::to_owned);
    if let Some(seconds) = value(options, &["-p", "--persistent"]) {
        let bits = value(options, &["-M", "--netmask"]).map_or(Some(full_prefix(key.is_ipv6())), prefix)?;
        service.persistence = Some(Persistence { seconds: Some(seconds.parse().ok()?), prefix: bits });
    }
    Some(service)
}

fn rule_dest(key: &Key, options: &Options<'_>) -> Option<Dest> {
    let server = value(options, &["-r", "--real-server"])?;
    // Without a port it is the service's own.
    let own = key.address().map_or(0, |address| address.port());
    let address: SocketAddr = server
        .parse()
        .ok()
        .or_else(|| Some(SocketAddr::new(server.trim_matches(['[', ']']).parse().ok()?, own)))?;
    let mut dest = Dest::new(address);
    let has = |names: &[&str]| value(options, names).is_some();
    dest.forward = match () {
        () if has(&["-m", "--masquerading"]) => Forward::Masq,
        () if has(&["-i", "--ipip"]) => Forward::Tunnel,
        () => Forward::Route,
    };
    let number = |names: &[&str]| value(options, names).map(|text| text.parse::<u32>().ok());
    dest.weight = number(&["-w", "--weight"]).unwrap_or(Some(1))?;
    let mut told = Told::default();
    if let Some(upper) = number(&["-x", "--u-threshold"]) {
        told.upper = Some(upper?);
    }
    if let Some(lower) = number(&["-y", "--l-threshold"]) {
        told.lower = Some(lower?);
    }
    if dest.forward == Forward::Tunnel {
        told.tunnel = Some(Tunnel {
            kind: value(options, &["--tun-type"]).unwrap_or("ipip").parse().ok()?,
            port: value(options, &["--tun-port"]).map_or(Some(0), |port| port.parse().ok())?,
            checksum: if has(&["--tun-csum"]) { 1 } else { u16::from(has(&["--tun-remcsum"])) * 2 },
        });
    }
    dest.tell(|all| *all = told);
    Some(dest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip_vs::TunnelKind;
    use proptest::prelude::*;

    #[test]
    fn rules_give_the_table_that_was_saved() {
        let listed = listing(include_str!("../../testdata/ip_vs/uml-6.1/ipvsadm_Ln")).expect("a listing");
        let mut saved = rules(include_str!("../../testdata/ip_vs/uml-6.1/ipvsadm_save")).expect("rules");
        let tunnel = saved[4].dests[1].told().tunnel;
        assert_eq!(tunnel, Some(Tunnel { kind: TunnelKind::Gue, port: 6080, checksum: 0 }));
        for (saved, listed) in saved.iter_mut().zip(&listed) {
            for (saved, listed) in saved.dests.iter_mut().zip(&listed.dests) {
                // What rules do not have, and what a listing does not.
                (saved.active, saved.inactive) = (listed.active, listed.inactive);
                saved.tell(|told| told.tunnel = None);
            }
            assert_eq!(saved, listed);
        }
        assert_eq!(saved.len(), listed.len());
    }

    #[test]
    fn counters_and_connections_of_persistence() {
        let stats =
            listing(include_str!("../../testdata/ip_vs/uml-6.1/ipvsadm_stats_exact")).expect("a listing");
        assert_eq!(stats[0].stats.map(|s| (s.conns, s.out_bytes)), Some((20, 24236)));
        let persistent =
            listing(include_str!("../../testdata/ip_vs/uml-6.1/ipvsadm_persistent")).expect("a listing");
        assert_eq!(
            persistent.iter().flat_map(|s| &s.dests).filter_map(|d| d.told().persistent).sum::<u32>(),
            2
        );
        assert_eq!(large("24K"), Some(24_000));
    }

    #[test]
    fn a_listing_without_weights_is_no_table() {
        assert!(table(include_str!("../../testdata/ip_vs/uml-6.1/ipvsadm_Ln")).is_ok());
        for text in [
            include_str!("../../testdata/ip_vs/uml-6.1/ipvsadm_stats_exact"),
            include_str!("../../testdata/ip_vs/uml-6.1/ipvsadm_thresholds"),
            include_str!("../../testdata/ip_vs/uml-6.1/ipvsadm_persistent"),
        ] {
            let error = table(text).expect_err("no weights").to_string();
            assert!(error.contains("no weights: save ipvsadm -Ln or -Sn"), "{error}");
        }
    }

    #[test]
    fn rules_by_hand_have_defaults() {
        let text =
            "# ours\n-C\n--set 900 120 300\n-A -t 192.0.2.1:80\n-a -t 192.0.2.1:80 -r 192.0.2.7 -x 100\n";
        let services = rules(text).expect("rules");
        assert_eq!(services[0].scheduler, "wlc");
        let dest = &services[0].dests[0];
        assert_eq!(
            (dest.address().to_string().as_str(), dest.forward, dest.told().upper),
            ("192.0.2.7:80", Forward::Route, Some(100))
        );
    }

    #[test]
    fn names_are_refused_with_the_remedy() {
        let error = rules("-A -t www.example.net:http -s rr\n").expect_err("a name").to_string();
        assert!(error.contains("line 1") && error.contains("-n"), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_is_fatal(text in "(TCP|FWM|->|-A|-a|-t|-r|-p|-w| |\n|192.0.2.1:80|\\PC){0,60}") {
            let _ = (listing(&text), rules(&text));
        }
    }
}
