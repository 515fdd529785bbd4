//! The table of a director: services, destinations, statistics.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

/// The transport protocol of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// The number of IANA.
    pub const fn number(self) -> u16 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// The protocol of this number, if IPVS balances it.
    pub const fn from_number(number: u16) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            132 => Some(Self::Sctp),
            _ => None,
        }
    }

    /// The name as `ipvsadm` and the kernel print it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

impl FromStr for Protocol {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Tcp, Self::Udp, Self::Sctp].into_iter().find(|p| p.name().eq_ignore_ascii_case(text)).ok_or(())
    }
}

/// What makes a service this service and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// A virtual address and port of one protocol.
    Address {
        /// The protocol.
        protocol: Protocol,
        /// Virtual address and port.
        address: SocketAddr,
    },
    /// A mark that the firewall puts on packets; mark 7 and mark 7 of IPv6 are two services.
    Fwmark {
        /// The mark.
        mark: u32,
        /// Whether it is the service for IPv6 packets.
        ipv6: bool,
    },
}

impl Key {
    /// A service of TCP.
    pub const fn tcp(address: SocketAddr) -> Self {
        Self::Address { protocol: Protocol::Tcp, address }
    }

    /// Whether the service is one of IPv6.
    pub const fn is_ipv6(&self) -> bool {
        match self {
            Self::Address { address, .. } => address.is_ipv6(),
            Self::Fwmark { ipv6, .. } => *ipv6,
        }
    }

    /// The virtual address; a mark has none.
    pub const fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Address { address, .. } => Some(*address),
            Self::Fwmark { .. } => None,
        }
    }

    /// A stable name of `[a-z0-9_]` for metrics and graphs: `tcp_192_0_2_1_80`, `tcp6_2001_db8__1_80`, `fwm6_7`.
    pub fn id(&self) -> String {
        let six = if self.is_ipv6() { "6" } else { "" };
        match self {
            Self::Address { protocol, address } => {
                let protocol = protocol.name().to_ascii_lowercase();
                format!("{protocol}{six}_{}", address_id(*address))
            }
            Self::Fwmark { mark, .. } => format!("fwm{six}_{mark}"),
        }
    }
}

/// Address and port as a name of `[a-z0-9_]`: `192_0_2_1_80`, `2001_db8__1_80`.
pub fn address_id(address: SocketAddr) -> String {
    format!("{}_{}", address.ip().to_string().replace(['.', ':'], "_"), address.port())
}

impl fmt::Display for Key {
    /// As `ipvsadm -Ln` prints it: `TCP 192.0.2.1:80`, `UDP [2001:db8::1]:53`, `FWM 7`, `FWM 7 IPv6`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { protocol, address } => write!(f, "{} {address}", protocol.name()),
            Self::Fwmark { mark, ipv6 } => write!(f, "FWM {mark}{}", if *ipv6 { " IPv6" } else { "" }),
        }
    }
}

/// A text that names no service; `Display` shows the right forms.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no service: use `TCP 192.0.2.1:80`, `UDP [2001:db8::1]:53` or `FWM 7`")]
pub struct KeyError(pub String);

impl FromStr for Key {
    type Err = KeyError;

    /// The form of `Display`, the protocol in any case.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let error = || KeyError(text.to_owned());
        let mut words = text.split_whitespace();
        let (Some(kind), Some(value)) = (words.next(), words.next()) else { return Err(error()) };
        if kind.eq_ignore_ascii_case("FWM") {
            let mark = value.parse().map_err(|_| error())?;
            return Ok(Self::Fwmark { mark, ipv6: words.next() == Some("IPv6") });
        }
        let protocol = kind.parse().map_err(|()| error())?;
        Ok(Self::Address { protocol, address: value.parse().map_err(|_| error())? })
    }
}

/// How packets reach a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forward {
    /// Network address translation.
    Masq,
    /// The director itself.
    Local,
    /// In a tunnel.
    Tunnel,
    /// Direct routing: same packet, other hardware address.
    Route,
    /// Around the balancer, to the original address (transparent caches).
    Bypass,
}

impl Forward {
    /// The method of this number (`IP_VS_CONN_F_FWD_MASK` of `linux/ip_vs.h`).
    pub const fn from_number(number: u32) -> Option<Self> {
        match number & 7 {
            0 => Some(Self::Masq),
            1 => Some(Self::Local),
            2 => Some(Self::Tunnel),
            3 => Some(Self::Route),
            4 => Some(Self::Bypass),
            _ => None,
        }
    }

    /// The name as `ipvsadm -Ln` and the kernel print it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Masq => "Masq",
            Self::Local => "Local",
            Self::Tunnel => "Tunnel",
            Self::Route => "Route",
            Self::Bypass => "Bypass",
        }
    }

    /// Whether a person who asked for `self` gets `other`: the kernel makes `Local` of any method when the address is the
    /// director's own.
    pub fn gives(self, other: Self) -> bool {
        self == other || other == Self::Local
    }

    /// Whether answers pass the director: only then it counts outgoing packets.
    pub const fn answers_pass(self) -> bool {
        matches!(self, Self::Masq | Self::Local)
    }
}

impl FromStr for Forward {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let all = [Self::Masq, Self::Local, Self::Tunnel, Self::Route, Self::Bypass];
        all.into_iter().find(|f| f.name().eq_ignore_ascii_case(text)).ok_or(())
    }
}

/// The encapsulation of a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TunnelKind {
    /// IP in IP.
    #[default]
    Ipip,
    /// Generic UDP encapsulation.
    Gue,
    /// Generic routing encapsulation.
    Gre,
}

impl TunnelKind {
    /// The name that `ipvsadm --tun-type` takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ipip => "ipip",
            Self::Gue => "gue",
            Self::Gre => "gre",
        }
    }

    /// Bytes that the outer headers take with IPv4 outside.
    pub const fn overhead(self) -> u32 {
        match self {
            Self::Ipip => 20,
            Self::Gue => 32,
            Self::Gre => 24,
        }
    }
}

impl FromStr for TunnelKind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Ipip, Self::Gue, Self::Gre].into_iter().find(|k| k.name() == text).ok_or(())
    }
}

/// How a tunnel is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tunnel {
    /// The encapsulation.
    pub kind: TunnelKind,
    /// The UDP port of GUE, else 0.
    pub port: u16,
    /// 0 without checksum, 1 with, 2 remote.
    pub checksum: u16,
}

impl fmt::Display for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        if self.port != 0 {
            write!(f, " port {}", self.port)?;
        }
        match self.checksum {
            1 => f.write_str(" csum"),
            2 => f.write_str(" remcsum"),
            _ => Ok(()),
        }
    }
}

/// That a client keeps its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Persistence {
    /// For how many seconds; `None` when the source counts in ticks of a length that it does not tell (`/proc`).
    pub seconds: Option<u32>,
    /// How many bits of the client's address count: 32 or 128 for single hosts.
    pub prefix: u8,
}

impl fmt::Display for Persistence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seconds {
            Some(seconds) => write!(f, "persistent {seconds} s")?,
            None => f.write_str("persistent")?,
        }
        write!(f, " /{}", self.prefix)
    }
}

/// Counters since the row was made (or zeroed), and the kernel's moving averages.
///
/// They are summed by the kernel's estimator every two seconds, and not at all with `run_estimation=0`. Outgoing numbers
/// stay 0 where answers bypass the director.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections scheduled.
    pub conns: u64,
    /// Packets from clients.
    pub in_packets: u64,
    /// Packets to clients.
    pub out_packets: u64,
    /// Bytes from clients.
    pub in_bytes: u64,
    /// Bytes to clients.
    pub out_bytes: u64,
    /// Connections per second, a whole number.
    pub conn_rate: u64,
    /// Packets from clients per second.
    pub in_packet_rate: u64,
    /// Packets to clients per second.
    pub out_packet_rate: u64,
    /// Bytes from clients per second.
    pub in_byte_rate: u64,
    /// Bytes to clients per second.
    pub out_byte_rate: u64,
}

/// One destination of a service: a real server. In 40 bytes, because a table can hold 10,000 of them: an address of the standard
/// library's would take 32, and most readers need nothing of what is [told](Told) on demand only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dest {
    ip: IpAddr,
    port: u16,
    /// How packets reach it.
    pub forward: Forward,
    /// Its weight; 0 gets no new connections.
    pub weight: u32,
    /// Connections in a state that counts as active; UDP has none.
    pub active: u32,
    /// All others.
    pub inactive: u32,
    told: Option<Box<Told>>,
}

/// What only some sources tell of a destination; `None` where one does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The tunnel, of those that are reached through one.
    pub tunnel: Option<Tunnel>,
    /// The number of connections at which it gets no more; 0 for none.
    pub upper: Option<u32>,
    /// The number below which it gets some again.
    pub lower: Option<u32>,
    /// Persistence templates.
    pub persistent: Option<u32>,
    /// Counters.
    pub stats: Option<Stats>,
}

impl Told {
    const NOTHING: Self = Self { tunnel: None, upper: None, lower: None, persistent: None, stats: None };
}

impl Dest {
    /// A destination of which only the address is known; weight 1, NAT.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            ip: address.ip(),
            port: address.port(),
            forward: Forward::Masq,
            weight: 1,
            active: 0,
            inactive: 0,
            told: None,
        }
    }

    /// The same at another address.
    #[must_use]
    pub fn at(self, address: SocketAddr) -> Self {
        Self { ip: address.ip(), port: address.port(), ..self }
    }

    /// Its address and port.
    pub const fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }

    /// What the source tells besides.
    pub fn told(&self) -> &Told {
        self.told.as_deref().unwrap_or(&Told::NOTHING)
    }

    /// Changes what the source tells besides.
    pub fn tell(&mut self, change: impl FnOnce(&mut Told)) {
        let mut told = *self.told();
        change(&mut told);
        self.told = (told != Told::NOTHING).then(|| Box::new(told));
    }

    /// Whether it has as many connections as its upper threshold allows. The kernel keeps the flag itself to itself.
    pub fn is_overloaded(&self) -> bool {
        self.told().upper.is_some_and(|upper| upper > 0 && self.active.saturating_add(self.inactive) >= upper)
    }
}

/// One virtual service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// What it is.
    pub key: Key,
    /// The scheduling algorithm: `wlc`, `rr`.
    pub scheduler: String,
    /// Each packet is scheduled anew (UDP).
    pub one_packet: bool,
    /// The scheduler's own three flags as bits 0 to 2, when the source tells.
    pub sched_flags: Option<u8>,
    /// Persistence.
    pub persistence: Option<Persistence>,
    /// The persistence engine: `sip`.
    pub engine: Option<String>,
    /// Counters, when the source tells.
    pub stats: Option<Stats>,
    /// Whether thresholds and templates of all destinations are known: where one is told none, it has none.
    pub limits_known: bool,
    /// Its destinations.
    pub dests: Vec<Dest>,
}

impl Service {
    /// A service without destinations.
    pub fn new(key: Key, scheduler: impl Into<String>) -> Self {
        Self {
            key,
            scheduler: scheduler.into(),
            one_packet: false,
            sched_flags: None,
            persistence: None,
            engine: None,
            stats: None,
            limits_known: false,
            dests: Vec::new(),
        }
    }

    /// The destination at `address`.
    pub fn dest(&self, address: SocketAddr) -> Option<&Dest> {
        self.dests.iter().find(|dest| dest.address() == address)
    }

    /// The sum of all weights.
    pub fn weight(&self) -> u64 {
        self.dests.iter().map(|dest| u64::from(dest.weight)).sum()
    }
}

/// The names of the scheduler's flags, as `ipvsadm -b` takes them.
pub fn sched_flag_names(scheduler: &str, flags: u8) -> String {
    let names = match scheduler {
        "sh" => ["sh-fallback", "sh-port", "flag-3"],
        "mh" => ["mh-fallback", "mh-port", "flag-3"],
        _ => ["flag-1", "flag-2", "flag-3"],
    };
    let set: Vec<&str> =
        names.iter().enumerate().filter(|(bit, _)| flags & (1 << bit) != 0).map(|(_, n)| *n).collect();
    set.join(",")
}

/// The bits for the names of [`sched_flag_names`]; unknown names count for nothing.
pub(crate) fn sched_flags(names: &str) -> u8 {
    names.split(',').fold(0, |bits, name| {
        bits | match name.trim() {
            "sh-fallback" | "mh-fallback" | "flag-1" => 1,
            "sh-port" | "mh-port" | "flag-2" => 2,
            "flag-3" => 4,
            _ => 0,
        }
    })
}

/// Bits of an address that count when nothing else is said.
pub(crate) const fn full_prefix(ipv6: bool) -> u8 {
    if ipv6 { 128 } else { 32 }
}

/// A prefix length from `24`, `255.255.255.0` or the value of a mask.
pub(crate) fn prefix(text: &str) -> Option<u8> {
    if let Ok(IpAddr::V4(mask)) = text.parse::<IpAddr>() {
        return u8::try_from(u32::from(mask).leading_ones()).ok();
    }
    text.parse().ok().filter(|bits| *bits <= 128)
}

/// What a synchronisation daemon is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DaemonRole {
    /// It sends connections to backups.
    Master,
    /// It receives connections from the master.
    Backup,
}

impl DaemonRole {
    /// The word that `ipvsadm` prints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Backup => "backup",
        }
    }
}

/// A synchronisation daemon as configured; that it is listed does not mean that it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// Its role.
    pub role: DaemonRole,
    /// The interface of the multicast group.
    pub interface: String,
    /// The number that both ends must have in common.
    pub sync_id: u32,
    /// The multicast group.
    pub group: Option<IpAddr>,
    /// The UDP port.
    pub port: u16,
}

/// Sorts a table by key and address, and merges rows of the same: a dump that raced a writer holds some twice (seen in 21 of
/// 139 dumps under load). The first of two rows stays.
pub fn tidy(services: &mut Vec<Service>) {
    services.sort_by_key(|service| service.key);
    services.dedup_by(|later, first| {
        let same = later.key == first.key;
        if same {
            first.dests.append(&mut later.dests);
        }
        same
    });
    for service in services {
        service.dests.sort_by_key(Dest::address);
        service.dests.dedup_by_key(|dest| dest.address());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_and_have_stable_names() {
        for (text, id) in [
            ("TCP 192.0.2.1:80", "tcp_192_0_2_1_80"),
            ("UDP [2001:db8::1]:53", "udp6_2001_db8__1_53"),
            ("SCTP 192.0.2.1:2905", "sctp_192_0_2_1_2905"),
            ("FWM 7", "fwm_7"),
            ("FWM 7 IPv6", "fwm6_7"),
        ] {
            let key: Key = text.parse().expect(text);
            assert_eq!((key.to_string().as_str(), key.id().as_str()), (text, id));
        }
        for text in ["", "TCP", "TCP 192.0.2.1", "ICMP 192.0.2.1:80", "FWM x"] {
            assert!(text.parse::<Key>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_row_that_came_twice_counts_once() {
        let key: Key = "TCP 192.0.2.1:80".parse().expect("a key");
        let mut service = Service::new(key, "rr");
        service.dests = vec![Dest::new("192.0.2.9:80".parse().expect("an address")); 2];
        let mut table = vec![service.clone(), service];
        tidy(&mut table);
        assert_eq!((table.len(), table[0].dests.len()), (1, 1));
    }

    #[test]
    fn ten_thousand_destinations_take_a_hundred_pages() {
        assert_eq!(size_of::<Dest>(), 40);
    }

    #[test]
    fn masks_have_two_spellings() {
        assert_eq!(prefix("255.255.255.0"), Some(24));
        assert_eq!(prefix("64"), Some(64));
        assert_eq!(prefix("129"), None);
    }
}
