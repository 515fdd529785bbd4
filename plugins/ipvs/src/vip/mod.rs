//! `check_vip`: the virtual address and each real server, side by side; and whether a real server is fit for direct routing.

mod conclude;
mod look;
mod ready;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;
use url::Url;
use weir_cli::{Check, Common, NetArgs, UrlArg};
use weir_contract::{Field, Outcome, Problem, State, Thresholds, Unit, fault};
use weir_probe::{Deadline, Probe, block_on, together};
use weir_stream::channel::{Channel, split};
use weir_wire::ip_vs::{Dest, Key, Protocol};

use crate::table::{Place, Wish};
use conclude::{Real, conclude};
pub(crate) use look::port;
use look::{Seen, Way, look, words};

/// The word before the state.
const SERVICE: &str = "VIP";
/// So many servers are looked at at once.
const AT_ONCE: usize = 32;

/// No address, where only the form counts.
const UNSPECIFIED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Servers that answer.
static FINE: Field =
    Field::gauge("fine", Unit::None, "servers that answer", "Real servers that answer when asked directly.");
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
    #[arg(long, value_name = "BYTES", requires = "tunnel", help_heading = "Real server")]
    min_mtu: Option<u32>,

    #[command(flatten)]
    net: NetArgs,
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
    if let Ok(address) = place.parse::<SocketAddr>() {
        return Ok(RealArg { ip: address.ip(), port: Some(address.port()), weight });
    }
    let ip = place.trim_matches(['[', ']']).parse().map_err(|_| wrong())?;
    Ok(RealArg { ip, port: None, weight })
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

    fn thresholds(_args: &VipArgs) -> Vec<(&'static Field, Thresholds)> {
        Vec::new()
    }

    fn run(args: &VipArgs, common: &Common) -> Outcome {
        let url = args.url.url();
        let run = || {
            let way = way(args, common)?;
            let probe = args.net.probe(common);
            if args.real_server {
                let vip = block_on(address(&probe, &way))??;
                return ready::check(url, vip, args.tunnel, args.min_mtu, Deadline::after(common.timeout));
            }
            block_on(check(args, probe, &way))?
        };
        run().unwrap_or_else(|problem| Outcome::failed(SERVICE, url, problem))
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
    match url.scheme() {
        _ if args.stream => {
            let options = split(&args.options)
                .map_err(|why| Problem::new(&fault::USAGE, format!("--options: {why}")))?;
            // Options that nobody understands are no fault of a server.
            Channel::new("of the command line", &words(&url, &options, UNSPECIFIED, common.timeout))?;
            Ok(Way::Stream { url, options })
        }
        "tcp" if url.port().is_none() => Err(usage("names no port")),
        "http" | "https" => Ok(Way::Get { url }),
        "srt" | "rtp" | "udp" => Err(usage("is no TCP service, and can be watched with --stream only")),
        scheme if scheme == "tcp" || Channel::speaks(scheme) => Ok(Way::Connect { url }),
        _ => Err(usage("is not of a scheme that can be checked")),
    }
}

/// The virtual address and port.
async fn address(probe: &Probe, way: &Way) -> Result<SocketAddr, Problem> {
    let url = way.url();
    let port = way.port().ok_or_else(|| Problem::new(&fault::USAGE, format!("`{url}` names no port")))?;
    let addresses = probe.resolve(url.host_str().unwrap_or_default(), port).await?;
    addresses.first().copied().ok_or_else(|| Problem::new(&fault::DNS_NO_ADDRESS, "the name has no address"))
}

async fn check(args: &VipArgs, probe: Probe, way: &Way) -> Result<Outcome, Problem> {
    let vip = address(&probe, way).await?;
    let reals = servers(args, way, vip, &probe)?;
    // All at once: a dead server costs its time only once.
    let targets = std::iter::once(vip).chain(reals.iter().map(|(address, _)| *address));
    let probe_ = &probe;
    let mut seen =
        together(AT_ONCE, targets.map(|address| async move { look(probe_, way, address).await })).await;
    let unseen = |seen: &Seen| seen.problem.clone().filter(|problem| problem.fault.state == State::Unknown);
    if let Some(problem) = seen.iter().find_map(unseen) {
        return Err(problem);
    }
    let through = seen.remove(0);
    let reals: Vec<Real> =
        reals.into_iter().zip(seen).map(|((address, weight), seen)| Real { address, weight, seen }).collect();
    let mut outcome = conclude(args.url.url(), vip, &through, &reals);
    outcome.samples.push(FINE.sample(reals.iter().filter(|real| real.seen.is_fine()).count()));
    outcome.samples.push(VIP_TIME.sample_opt(through.is_fine().then_some(through.took)));
    for real in &reals {
        let took = real.seen.is_fine().then_some(real.seen.took);
        outcome.samples.push(REAL_TIME.sample_opt(took).of(real.address.ip().to_string()));
    }
    probe.finish(&mut outcome);
    Ok(outcome)
}

/// The real servers, from the options or from this machine's table.
fn servers(
    args: &VipArgs,
    way: &Way,
    vip: SocketAddr,
    probe: &Probe,
) -> Result<Vec<(SocketAddr, Option<u32>)>, Problem> {
    if !args.reals.is_empty() {
        let server =
            |real: &RealArg| (SocketAddr::new(real.ip, real.port.unwrap_or(vip.port())), real.weight);
        return Ok(args.reals.iter().map(server).collect());
    }
    let protocol = if way.url().scheme() == "srt" { Protocol::Udp } else { Protocol::Tcp };
    let key = Key::Address { protocol, address: vip };
    // A service of port 0 takes all ports of its address.
    let every_port = Key::Address { protocol, address: SocketAddr::new(vip.ip(), 0) };
    let wanted = |other: &Key| [key, every_port].contains(other);
    let table = Place::default().read(Wish::rows(&wanted), probe.deadline).map_err(|problem| Problem {
        text: format!("{}; name the real servers with --real", problem.text),
        ..problem
    })?;
    let Some(service) = table.services.iter().max_by_key(|service| service.key == key) else {
        return Err(Problem::new(
            &fault::IPVS_NO_SERVICE,
            format!("{key} is not in this machine's table; name the servers with --real"),
        ));
    };
    let address = |dest: &Dest| match dest.address().port() {
        0 => SocketAddr::new(dest.address().ip(), vip.port()),
        _ => dest.address(),
    };
    Ok(service.dests.iter().map(|dest| (address(dest), Some(dest.weight))).collect())
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
        assert!(of("media1").is_err() && of("192.0.2.7=x").is_err());
    }
}
