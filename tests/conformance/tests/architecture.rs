//! The rules of the house that a compiler does not know: which way arrows point, which code words exist.
#![allow(clippy::expect_used, clippy::panic, reason = "a failing test ends here")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use weir_conformance::{files, packages, root};
use weir_contract::{Layer, fault};

/// What each package of `common` may depend on, of ours and of what is heavy.
const MAY: [(&str, &[&str]); 6] = [
    ("weir-contract", &[]),
    ("weir-munin", &["weir-contract"]),
    ("weir-wire", &[]),
    ("weir-media", &["weir-wire", "symphonia-core"]),
    ("weir-probe", &["weir-contract", "weir-wire", "tokio", "reqwest", "h2", "hickory-resolver", "pnet"]),
    ("weir-cli", &["weir-contract", "weir-munin", "weir-probe", "clap", "anyhow"]),
];
/// Crates that only some rooms may use.
const HEAVY: [&str; 8] =
    ["h2", "tokio", "reqwest", "hickory-resolver", "pnet", "clap", "anyhow", "symphonia-core"];
/// Families that may use the stream probes.
const USE_STREAM: [&str; 2] = ["weir-ipvs", "weir-weir"];

#[test]
fn arrows_point_down_only() {
    for package in packages().expect("cargo metadata") {
        let allowed: Vec<&str> = match MAY.iter().find(|(name, _)| *name == package.name) {
            Some((_, allowed)) => allowed.to_vec(),
            None if package.folder.starts_with("plugins/") => {
                let common = MAY.iter().map(|(name, _)| *name);
                let stream = USE_STREAM.contains(&package.name.as_str()).then_some("weir-stream");
                common.chain(stream).chain(["clap", "anyhow"]).collect()
            }
            None => continue,
        };
        for dependency in &package.dependencies {
            let ruled = dependency.starts_with("weir-") || HEAVY.contains(&dependency.as_str());
            assert!(
                !ruled || allowed.contains(&dependency.as_str()),
                "{} must not depend on {dependency}: arrows point down only (CONTRIBUTING.md)",
                package.folder
            );
        }
    }
}

#[test]
fn every_fault_code_is_used_and_every_used_code_exists() {
    let known: BTreeSet<&str> = fault::all().map(|fault| fault.code).collect();
    let catalogue = files("common/contract/src/fault", ".rs");
    let table: String =
        catalogue.iter().map(|file| std::fs::read_to_string(file).expect("a table")).collect();
    let names: BTreeMap<&str, &str> = table
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (name, code) = (words.next()?, words.next()?.strip_prefix('"')?.strip_suffix('"')?);
            known.contains(code).then_some((name, code))
        })
        .collect();
    assert_eq!(names.len(), known.len(), "each row of the catalogue begins with its name and code");

    let mut used: BTreeSet<&str> = BTreeSet::new();
    for folder in ["common", "plugins", "tests"] {
        for file in files(folder, ".rs").into_iter().filter(|file| !catalogue.contains(file)) {
            let text = std::fs::read_to_string(&file).expect("a source file");
            let product = !file.components().any(|c| c.as_os_str() == "tests");
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            for word in words.filter(|_| product) {
                used.extend(names.get(word));
            }
            check_codes(&text, &known, &file.to_string_lossy());
        }
    }
    for folder in ["docs", "nagios-conf", "munin-conf"] {
        for file in files(folder, "") {
            check_codes(&std::fs::read_to_string(&file).expect("text"), &known, &file.to_string_lossy());
        }
    }
    let unused: Vec<&&str> = known.iter().filter(|code| !used.contains(*code)).collect();
    assert!(unused.is_empty(), "no source uses {unused:?}");
}

/// Every word that begins with `E-` in a text is a code of the catalogue (see below for what is none).
fn check_codes(text: &str, known: &BTreeSet<&str>, place: &str) {
    for (at, _) in text.match_indices("E-") {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
            continue;
        }
        let code =
            text[at..].split(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '-').next();
        let code = code.unwrap_or_default();
        // The start of several codes, as tests and patterns name them.
        if code.len() > 3 && code.ends_with('-') && known.iter().any(|known| known.starts_with(code)) {
            continue;
        }
        let code = code.trim_end_matches('-');
        let next = text[at + code.len()..].chars().next();
        // A pattern that ends in `*`, a codec and words such as `E-mail` are no codes.
        if code.len() > 3
            && code != "E-AC-3"
            && next != Some('*')
            && next.is_none_or(|c| !c.is_ascii_lowercase())
        {
            assert!(known.contains(code), "{place} names {code}, which is not in the catalogue");
        }
    }
}

/// `docs/fault-codes.md` is made from the catalogue: `WEIR_UPDATE=1 cargo test -p weir-conformance` writes it anew.
#[test]
fn the_fault_code_page_is_up_to_date() {
    let mut page = String::from(
        "# Fault codes\n\nEvery finding that is not OK carries one of these codes. A code never changes its meaning; \
         `--problem-state CODE=STATE` gives one another state, `--timeout-state` all that end in `-TIMEOUT`.\n\nThis page is \
         made from `common/contract/src/fault/`.\n",
    );
    let mut layers: Vec<Layer> = fault::all().map(|fault| fault.layer).collect();
    layers.sort_unstable();
    layers.dedup();
    for layer in layers {
        let _ = write!(
            page,
            "\n## Layer: {}\n\n| code | state | meaning | next |\n|---|---|---|---|\n",
            layer.name()
        );
        for fault in fault::all().filter(|fault| fault.layer == layer) {
            let _ =
                writeln!(page, "| `{}` | {} | {} | {} |", fault.code, fault.state, fault.meaning, fault.next);
        }
    }
    let file = root().join("docs/fault-codes.md");
    if std::env::var_os("WEIR_UPDATE").is_some() {
        std::fs::write(&file, &page).expect("docs/fault-codes.md");
    }
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(there == page, "docs/fault-codes.md is old: WEIR_UPDATE=1 cargo test -p weir-conformance");
}
