//! What was seen, side by side, to a conclusion: pure.

use std::collections::HashMap;
use std::net::SocketAddr;

use weir_contract::{Outcome, Problem, Unit, fault};

use super::SERVICE;
use super::look::Seen;

/// A real server.
#[derive(Clone, Debug)]
pub(super) struct Real {
    pub(super) address: SocketAddr,
    /// Its weight in the director's table, if known.
    pub(super) weight: Option<u32>,
    pub(super) seen: Seen,
}

impl Real {
    fn fails_like(&self, problem: &Problem) -> bool {
        self.seen.problem.as_ref().is_some_and(|own| own.fault == problem.fault)
    }
}

pub(super) fn conclude(url: &str, vip: SocketAddr, through: &Seen, reals: &[Real]) -> Outcome {
    let mut outcome = Outcome::new(SERVICE, url);
    let fine = reals.iter().filter(|real| real.seen.is_fine()).count();
    let all = reals.len();
    let time = Unit::Seconds.human(through.took.into());
    outcome.headline = format!("answers in {time}, {fine} of {all} real servers too");
    if let Some(problem) = &through.problem {
        outcome.headline = format!("{fine} of {all} real servers answer");
        dead(&mut outcome, problem, reals, fine);
    } else {
        alive(&mut outcome, reals);
    }
    different(&mut outcome, reals);
    leaks(&mut outcome, vip, through, reals);
    for real in reals {
        let weight = real.weight.map(|weight| format!(" weight {weight}")).unwrap_or_default();
        let remark = real.seen.remark.as_ref().map_or_else(String::new, |remark| format!("; {remark}"));
        let fine = || format!("fine, {}{remark}", Unit::Seconds.human(real.seen.took.into()));
        let state = real.seen.problem.as_ref().map_or_else(fine, ToString::to_string);
        outcome.details.push(format!("real server {}{weight}: {state}", real.address));
    }
    outcome
}

/// The virtual address fails.
fn dead(outcome: &mut Outcome, problem: &Problem, reals: &[Real], fine: usize) {
    let (all, why) = (reals.len(), &problem.text);
    if all == 0 {
        outcome.find(&fault::VIP_DEAD, format!("the virtual address fails ({why}), and its pool is empty"));
    } else if fine == 0 {
        let first = reals[0].seen.problem.as_ref().map_or("", |problem| problem.text.as_str());
        outcome
            .find(&fault::VIP_POOL, format!("the virtual address and all {all} real servers fail: {first}"));
    } else if let Some(real) = reals.iter().find(|real| real.weight != Some(0) && real.fails_like(problem)) {
        // The scheduler may have chosen the one that is dead.
        let weight = real.weight.map_or(String::new(), |weight| format!(" with weight {weight}"));
        let text = format!(
            "the virtual address fails ({why}) as real server {}{weight} does; {fine} of {all} real servers are fine",
            real.address
        );
        outcome.find(&fault::VIP_BLIND, text);
    } else {
        let text = format!(
            "the virtual address fails ({why}), {fine} of {all} real servers are fine: director or ARP{}",
            names(reals, |real| !real.seen.is_fine(), "; dead")
        );
        outcome.find(&fault::VIP_DEAD, text);
    }
}

/// The virtual address answers; servers may not.
fn alive(outcome: &mut Outcome, reals: &[Real]) {
    for real in reals {
        let Some(problem) = &real.seen.problem else { continue };
        let (address, why) = (real.address, &problem.text);
        match real.weight {
            Some(weight @ 1..) => outcome.find(
                &fault::VIP_BLIND,
                format!(
                    "the virtual address is fine, real server {address} fails ({why}) and has weight {weight}"
                ),
            ),
            Some(0) => outcome.find(
                &fault::VIP_REAL,
                format!("real server {address} fails ({why}); it is out with weight 0"),
            ),
            None => outcome.find(&fault::VIP_REAL, format!("real server {address} fails ({why})")),
        }
    }
}

/// Servers that serve something else than most.
fn different(outcome: &mut Outcome, reals: &[Real]) {
    let mut shapes: HashMap<&str, usize> = HashMap::new();
    for shape in reals.iter().filter_map(|real| real.seen.shape.as_deref()) {
        *shapes.entry(shape).or_default() += 1;
    }
    if shapes.len() < 2 {
        return;
    }
    let most =
        shapes.iter().max_by_key(|(shape, count)| (**count, **shape)).map(|(shape, count)| (*shape, *count));
    let text = match most {
        Some((shape, 2..)) => {
            let odd = |real: &Real| real.seen.shape.as_deref().is_some_and(|own| own != shape);
            format!(
                "not every real server answers what most do; another answer comes from{}",
                names(reals, odd, "")
            )
        }
        _ => format!(
            "each real server answers something else{}",
            names(reals, |real| real.seen.shape.is_some(), "")
        ),
    };
    outcome.find(&fault::VIP_DIFFERENT, text);
}

/// Clients must see only the virtual address.
fn leaks(outcome: &mut Outcome, vip: SocketAddr, through: &Seen, reals: &[Real]) {
    let seen = std::iter::once(through).chain(reals.iter().map(|real| &real.seen));
    let mut leaked: Vec<String> = Vec::new();
    for seen in seen {
        for real in reals.iter().filter(|real| real.address.ip() != vip.ip()) {
            let ip = real.address.ip().to_string();
            if holds(&seen.text, &ip) && !leaked.contains(&ip) {
                leaked.push(ip);
            }
        }
    }
    if !leaked.is_empty() {
        outcome.find(
            &fault::VIP_LEAK,
            format!("answers name real servers by their own address: {}", leaked.join(", ")),
        );
    }
}

/// Whether `ip` stands in the text, and not only as a part of another address.
fn holds(text: &str, ip: &str) -> bool {
    let part = |c: char| c.is_ascii_hexdigit() || c == '.';
    text.match_indices(ip).any(|(at, _)| {
        !text[..at].ends_with(part) && !text[at + ip.len()..].starts_with(|c: char| c.is_ascii_digit())
    })
}

/// `: a, b`
fn names(reals: &[Real], test: impl Fn(&Real) -> bool, before: &str) -> String {
    let names: Vec<String> =
        reals.iter().filter(|real| test(real)).map(|real| real.address.to_string()).collect();
    if names.is_empty() { String::new() } else { format!("{before}: {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_contract::State;

    fn seen(works: bool, shape: &str) -> Seen {
        let problem = (!works).then(|| Problem::new(&fault::TCP_REFUSED, "refused"));
        Seen { shape: works.then(|| shape.to_owned()), problem, ..Seen::default() }
    }

    /// Real servers 192.0.2.11 and so on: whether each answers, its weight, what it answers.
    fn verdict(vip: bool, reals: &[(bool, Option<u32>, &str)]) -> Vec<(State, String)> {
        let reals: Vec<Real> = (11..)
            .zip(reals)
            .map(|(n, (works, weight, shape))| Real {
                address: format!("192.0.2.{n}:80").parse().expect("an address"),
                weight: *weight,
                seen: seen(*works, shape),
            })
            .collect();
        let outcome = conclude(
            "http://192.0.2.1/",
            "192.0.2.1:80".parse().expect("an address"),
            &seen(vip, "a"),
            &reals,
        );
        outcome.findings.iter().map(|f| (f.state, format!("{} {}", f.fault.code, f.text))).collect()
    }

    #[test]
    fn each_fault_has_its_culprit() {
        let up = (true, Some(1), "a");
        let down = (false, Some(1), "a");
        assert_eq!(verdict(true, &[up, up, up]), []);
        let director = verdict(false, &[up, up, up]);
        assert_eq!(director, [(State::Critical, "E-VIP-DEAD the virtual address fails (refused), 3 of 3 real servers are fine: director or ARP".to_owned())]);
        let chosen = verdict(false, &[up, down]);
        assert_eq!(
            chosen[0].1,
            "E-VIP-BLIND the virtual address fails (refused) as real server 192.0.2.12:80 with weight 1 does; 1 of 2 real servers are fine"
        );
        let out = verdict(false, &[up, (false, Some(0), "a")]);
        assert!(
            out[0].1.ends_with("1 of 2 real servers are fine: director or ARP; dead: 192.0.2.12:80"),
            "{out:?}"
        );
        assert!(verdict(false, &[down, down])[0].1.starts_with("E-VIP-POOL the virtual address and all 2"));
        let blind = verdict(true, &[up, down, up]);
        assert_eq!(blind, [(State::Critical, "E-VIP-BLIND the virtual address is fine, real server 192.0.2.12:80 fails (refused) and has weight 1".to_owned())]);
        assert_eq!(verdict(true, &[up, (false, Some(0), "a")])[0].0, State::Warning);
        assert_eq!(verdict(true, &[up, (false, None, "a")])[0].0, State::Warning);
        let odd = verdict(true, &[up, up, (true, Some(1), "b")]);
        assert_eq!(
            odd,
            [(
                State::Warning,
                "E-VIP-DIFFERENT not every real server answers what most do; another answer comes from: 192.0.2.13:80".to_owned()
            )]
        );
    }

    #[test]
    fn an_address_that_leaks_is_found_whole() {
        assert!(holds("http://192.0.2.11:80/x", "192.0.2.11"));
        assert!(!holds("http://192.0.2.110/x", "192.0.2.11"));
        assert!(!holds("http://1192.0.2.11/x", "192.0.2.11"));
        assert!(holds("http://[2001:db8::7]/", "2001:db8::7"));
    }
}
