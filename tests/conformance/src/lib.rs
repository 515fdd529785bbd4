//! What the conformance tests know of the workspace: its packages, its binaries, its files.
//!
//! Nothing here is a list that somebody must keep: a new plugin is found, and held to every rule, by being there.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

/// One package of the workspace.
#[derive(Debug)]
pub struct Package {
    /// `weir-stream`
    pub name: String,
    /// Its folder, relative to the workspace: `plugins/stream`.
    pub folder: String,
    /// The names of the packages it depends on when it is built, not when it is tested.
    pub dependencies: Vec<String>,
    /// Its binaries.
    pub binaries: Vec<String>,
}

/// The workspace's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap_or_default()
}

/// The packages of the workspace, as cargo sees them.
///
/// # Errors
/// When cargo does not answer, or not as expected.
pub fn packages() -> Result<Vec<Package>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)))?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let root = root();
    let packages = list(&metadata["packages"]).into_iter().map(|package| {
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let folder = manifest.parent().and_then(|f| f.strip_prefix(&root).ok()).unwrap_or(Path::new(""));
        let built = list(&package["dependencies"]).into_iter().filter(|d| d["kind"] != "dev");
        let binaries = list(&package["targets"]).into_iter().filter(|t| t["kind"][0] == "bin");
        Package {
            name: text(&package["name"]),
            folder: folder.to_string_lossy().into_owned(),
            dependencies: built.map(|d| text(&d["name"])).collect(),
            binaries: binaries.map(|t| text(&t["name"])).collect(),
        }
    });
    Ok(packages.collect())
}

/// Every plugin binary as (family, name): what the folder `plugins` holds.
///
/// # Errors
/// Those of [`packages`].
pub fn plugins() -> Result<Vec<(String, String)>> {
    let mut plugins = Vec::new();
    for package in packages()? {
        if let Some(family) = package.folder.strip_prefix("plugins/") {
            plugins.extend(package.binaries.into_iter().map(|name| (family.to_owned(), name)));
        }
    }
    Ok(plugins)
}

/// The Nagios checks among them.
///
/// # Errors
/// Those of [`packages`].
pub fn checks() -> Result<Vec<String>> {
    Ok(plugins()?.into_iter().map(|(_, name)| name).filter(|name| name.starts_with("check_")).collect())
}

/// The Munin plugins among them.
///
/// # Errors
/// Those of [`packages`].
pub fn graphs() -> Result<Vec<String>> {
    Ok(plugins()?.into_iter().map(|(_, name)| name).filter(|name| !name.starts_with("check_")).collect())
}

/// Every file below `folder` of the workspace whose name ends in `ending`, without build output.
pub fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() && name != "target" && name != "testdata" && name != ".git" {
                folders.push(path);
            } else if path.is_file() && name.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
