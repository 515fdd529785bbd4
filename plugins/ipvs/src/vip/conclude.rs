//! What was seen, side by side, to a conclusion: pure.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use weir_contract::{Outcome, Problem, State, Unit, fault};
use weir_wire::ip_vs::Forward;

use super::SERVICE;
use super::look::{Seen, places};

/// A real server.
#[derive(Clone, Debug)]
pub(super) struct Real {
    pub(super) address: SocketAddr,
    /// Its weight in the director's table, if known.
    pub(super) weight: Option<u32>,
    /// How packets reach it, if known.
    pub(super) forward: Option<Forward>,
    pub(super) seen: Seen,
}

impl Real {
    fn fails_like(&self, problem: &Problem) -> bool {
        self.seen.problem.as_ref().is_some_and(|own| own.fault == problem.fault)
    }
}

/// Why the servers of a service are not known.
#[derive(Clone, Debug)]
pub(super) struct Lack {
    pub(super) text: String,
    /// Whether the service should be in the table that it is not in.
    pub(super) lost: bool,
}

/// All that was seen.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) url: String,
    pub(super) vip: SocketAddr,
    pub(super) through: Seen,
    pub(super) reals: Vec<Real>,
    pub(super) lack: Option<Lack>,
    /// Whether this machine is the director itself and answers of servers (direct routing, tunnels) do not come back to it.
    pub(super) one_way: bool,
    /// How sure it is that somebody else answers for the virtual address; see [`stranger`].
    pub(super) stranger: Option<State>,
}

impl Scene {
    fn fine(&self) -> usize {
        self.reals.iter().filter(|real| real.seen.is_fine()).count()
    }
}

pub(super) fn conclude(scene: &Scene) -> Outcome {
    let Scene { vip, through, reals, .. } = scene;
    let mut outcome = Outcome::new(SERVICE, &scene.url);
    let (fine, all) = (scene.fine(), reals.len());
    if let Some(problem) = &through.problem {
        outcome.headline = format!("{fine} of {all} real servers answer");
        dead(&mut outcome, scene, problem);
    } else {
        let time = Unit::Seconds.human(through.took.into());
        // Of a name, it is told which of its addresses that is.
        let at = if scene.url.contains(&vip.ip().to_string()) { "" } else { &format!("at {} ", vip.ip()) };
        outcome.headline = format!("answers {at}in {time}, {fine} of {all} real servers too");
        alive(&mut outcome, scene);
    }
    if let Some(state) = scene.stranger {
        outcome.find_as(
            state,
            &fault::VIP_STRANGER,
            format!("the virtual address answers what no real server answers: who answered at {vip}?"),
        );
    }
    different(&mut outcome, reals);
    leaks(&mut outcome, scene);
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
fn dead(outcome: &mut Outcome, scene: &Scene, problem: &Problem) {
    let reals = &scene.reals;
    let (fine, all, why) = (scene.fine(), reals.len(), &problem.text);
    if scene.one_way {
        let text = format!(
            "a director cannot look at its own service of direct routing or tunnels ({why}); {fine} of {all} real servers \
             answer when asked directly"
        );
        outcome.find(&fault::VIP_UNSEEN, text);
        // Servers of direct routing may listen on the virtual address only.
        if fine > 0 {
            failing(outcome, reals, "");
        }
    } else if let Some(Lack { text, lost }) = &scene.lack {
        let (fault, what) = if *lost {
            (&fault::IPVS_NO_SERVICE, "and")
        } else {
            (&fault::VIP_DEAD, "and its real servers are not known:")
        };
        outcome.find(fault, format!("the virtual address fails ({why}), {what} {text}"));
    } else if all == 0 {
        outcome.find(&fault::IPVS_EMPTY, format!("the virtual address fails ({why}), and its pool is empty"));
    } else if fine == 0 {
        let text = format!("the virtual address and all {all} real servers fail: {}", first_problem(reals));
        outcome.find(&fault::VIP_POOL, text);
    } else if reals.iter().all(|real| real.weight == Some(0)) {
        let text = format!(
            "the virtual address fails ({why}), and nobody is in its pool: all {all} weights are 0; {fine} of {all} real \
             servers are fine{}",
            names(reals, |real| !real.seen.is_fine(), "; dead")
        );
        outcome.find(&fault::IPVS_EMPTY, text);
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
fn alive(outcome: &mut Outcome, scene: &Scene) {
    let all = scene.reals.len();
    if let Some(lack) = &scene.lack {
        outcome.find(&fault::VIP_UNSEEN, format!("the virtual address answers, but {}", lack.text));
    } else if all == 0 {
        outcome.find(
            &fault::VIP_UNSEEN,
            "the virtual address answers, but its pool in this machine's table is empty",
        );
    } else if scene.fine() == 0 {
        // Somebody has answered, so it is our way to the servers that is missing, and not all of them.
        let text = format!(
            "the virtual address answers, none of {all} real servers does when asked directly ({}): there is no way to them \
             from here, or they listen on the virtual address only",
            first_problem(&scene.reals)
        );
        outcome.find(&fault::VIP_UNSEEN, text);
    } else {
        failing(outcome, &scene.reals, "the virtual address is fine, ");
    }
}

/// Each server that fails, while others do not.
fn failing(outcome: &mut Outcome, reals: &[Real], before: &str) {
    for real in reals {
        let Some(problem) = &real.seen.problem else { continue };
        let (address, why) = (real.address, &problem.text);
        match real.weight {
            Some(weight @ 1..) => outcome.find(
                &fault::VIP_BLIND,
                format!("{before}real server {address} fails ({why}) and has weight {weight}"),
            ),
            Some(0) => outcome.find(
                &fault::VIP_REAL,
                format!("real server {address} fails ({why}); it is out with weight 0"),
            ),
            None => outcome.find(&fault::VIP_REAL, format!("real server {address} fails ({why})")),
        }
    }
}

/// What most servers answer, and how many they are, if the virtual address answers something that none of them does. Where each
/// server answers something else, that says nothing.
fn odd<'a>(through: Option<&str>, reals: impl Iterator<Item = Option<&'a str>>) -> Option<(&'a str, usize)> {
    let shapes = count(reals);
    let (shape, servers) = most(&shapes)?;
    (!shapes.contains_key(through?) && (shapes.len() == 1 || servers > 1)).then_some((shape, servers))
}

/// Whether somebody else answers for the virtual address, by the shapes of two looks: what servers make anew each time says
/// nothing. Without a second look it is not sure, nor with one server, which may be one of several kinds.
pub(super) fn stranger(first: (&Seen, &[Real]), again: Option<(&Seen, &[Real])>) -> Option<State> {
    let odd = |(through, reals): (&'_ Seen, _)| {
        let reals: &[Real] = reals;
        let (shape, servers) =
            odd(through.shape.as_deref(), reals.iter().map(|real| real.seen.shape.as_deref()))?;
        Some((shape.to_owned(), servers))
    };
    let (shape, servers) = odd(first)?;
    match again.filter(|(through, _)| through.is_fine()).map(odd) {
        None => Some(State::Warning),
        Some(Some((same, again))) if same == shape => {
            Some(if servers.min(again) > 1 { State::Critical } else { State::Warning })
        }
        Some(_) => None,
    }
}

fn count<'a>(shapes: impl Iterator<Item = Option<&'a str>>) -> HashMap<&'a str, usize> {
    let mut counts = HashMap::new();
    for shape in shapes.flatten() {
        *counts.entry(shape).or_default() += 1;
    }
    counts
}

fn most<'a>(shapes: &HashMap<&'a str, usize>) -> Option<(&'a str, usize)> {
    shapes.iter().max_by_key(|(shape, count)| (**count, **shape)).map(|(shape, count)| (*shape, *count))
}

/// Servers that serve something else than most.
fn different(outcome: &mut Outcome, reals: &[Real]) {
    let shapes = count(reals.iter().map(|real| real.seen.shape.as_deref()));
    if shapes.len() < 2 {
        return;
    }
    let text = match most(&shapes) {
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
fn leaks(outcome: &mut Outcome, scene: &Scene) {
    let Scene { vip, through, reals, .. } = scene;
    let (mut leaked, mut own) = (Vec::new(), Vec::new());
    for real in reals.iter().filter(|real| real.address.ip() != vip.ip()) {
        let ip = real.address.ip();
        let named_by = |other: &Real| names_ip(&other.seen.text, ip);
        let by_another = |other: &Real| other.address.ip() != ip && named_by(other);
        // Behind address translation a server sees the same whoever asks.
        let translated = named_by(real) && real.forward == Some(Forward::Masq);
        if names_ip(&through.text, ip) || reals.iter().any(by_another) || translated {
            leaked.push(ip);
        } else if named_by(real) {
            own.push(ip);
        }
    }
    for ips in [&mut leaked, &mut own] {
        ips.sort();
        ips.dedup();
    }
    if !leaked.is_empty() {
        outcome.find(
            &fault::VIP_LEAK,
            format!("answers name real servers by their own address: {}", list(&leaked)),
        );
    }
    // A server may name the address at which it was asked, which is the virtual one for clients of direct routing. When all do
    // so, one of them has answered through the virtual address, and did not.
    let habit = through.is_fine()
        && reals.iter().filter(|real| real.seen.is_fine()).all(|real| own.contains(&real.address.ip()));
    if !own.is_empty() && !habit {
        let text = format!(
            "asked at their own addresses, servers name these, perhaps to clients too: {}",
            list(&own)
        );
        outcome.find_as(State::Warning, &fault::VIP_LEAK, text);
    }
}

fn names_ip(text: &str, ip: IpAddr) -> bool {
    places(text, &ip.to_string()).next().is_some()
}

fn list(ips: &[IpAddr]) -> String {
    ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn first_problem(reals: &[Real]) -> &str {
    reals.iter().find_map(|real| real.seen.problem.as_ref()).map_or("", |problem| &problem.text)
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

    fn seen(works: bool, shape: &str) -> Seen {
        let problem = (!works).then(|| Problem::new(&fault::TCP_REFUSED, "refused"));
        Seen { shape: works.then(|| shape.to_owned()), problem, ..Seen::default() }
    }

    /// Real servers 192.0.2.11 and so on: whether each answers, its weight, what it answers.
    fn scene(vip: bool, reals: &[(bool, Option<u32>, &str)]) -> Scene {
        let real = |(n, (works, weight, shape)): (u8, &(bool, Option<u32>, &str))| Real {
            address: SocketAddr::new([192, 0, 2, n].into(), 80),
            weight: *weight,
            forward: None,
            seen: seen(*works, shape),
        };
        Scene {
            url: "http://192.0.2.1/".to_owned(),
            vip: "192.0.2.1:80".parse().expect("an address"),
            through: seen(vip, "a"),
            reals: (11..).zip(reals).map(real).collect(),
            lack: None,
            one_way: false,
            stranger: None,
        }
    }

    fn said(scene: &Scene) -> Vec<(State, String)> {
        let findings = conclude(scene).findings;
        findings.iter().map(|f| (f.state, format!("{} {}", f.fault.code, f.text))).collect()
    }

    fn verdict(vip: bool, reals: &[(bool, Option<u32>, &str)]) -> Vec<(State, String)> {
        said(&scene(vip, reals))
    }

    const UP: (bool, Option<u32>, &str) = (true, Some(1), "a");
    const DOWN: (bool, Option<u32>, &str) = (false, Some(1), "a");

    #[test]
    fn each_fault_has_its_culprit() {
        assert_eq!(verdict(true, &[UP, UP, UP]), []);
        let director = verdict(false, &[UP, UP, UP]);
        assert_eq!(director, [(State::Critical, "E-VIP-DEAD the virtual address fails (refused), 3 of 3 real servers are fine: director or ARP".to_owned())]);
        let chosen = verdict(false, &[UP, DOWN]);
        assert_eq!(
            chosen[0].1,
            "E-VIP-BLIND the virtual address fails (refused) as real server 192.0.2.12:80 with weight 1 does; 1 of 2 real servers are fine"
        );
        let out = verdict(false, &[UP, (false, Some(0), "a")]);
        assert!(
            out[0].1.ends_with("1 of 2 real servers are fine: director or ARP; dead: 192.0.2.12:80"),
            "{out:?}"
        );
        assert!(verdict(false, &[DOWN, DOWN])[0].1.starts_with("E-VIP-POOL the virtual address and all 2"));
        let blind = verdict(true, &[UP, DOWN, UP]);
        assert_eq!(blind, [(State::Critical, "E-VIP-BLIND the virtual address is fine, real server 192.0.2.12:80 fails (refused) and has weight 1".to_owned())]);
        assert_eq!(verdict(true, &[UP, (false, Some(0), "a")])[0].0, State::Warning);
        assert_eq!(verdict(true, &[UP, (false, None, "a")])[0].0, State::Warning);
        let odd = verdict(true, &[UP, UP, (true, Some(1), "b")]);
        assert_eq!(
            odd,
            [(
                State::Warning,
                "E-VIP-DIFFERENT not every real server answers what most do; another answer comes from: 192.0.2.13:80".to_owned()
            )]
        );
    }

    #[test]
    fn servers_that_cannot_be_reached_from_here_are_no_reason_to_take_a_working_service_down() {
        let unseen = verdict(true, &[DOWN, DOWN, (false, None, "")]);
        assert_eq!(unseen.len(), 1, "{unseen:?}");
        assert_eq!(unseen[0].0, State::Unknown);
        assert!(
            unseen[0].1.starts_with("E-VIP-UNSEEN the virtual address answers, none of 3 real servers does")
        );
        assert_eq!(verdict(true, &[])[0].0, State::Unknown);
    }

    #[test]
    fn an_empty_pool_is_told_from_a_broken_director() {
        let out = (true, Some(0), "a");
        let all_out = verdict(false, &[out, out, (false, Some(0), "")]);
        assert_eq!(all_out.len(), 1, "{all_out:?}");
        assert!(
            all_out[0].1.starts_with("E-IPVS-EMPTY") && all_out[0].1.contains("all 3 weights are 0; 2 of 3")
        );
        assert!(verdict(false, &[])[0].1.starts_with("E-IPVS-EMPTY"));
    }

    #[test]
    fn a_director_does_not_judge_what_it_cannot_see() {
        let own = |reals: &[_]| said(&Scene { one_way: true, ..scene(false, reals) });
        let fine = own(&[UP, UP]);
        assert_eq!((fine.len(), fine[0].0), (1, State::Unknown), "{fine:?}");
        let dead = own(&[UP, DOWN]);
        assert!(dead[1].1.starts_with("E-VIP-BLIND real server 192.0.2.12:80 fails"), "{dead:?}");
        assert_eq!(own(&[DOWN, DOWN]).len(), 1);
        let lack = |lost, vip| {
            let lack = Some(Lack { text: "it is not in the table".to_owned(), lost });
            said(&Scene { lack, ..scene(vip, &[]) })
        };
        assert!(
            lack(true, false)[0]
                .1
                .starts_with("E-IPVS-NO-SERVICE the virtual address fails (refused), and it")
        );
        assert!(
            lack(false, false)[0]
                .1
                .starts_with("E-VIP-DEAD the virtual address fails (refused), and its real")
        );
        assert_eq!(lack(true, true)[0].0, State::Unknown);
        assert_eq!(lack(false, true).len(), 1);
    }

    #[test]
    fn a_stranger_behind_the_virtual_address_is_found_and_what_is_made_anew_is_none() {
        let of = |through: &str, reals: [&str; 2]| {
            let mut scene = scene(true, &reals.map(|shape| (true, Some(1), shape)));
            scene.through.shape = Some(through.to_owned());
            (scene.through, scene.reals)
        };
        let both = |first: &(Seen, Vec<Real>), again: Option<&(Seen, Vec<Real>)>| {
            stranger((&first.0, &first.1), again.map(|(through, reals)| (through, &reals[..])))
        };
        let stolen = of("x", ["a", "a"]);
        assert_eq!(both(&stolen, Some(&stolen)), Some(State::Critical));
        assert_eq!(both(&stolen, None), Some(State::Warning), "not sure");
        assert_eq!(both(&stolen, Some(&of("a", ["a", "a"]))), None);
        assert_eq!(both(&stolen, Some(&of("y", ["b", "b"]))), None, "a clock");
        let all_differ = of("x", ["a", "b"]);
        assert_eq!(both(&all_differ, Some(&all_differ)), None);
        let one_kind = of("b", ["a", "b"]);
        assert_eq!(both(&one_kind, Some(&one_kind)), None);
        let found = said(&Scene { stranger: Some(State::Critical), ..scene(true, &[UP, UP]) });
        assert!(found[0].1.starts_with("E-VIP-STRANGER"), "{found:?}");
    }

    #[test]
    fn only_an_address_that_clients_can_meet_is_a_leak() {
        let of = |through: &str, reals: [&str; 2], forward| {
            let mut scene = scene(true, &[UP, UP]);
            scene.through.text = through.to_owned();
            for (real, text) in scene.reals.iter_mut().zip(reals) {
                (real.seen.text, real.forward) = (text.to_owned(), forward);
            }
            said(&scene)
        };
        let (vip, a, b) = ("http://192.0.2.1/x", "http://192.0.2.11/x", "http://192.0.2.12/x");
        let critical = |said: &[(State, String)]| said.len() == 1 && said[0].0 == State::Critical;
        assert!(critical(&of(a, [vip, vip], None)), "through the virtual address");
        assert!(critical(&of(vip, [b, vip], None)), "the address of another one");
        assert!(critical(&of(vip, [a, vip], Some(Forward::Masq))), "it sees the same whoever asks");
        assert_eq!(of(vip, [a, b], Some(Forward::Route)), [], "the address that was asked");
        assert_eq!(of(vip, [a, b], None), []);
        let one = of(vip, [a, vip], None);
        assert_eq!((one.len(), one[0].0), (1, State::Warning), "{one:?}");
    }
}
