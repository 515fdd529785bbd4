//! How round trips are measured: ICMP, a TCP handshake, a DNS question, an HTTP request.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use weir_contract::{Problem, fault};
use weir_probe::dns::DnsSocket;
use weir_probe::icmp::Schedule;
use weir_probe::{Probe, http1, together};
use weir_wire::dns::{Name, code};
use weir_wire::headers::Headers;
use weir_wire::http1::{Request, Version};

use crate::series::Series;

/// `--probe`
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Way {
    /// ICMP echo.
    Icmp,
    /// A TCP handshake with this port.
    Tcp(u16),
    /// A DNS question for the SOA of this name; the root without one.
    Dns(Name, u16),
    /// An HTTP request, up to the end of the response's head.
    Http(String, u16),
}

impl FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (what, port) = match text.rsplit_once('@') {
            Some((what, port)) => {
                (what, Some(port.parse::<u16>().map_err(|_| format!("`{port}` is no port"))?))
            }
            None => (text, None),
        };
        let (kind, value) = what.split_once(':').map_or((what, None), |(k, v)| (k, Some(v)));
        match (kind, value) {
            ("icmp", None) if port.is_none() => Ok(Self::Icmp),
            ("tcp", Some(number)) if port.is_none() => {
                number.parse().map(Self::Tcp).map_err(|_| format!("`{number}` is no port"))
            }
            ("dns", name) => Ok(Self::Dns(name.unwrap_or(".").parse()?, port.unwrap_or(53))),
            ("http", path) => {
                let path = path.unwrap_or("/");
                let plain = path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic());
                if plain {
                    Ok(Self::Http(path.to_owned(), port.unwrap_or(80)))
                } else {
                    Err(format!("`{path}` is no path"))
                }
            }
            _ => Err(format!("`{text}` is not icmp, tcp:PORT, dns[:NAME][@PORT] or http[:/PATH][@PORT]")),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Icmp => f.write_str("ICMP"),
            Self::Tcp(port) => write!(f, "TCP {port}"),
            Self::Dns(_, port) => write!(f, "DNS {port}"),
            Self::Http(_, port) => write!(f, "HTTP {port}"),
        }
    }
}

impl Way {
    /// Measures a series to `target`; `host` is the name by which a web server is asked. Gives the way that was really taken.
    ///
    /// # Errors
    /// There is no way to the target; or no probe was answered and a reason is known, such as a closed port.
    pub(crate) async fn measure(
        &self,
        probe: &Probe,
        target: IpAddr,
        host: &str,
        schedule: Schedule,
    ) -> Result<(String, Series), Problem> {
        if *self == Self::Icmp {
            let (method, rtts) = probe.echo(target, schedule).await?;
            return Ok((method.name().to_owned(), Series { rtts }));
        }
        let single = async |number: usize| {
            let wait = schedule.interval * u32::try_from(number).unwrap_or(u32::MAX);
            // Nobody notices the deadline here: the stage that follows does.
            probe.sleep(wait).await;
            let probe = probe.fork_within(schedule.patience);
            self.once(&probe, target, host).await
        };
        let results = together(schedule.count, (0..schedule.count).map(single)).await;
        let series = Series { rtts: results.iter().map(|result| result.as_ref().ok().copied()).collect() };
        match results.into_iter().find_map(Result::err) {
            Some(problem) if series.answered() == 0 && !problem.fault.is_timeout() => Err(problem),
            _ => Ok((self.to_string(), series)),
        }
    }

    async fn once(&self, probe: &Probe, target: IpAddr, host: &str) -> Result<Duration, Problem> {
        let began = probe.deadline.elapsed();
        match self {
            Self::Icmp => Err(Problem::new(&fault::INTERNAL, "ICMP is measured as a series")),
            Self::Tcp(port) => {
                probe.connect(SocketAddr::new(target, *port)).await?;
                Ok(probe.deadline.elapsed().saturating_sub(began))
            }
            Self::Dns(name, port) => {
                let socket = DnsSocket::connect(SocketAddr::new(target, *port)).await?;
                Ok(socket.ask(probe, name, code::SOA, code::IN).await?.rtt)
            }
            Self::Http(path, port) => {
                let server = SocketAddr::new(target, *port);
                let mut conn = probe.connect(server).await?;
                let mut headers = Headers::default();
                headers.push("Host", host);
                headers.push("User-Agent", concat!("Weir/", env!("CARGO_PKG_VERSION")));
                headers.push("Connection", "close");
                let request = Request { version: Version::Http11, method: "HEAD", target: path, headers };
                probe.stage("http", &fault::SERVER_TIMEOUT, http1::ask(probe, &mut conn, &request)).await?;
                Ok(probe.deadline.elapsed().saturating_sub(began))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_names_its_forms() {
        let way = |text: &str| text.parse::<Way>();
        assert_eq!(way("tcp:554"), Ok(Way::Tcp(554)));
        assert_eq!(way("http:/status@8000"), Ok(Way::Http("/status".to_owned(), 8000)));
        assert_eq!(way("dns").expect("fine").to_string(), "DNS 53");
        for wrong in ["tcp", "tcp:x", "icmp@7", "http:status", "udp", "dns:a..b"] {
            assert!(way(wrong).is_err(), "{wrong}");
        }
    }
}
