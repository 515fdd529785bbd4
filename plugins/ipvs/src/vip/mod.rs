//! `check_vip`: the virtual address and each real server, side by side; and whether a real server is fit for direct routing.

mod conclude;
mod look;
mod ready;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;
use url::Url;
use weir_cli::{Check, Common, Limits, NetArgs, UrlArg};
use weir_contract::{Field, Outcome, Problem, State, Thresholds, Unit, fault};
use weir_probe::{Addresses, Probe, block_on, every_address, together};
use weir_stream::channel::{Channel, split};
use weir_wire::ip_vs::{Dest, Forward, Key, Protocol, Service};

use crate::table::{Place, Wish};
use conclude::{Lack, Real, Scene, conclude, stranger};
pub(crate) use look::port;
use look::{Seen, Way, look, words};

/// The word before the state.
const SERVICE: &str = "VIP";
/// So many servers are looked at at once.
const AT_ONCE: usize = 32;

/// No address, where only the form counts.
const UNSPECIFIED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Servers that answer.
static FINE: Field = Field::gauge(
    "fine",
    Unit::None,
    "number of servers that answer",
    "Real servers that answer when asked directly.",
);
/// How long the virtual address takes.
static VIP_TIME: Field = Field::gauge(
    "vip_time",
    Unit::Seconds,
    "time through the virtual address",
    "From the start to the whole answer, through the virtual address.",
)
.millis();
/// How long a server takes.
static REAL_TIME: Field = Field::gauge(
    "real_time",
    Unit::Seconds,
    "time of the server",
    "From the start to the whole answer, asked directly.",
)
.millis();
static FIELDS: &[&Field] = &[&FINE, &VIP_TIME, &REAL_TIME];

/// The options of `check_vip`.
#[derive(Args, Debug)]
// A name with a dead address is not well: here one that serves does not excuse another.
#[command(mut_arg("addresses", |arg| arg.default_value("all")))]
pub struct VipArgs {
    #[command(flatten)]
    url: UrlArg,

    /// A real server: ADDRESS, ADDRESS:PORT, with =WEIGHT behind it if that is known; repeatable [default: those of the IPVS
    /// table of this machine]
    #[arg(short = 'r', long = "real", value_name = "SERVER[=WEIGHT]", value_parser = real, help_heading = "Servers")]
    reals: Vec<RealArg>,

    /// Watch the stream at the URL with the check of its kind, instead of only asking for an answer.
    #[arg(long, help_heading = "Probe")]
    stream: bool,

    /// Options of the stream's check, such as '--min-bitrate 96000'.
    #[arg(
        long,
        value_name = "OPTIONS",
        default_value = "",
        requires = "stream",
        allow_hyphen_values = true,
        help_heading = "Probe"
    )]
    options: String,

    /// Run on a real server: is it fit to serve the virtual address of the URL by direct routing or tunnels?
    #[arg(long, conflicts_with_all = ["reals", "stream"], help_heading = "Real server")]
    real_server: bool,

    /// Packets come through a tunnel: its device must be up, and reverse path filtering off.
    #[arg(long, requires = "real_server", help_heading = "Real server")]
    tunnel: bool,

    /// Packets of so many bytes must fit into the tunnel.
    #[arg(
        long,
        value_name = "BYTES",
        requires = "tunnel",
        value_parser = clap::value_parser!(u32).range(68..=65535),
        help_heading = "Real server"
    )]
    min_mtu: Option<u32>,

    /// Packets of the director come by this interface [default: any; the smallest MTU counts]
    #[arg(long, value_name = "NAME", requires = "min_mtu", help_heading = "Real server")]
    interface: Option<String>,

    #[command(flatten)]
    limits: Limits,

    #[command(flatten)]
    net: NetArgs,
}

impl VipArgs {
    fn thresholds(&self, field: &'static Field) -> Thresholds {
        self.limits.of(field, FIELDS, Thresholds::default())
    }
}

/// `--real`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RealArg {
    ip: IpAddr,
    port: Option<u16>,
    weight: Option<u32>,
}

fn real(text: &str) -> Result<RealArg, String> {
    let wrong = || {
        format!(
            "`{text}` is no server: use 192.0.2.7, 192.0.2.7:8080, [2001:db8::7]:80, with =WEIGHT behind it"
        )
    };
    let (place, weight) = match text.split_once('=') {
        Some((place, weight)) => (place, Some(weight.parse().map_err(|_| wrong())?)),
        None => (text, None),
    };
    let (ip, port) = match place.parse::<SocketAddr>() {
        Ok(address) => (address.ip(), Some(address.port())),
        Err(_) => (place.trim_matches(['[', ']']).parse().map_err(|_| wrong())?, None),
    };
    if port == Some(0) { Err(wrong()) } else { Ok(RealArg { ip, port, weight }) }
}

/// `check_vip`
#[derive(Debug)]
pub struct Vip;

impl Check for Vip {
    const SERVICE: &'static str = SERVICE;
    const ABOUT: &'static str = "Check a virtual service through its virtual address and at each real server, side by side.\n\n\
        Says which of them is at fault: the director, a server, or the health checker that does not see it. Answers are compared: \
        a server with another playlist is found, and so is one whose own address leaks to clients. With --real-server it runs on a \
        server and tells whether that is fit for direct routing.";
    const EXAMPLES: &'static str = "  On the director, servers and weights from its table:\n    \
        check_vip http://192.0.2.1/live/news.m3u8\n  \
        From a client's place, servers by hand:\n    \
        check_vip tcp://192.0.2.1:554 -r 198.51.100.7 -r 198.51.100.8 -r 198.51.100.9\n  \
        With media, as a listener hears it:\n    \
        check_vip rtsp://192.0.2.1/news --stream --options '--transport tcp' -r 198.51.100.7 -r 198.51.100.8\n  \
        On a real server, before it is taken into the pool:\n    \
        check_vip --real-server tcp://192.0.2.1:80";
    const FIELDS: &'static [&'static Field] = FIELDS;
    type Args = VipArgs;

    fn validate(args: &VipArgs) -> Result<(), Problem> {
        args.limits.check(FIELDS)
    }

    fn thresholds(args: &VipArgs) -> Vec<(&'static Field, Thresholds)> {
        FIELDS.iter().map(|field| (*field, args.thresholds(field))).collect()
    }

    fn run(args: &VipArgs, common: &Common) -> Outcome {
        let failed = |problem| Outcome::failed(SERVICE, args.url.url(), problem);
        let way = match way(args, common) {
            Ok(way) => way,
            Err(problem) => return failed(problem),
        };
        block_on(all(args, common, &way)).unwrap_or_else(Err).unwrap_or_else(failed)
    }
}

/// How to look, from the URL.
fn way(args: &VipArgs, common: &Common) -> Result<Way, Problem> {
    let text = args.url.url();
    let usage = |why: &str| {
        Problem::new(&fault::USAGE, format!("`{text}` {why}: use tcp://address:port or http://address/path"))
    };
    let url = Url::parse(text).map_err(|error| usage(&format!("is no URL ({error})")))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(usage("names no host"));
    }
    if port(&url).is_none_or(|port| port == 0) {
        return Err(usage("names no port"));
    }
    match url.scheme() {
        "rtp" | "udp" if args.stream => {
            Err(usage("is sent, nobody asks for it: only --real-server can look at it"))
        }
        _ if args.stream => {
            let options = split(&args.options)
                .map_err(|why| Problem::new(&fault::USAGE, format!("--options: {why}")))?;
            // Options that nobody understands are no fault of a server.
            Channel::new("of the command line", &words(&url, &options, UNSPECIFIED, common.timeout))?;
            Ok(Way::Stream { url, options })
        }
        _ if args.real_server => Ok(Way::Connect { url }),
        "http" | "https" => Ok(Way::Get { url }),
        "srt" => Err(usage("is no TCP service: it is watched with --stream")),
        "rtp" | "udp" => Err(usage("is sent, nobody asks for it: only --real-server can look at it")),
        scheme if scheme == "tcp" || Channel::speaks(scheme) => Ok(Way::Connect { url }),
        _ => Err(usage("is not of a scheme that can be checked")),
    }
}

/// Each address of the name, with an outcome of its own.
async fn all(args: &VipArgs, common: &Common, way: &Way) -> Result<Outcome, Problem> {
    let url = way.url();
    let probe = args.net.probe(common);
    let addresses = probe.resolve(url.host_str().unwrap_or_default(), way.port().unwrap_or_default()).await?;
    // One address needs no name in the measures.
    let policy = if addresses.len() == 1 { Addresses::First } else { args.net.addresses };
    let one = async |probe: &Probe, vip: SocketAddr| {
        let result = if args.real_server {
            let wanted = ready::Wanted {
                udp: protocol(url) == Protocol::Udp,
                tunnel: args.tunnel,
                min_mtu: args.min_mtu,
                interface: args.interface.as_deref(),
            };
            ready::check(args.url.url(), vip, wanted, probe).await
        } else {
            check(args, probe, way, vip).await
        };
        let mut outcome = result.unwrap_or_else(|problem| Outcome::failed(SERVICE, args.url.url(), problem));
        common.override_states(&mut outcome);
        outcome
    };
    Ok(every_address(probe, &addresses, policy, one).await)
}

async fn check(args: &VipArgs, probe: &Probe, way: &Way, vip: SocketAddr) -> Result<Outcome, Problem> {
    let Pool { servers, lack, one_way } = pool(args, way, vip, probe)?;
    let (through, reals) = look_at_all(probe, way, vip, &servers).await?;
    let again = if !way.url().scheme().starts_with("http") {
        // A description holds nothing that is made anew.
        Some((through.clone(), reals.clone()))
    } else if stranger((&through, &reals), None).is_some()
        && probe.deadline.remaining() > probe.deadline.elapsed()
    {
        look_at_all(probe, &Way::Get { url: way.url().clone() }, vip, &servers).await.ok()
    } else {
        None
    };
    let again = again.as_ref().map(|(through, reals)| (through, &reals[..]));
    let stranger = stranger((&through, &reals), again);
    let scene = Scene { url: args.url.url().to_owned(), vip, through, reals, lack, one_way, stranger };
    let mut outcome = conclude(&scene);
    measures(args, &scene, &mut outcome);
    Ok(outcome)
}

/// All at once: a dead server costs its time only once.
async fn look_at_all(
    probe: &Probe,
    way: &Way,
    vip: SocketAddr,
    servers: &[Server],
) -> Result<(Seen, Vec<Real>), Problem> {
    let targets = std::iter::once(vip).chain(servers.iter().map(|server| server.address));
    let mut seen =
        together(AT_ONCE, targets.map(|address| async move { look(probe, way, address).await })).await;
    let unseen = |seen: &Seen| seen.problem.clone().filter(|problem| problem.fault.state == State::Unknown);
    if let Some(problem) = seen.iter().find_map(unseen) {
        return Err(problem);
    }
    let through = seen.remove(0);
    let real = |(server, seen): (&Server, Seen)| Real {
        address: server.address,
        weight: server.weight,
        forward: server.forward,
        seen,
    };
    Ok((through, servers.iter().zip(seen).map(real).collect()))
}

fn measures(args: &VipArgs, scene: &Scene, outcome: &mut Outcome) {
    let fine = |seen: &Seen| seen.is_fine().then_some(seen.took);
    let answering = scene.reals.iter().filter(|real| real.seen.is_fine()).count();
    let answering = scene.lack.is_none().then_some(answering);
    outcome.judge(FINE.sample_opt(answering).against(args.thresholds(&FINE)), &fault::IPVS_SERVERS);
    let through = VIP_TIME.sample_opt(fine(&scene.through)).against(args.thresholds(&VIP_TIME));
    outcome.judge(through, &fault::VIP_SLOW);
    for real in &scene.reals {
        let ip = real.address.ip();
        let once = scene.reals.iter().filter(|other| other.address.ip() == ip).count() == 1;
        let name = if once { ip.to_string() } else { real.address.to_string() };
        // Nobody waits for a server that is out.
        let out = real.weight == Some(0);
        let limits = if out { Thresholds::default() } else { args.thresholds(&REAL_TIME) };
        let sample = REAL_TIME.sample_opt(fine(&real.seen)).of(name).against(limits);
        outcome.judge(sample, &fault::VIP_SLOW);
    }
}

/// A real server, and what the table tells about it.
#[derive(Clone, Copy, Debug)]
struct Server {
    address: SocketAddr,
    weight: Option<u32>,
    forward: Option<Forward>,
}

/// The servers of one address.
#[derive(Debug)]
struct Pool {
    servers: Vec<Server>,
    /// Why they are not known.
    lack: Option<Lack>,
    /// As of [`Scene`].
    one_way: bool,
}

/// The real servers, from the options or from this machine's table.
fn pool(args: &VipArgs, way: &Way, vip: SocketAddr, probe: &Probe) -> Result<Pool, Problem> {
    let key = Key::Address { protocol: protocol(way.url()), address: vip };
    // A service of port 0 takes all ports of its address.
    let every_port = Key::Address { protocol: protocol(way.url()), address: SocketAddr::new(vip.ip(), 0) };
    let of_mark = |key: &Key| matches!(key, Key::Fwmark { .. });
    let wanted = |other: &Key| [key, every_port].contains(other) || of_mark(other);
    let table = Place::default().read(Wish::rows(&wanted), probe.deadline);
    let services = table.as_ref().map_or(&[][..], |table| &table.services);
    let own = services.iter().filter(|service| !of_mark(&service.key));
    let service = own.max_by_key(|service| service.key == key);
    let is_ours = || {
        // Who cannot tell has a reason to doubt.
        ready::addresses(probe.deadline).is_ok_and(|own| own.iter().any(|own| own.address == vip.ip()))
    };
    let one_way = |dest: &Dest| !dest.forward.answers_pass();
    let mut pool = Pool {
        servers: service.map(|service| servers(service, vip)).unwrap_or_default(),
        lack: None,
        one_way: service.is_some_and(|service| service.dests.iter().any(one_way)) && is_ours(),
    };
    if !args.reals.is_empty() {
        pool.servers = given(&args.reals, vip, &pool.servers);
    } else if let Err(problem) = table {
        let text = format!("{}; name the real servers with --real", problem.text);
        return Err(Problem { text, ..problem });
    } else if service.is_none() {
        let marks = services.iter().any(|service| of_mark(&service.key));
        let text = if marks {
            format!("{key} is not in this machine's table, unless by a firewall mark")
        } else {
            format!("{key} is not in this machine's table")
        };
        pool.lack = Some(Lack { text, lost: !marks && is_ours() });
    }
    Ok(pool)
}

/// The servers of a service in the table.
fn servers(service: &Service, vip: SocketAddr) -> Vec<Server> {
    let server = |dest: &Dest| {
        let (ip, port) = (dest.address().ip(), dest.address().port());
        let port = if port == 0 { vip.port() } else { port };
        Server { address: SocketAddr::new(ip, port), weight: Some(dest.weight), forward: Some(dest.forward) }
    };
    service.dests.iter().map(server).collect()
}

/// The servers of the options, each once: those of the family of the virtual address, if there are any.
fn given(reals: &[RealArg], vip: SocketAddr, table: &[Server]) -> Vec<Server> {
    let same_family = |real: &&RealArg| real.ip.is_ipv4() == vip.is_ipv4();
    let any_family = !reals.iter().any(|real| same_family(&real));
    let mut servers: Vec<Server> = Vec::new();
    for real in reals.iter().filter(|real| any_family || same_family(real)) {
        let address = SocketAddr::new(real.ip, real.port.unwrap_or(vip.port()));
        if servers.iter().all(|server| server.address != address) {
            let forward = table.iter().find(|server| server.address == address).and_then(|s| s.forward);
            servers.push(Server { address, weight: real.weight, forward });
        }
    }
    servers
}

fn protocol(url: &Url) -> Protocol {
    if matches!(url.scheme(), "srt" | "rtp" | "udp") { Protocol::Udp } else { Protocol::Tcp }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_written_as_people_write_them() {
        let of = |text: &str| real(text).map(|r| (r.ip.to_string(), r.port, r.weight));
        assert_eq!(of("192.0.2.7"), Ok(("192.0.2.7".to_owned(), None, None)));
        assert_eq!(of("192.0.2.7:8080=3"), Ok(("192.0.2.7".to_owned(), Some(8080), Some(3))));
        assert_eq!(of("[2001:db8::7]:80"), Ok(("2001:db8::7".to_owned(), Some(80), None)));
        assert_eq!(of("2001:db8::7=0"), Ok(("2001:db8::7".to_owned(), None, Some(0))));
        assert!(of("media1").is_err() && of("192.0.2.7=x").is_err() && of("192.0.2.7:0").is_err());
    }

    #[test]
    fn servers_of_the_options_are_those_of_the_family_each_once() {
        let of = |vip: &str, reals: &[&str]| {
            let reals: Vec<RealArg> = reals.iter().map(|text| real(text).expect("a server")).collect();
            let servers = given(&reals, vip.parse().expect("an address"), &[]);
            servers.iter().map(|server| server.address.to_string()).collect::<Vec<_>>().join(" ")
        };
        let both = ["192.0.2.7", "2001:db8::7", "192.0.2.7:80", "192.0.2.7:81=2"];
        assert_eq!(of("198.51.100.1:80", &both), "192.0.2.7:80 192.0.2.7:81");
        assert_eq!(of("[2001:db8::1]:80", &both), "[2001:db8::7]:80");
        // A tunnel may lead to the other family.
        assert_eq!(of("[2001:db8::1]:80", &both[2..]), "192.0.2.7:80 192.0.2.7:81");
    }
}
