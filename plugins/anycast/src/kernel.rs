//! What the kernel of this host would do with a packet to an address. No privilege is needed.

use std::net::IpAddr;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};
use weir_contract::{Problem, fault};
use weir_wire::rtnetlink::{self, Way};

/// The kernel's answer to one question is far shorter.
const ANSWER_MAX: usize = 4096;

/// Asks for the way to `address`.
///
/// # Errors
/// E-PERMISSION or E-NO-DATA when the kernel cannot be asked.
pub(crate) fn way_to(address: IpAddr) -> Result<Way, Problem> {
    let failed = |error: Errno| {
        let fault =
            if error == Errno::PERM || error == Errno::ACCESS { &fault::PERMISSION } else { &fault::NO_DATA };
        Problem::new(fault, format!("cannot ask the kernel for the way to {address}: {error}"))
    };
    // No protocol means NETLINK_ROUTE.
    let socket =
        socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None).map_err(failed)?;
    sendto(&socket, &rtnetlink::question(address), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))
        .map_err(failed)?;
    let mut buffer = [0; ANSWER_MAX];
    // The kernel has answered before sendto returns.
    let (length, _) = recv(&socket, &mut buffer, RecvFlags::DONTWAIT).map_err(failed)?;
    rtnetlink::parse(&buffer[..length]).map_err(|error| Problem::new(&fault::NO_DATA, error.to_string()))
}

/// The way in words.
pub(crate) fn words(way: &Way) -> String {
    match way {
        Way::Local => "local".to_owned(),
        Way::Unicast(Some(gateway), _) => format!("by way of {gateway}"),
        Way::Unicast(None, _) => "on a network of this host".to_owned(),
        Way::Other(kind) => format!("a route of type {kind}"),
        Way::Refused(22) => "into a blackhole".to_owned(),
        Way::Refused(101 | 113) => "nowhere: there is no route".to_owned(),
        Way::Refused(13) => "prohibited".to_owned(),
        Way::Refused(number) => format!("refused with error {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_local_without_any_privilege() {
        assert_eq!(way_to("127.0.0.1".parse().expect("ip")), Ok(Way::Local));
    }
}
